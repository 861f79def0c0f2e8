//! Launcher of `shaders/lp_pool.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, workgroups_for};
use crate::geometry::Window;

kernel!(
    "lp_pool", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CLASSIFY, LP_NORM],
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

pub(super) fn dispatch(window: &Window, p: f32, input: Slot, output: Slot) -> Dispatch {
    let params = WindowParams { input: input.view, output: output.view, value: p, ..WindowParams::new(window) };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into()],
        Params::Window(Box::new(params)),
        vec![input.operand, output.operand],
        workgroups_for((window.batch * window.c_out * window.output_len()) as u64),
    )
}
