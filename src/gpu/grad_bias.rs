//! Launcher of `shaders/grad_bias.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, workgroup_for_sum};
use crate::geometry::Window;

kernel!(
    "grad_bias", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, WORKGROUP_SUM],
    read: ["grad_output"],
    write: ["grad_bias"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

pub(super) fn dispatch(
    window: &Window,
    grad_output: Slot,
    grad_bias: Slot,
    beta: f32,
    max_invocations: u32,
) -> Dispatch {
    let params = WindowParams { grad_output: grad_output.view, beta, ..WindowParams::new(window) };
    Dispatch::new(
        &KERNEL,
        vec![workgroup_for_sum(window.output_len(), max_invocations).into()],
        Params::Window(Box::new(params)),
        vec![grad_output.operand, grad_bias.operand],
        window.c_out as u64,
    )
}
