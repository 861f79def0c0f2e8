//! Launcher of `shaders/spatial_separable2d_direct.wgsl`.

use super::catalog::kernel;
use super::program::{ConvTask, Dispatch, Operand, WORKGROUP, padding_code, workgroups_for};

kernel!(
    "spatial_separable2d_direct", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT],
    read: ["input", "weight_v", "weight_h", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE"],
    precondition: "none",
);

/// `task.weight` is the vertical factor.
pub(super) fn dispatch(task: &ConvTask, weight_h: Operand) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), padding_code(task.padding_mode)],
        task.params(),
        vec![task.input.operand, task.weight, weight_h, task.bias.operand, task.residual.operand, task.output.operand],
        workgroups_for(task.n_outputs()),
    )
}
