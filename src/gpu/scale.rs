//! Launcher of `shaders/scale.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, workgroups_for};
use crate::geometry::Window;

kernel!(
    "scale", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID],
    read: [],
    write: ["output"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

/// Scales a tensor of the window's output shape.
pub(super) fn dispatch(window: &Window, output: Slot, beta: f32) -> Dispatch {
    let params = WindowParams { output: output.view, beta, ..WindowParams::new(window) };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into()],
        Params::Window(Box::new(params)),
        vec![output.operand],
        workgroups_for((window.batch * window.c_out * window.output_len()) as u64),
    )
}
