//! Launcher of `shaders/activation_grad.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, workgroups_for};
use crate::geometry::Window;
use crate::problem::{Activation, Epilogue};

kernel!(
    "activation_grad", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, ACTIVATION, ACTIVATION_DERIVATIVE],
    read: ["input", "grad_output"],
    write: ["output"],
    constants: ["WORKGROUP", "HAS_INPUT", "DENSE"],
    precondition: "none",
);

/// `pre` is the output before the activation; without it the gradient is copied. Reads the batch, the output channels
/// and the output extents of the window.
pub(super) fn dispatch(
    window: &Window,
    activation: Activation,
    pre: Option<Slot>,
    grad_output: Slot,
    output: Slot,
    beta: f32,
) -> Dispatch {
    let pre_slot = pre.unwrap_or(Slot::UNUSED);
    let dense = [pre_slot, grad_output, output].iter().all(|slot| *slot == Slot::UNUSED || slot.view.is_dense(window));
    let params = WindowParams {
        input: pre_slot.view,
        grad_output: grad_output.view,
        output: output.view,
        beta,
        ..WindowParams::new(window)
    };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), pre.is_some().into(), dense.into()],
        Params::Window(Box::new(params.with_epilogue(&Epilogue { activation, ..Epilogue::default() }))),
        vec![pre_slot.operand, grad_output.operand, output.operand],
        workgroups_for((window.batch * window.c_out * window.output_len()) as u64),
    )
}
