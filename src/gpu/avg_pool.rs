//! Launcher of `shaders/avg_pool.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, workgroups_for};
use crate::geometry::Window;

kernel!(
    "avg_pool", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID],
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP", "COUNT_PADDING"],
    precondition: "none",
);

/// A divisor of zero counts taps.
pub(super) fn dispatch(window: &Window, count_padding: bool, divisor: usize, input: Slot, output: Slot) -> Dispatch {
    let params =
        WindowParams { input: input.view, output: output.view, count: divisor as u32, ..WindowParams::new(window) };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), count_padding.into()],
        Params::Window(Box::new(params)),
        vec![input.operand, output.operand],
        workgroups_for((window.batch * window.c_out * window.output_len()) as u64),
    )
}
