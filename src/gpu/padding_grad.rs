//! Launcher of `shaders/padding_grad.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, padding_code, workgroups_for};
use crate::geometry::Window;
use crate::problem::PaddingMode;

kernel!(
    "padding_grad", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID],
    read: ["grad_output"],
    write: ["grad_input"],
    constants: ["WORKGROUP", "PADDING_MODE"],
    precondition: "none",
);

/// `padded` holds the gradient of the padded image, whose extents are those of the input and both paddings.
pub(super) fn dispatch(window: &Window, mode: PaddingMode, padded: Slot, grad_input: Slot, beta: f32) -> Dispatch {
    let params =
        WindowParams { grad_output: padded.view, grad_input: grad_input.view, beta, ..WindowParams::new(window) };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), padding_code(mode)],
        Params::Window(Box::new(params)),
        vec![padded.operand, grad_input.operand],
        workgroups_for((window.batch * window.c_in * window.input_len()) as u64),
    )
}
