//! Launcher of `shaders/locally_connected2d_grad_input.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Operand, Params, Slot, WORKGROUP, workgroups_for};
use crate::geometry::Window;

kernel!(
    "locally_connected2d_grad_input", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID],
    read: ["weight", "grad_output"],
    write: ["grad_input"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

pub(super) fn dispatch(window: &Window, weight: Operand, grad_output: Slot, grad_input: Slot, beta: f32) -> Dispatch {
    let params =
        WindowParams { grad_output: grad_output.view, grad_input: grad_input.view, beta, ..WindowParams::new(window) };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into()],
        Params::Window(Box::new(params)),
        vec![weight, grad_output.operand, grad_input.operand],
        workgroups_for((window.batch * window.c_in * window.input_len()) as u64),
    )
}
