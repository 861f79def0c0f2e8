//! Launcher of `shaders/locally_connected2d_grad_weight.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, workgroups_for};
use crate::geometry::Window;

kernel!(
    "locally_connected2d_grad_weight", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID],
    read: ["input", "grad_output"],
    write: ["grad_weight"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

pub(super) fn dispatch(window: &Window, [input, grad_output, grad_weight]: [Slot; 3], beta: f32) -> Dispatch {
    let params = WindowParams { input: input.view, grad_output: grad_output.view, beta, ..WindowParams::new(window) };
    let weights = (window.output_len() * window.c_out) as u64 * (window.c_in_per_group() * window.kernel_len()) as u64;
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into()],
        Params::Window(Box::new(params)),
        vec![input.operand, grad_output.operand, grad_weight.operand],
        workgroups_for(weights),
    )
}
