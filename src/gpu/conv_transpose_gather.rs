//! Launcher of `shaders/conv_transpose_gather.wgsl`.

use super::catalog::kernel;
use super::program::{ConvTask, Dispatch, WORKGROUP, workgroups_for};

kernel!(
    "conv_transpose_gather", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL"],
    precondition: "none",
);

pub(super) fn dispatch(task: &ConvTask) -> Dispatch {
    let constants = vec![WORKGROUP.into(), task.flip_kernel.into()];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups_for(task.n_outputs()))
}
