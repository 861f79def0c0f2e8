//! Launcher of `shaders/conv_sum_slices.wgsl`.

use super::catalog::kernel;
use super::params::{View, WindowParams};
use super::program::{ConvTask, Dispatch, Operand, Params, Slot, WORKGROUP, workgroups_for};

kernel!(
    "conv_sum_slices", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT],
    read: ["input", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "DENSE"],
    precondition: "none",
);

/// Finishes a convolution of which `partial` holds `slices` times all images.
pub(super) fn dispatch(task: &ConvTask, slices: usize, partial: Slot) -> Dispatch {
    let w = &task.window;
    let absent = task.residual.operand == Operand::Unused;
    let dense = task.output.view.is_dense(w) && (absent || task.residual.view.is_dense(w));
    let view = |view: View| if dense { View { base: view.base, w: 1, ..View::default() } } else { view };
    let params = WindowParams {
        input: partial.view,
        output: view(task.output.view),
        residual: view(task.residual.view),
        beta: task.beta,
        count: slices as u32,
        ..WindowParams::new(w)
    };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), dense.into()],
        Params::Window(Box::new(params.with_epilogue(&task.epilogue))),
        vec![partial.operand, task.bias.operand, task.residual.operand, task.output.operand],
        workgroups_for(task.n_outputs()),
    )
}
