//! Launcher of `shaders/conv_sum_slices.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{ConvTask, Dispatch, Params, Slot, WORKGROUP, workgroups_for};

kernel!(
    "conv_sum_slices", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT],
    read: ["input", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

/// Finishes a convolution of which `partial` holds `slices` times all images.
pub(super) fn dispatch(task: &ConvTask, slices: usize, partial: Slot) -> Dispatch {
    let params = WindowParams {
        input: partial.view,
        output: task.output.view,
        residual: task.residual.view,
        beta: task.beta,
        count: slices as u32,
        ..WindowParams::new(&task.window)
    };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into()],
        Params::Window(Box::new(params.with_epilogue(&task.epilogue))),
        vec![partial.operand, task.bias.operand, task.residual.operand, task.output.operand],
        workgroups_for(task.n_outputs()),
    )
}
