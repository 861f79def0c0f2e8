//! Launcher of `shaders/convert/activation_grad.wgsl`.

use crate::geometry::Window;
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::problem::{Activation, Epilogue};
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    activation_grad, Window,
    read: ["input", "grad_output"],
    write: ["output"],
    constants: ["WORKGROUP", "HAS_INPUT", "DENSE"],
    precondition: "none",
    loops: |_| 0,
);

/// `pre` is the output before the activation; without it the gradient is copied. Reads the batch, the output channels
/// and the output extents of the window.
pub(crate) fn dispatch(
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
        [("WORKGROUP", WORKGROUP.into()), ("HAS_INPUT", pre.is_some().into()), ("DENSE", dense.into())],
        Params::Window(Box::new(params.with_epilogue(&Epilogue { activation, ..Epilogue::default() }))),
        vec![pre_slot.operand, grad_output.operand, output.operand],
        workgroups_for((window.batch * window.c_out * window.output_len()) as u64),
    )
}
