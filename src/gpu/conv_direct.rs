//! Launcher of `shaders/conv_direct.wgsl`.

use super::catalog::kernel;
use super::program::{ConvTask, Dispatch, WORKGROUP, padding_code, workgroups_for};

kernel!(
    "conv_direct", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL"],
    precondition: "none",
);

pub(super) fn dispatch(task: &ConvTask) -> Dispatch {
    let constants = vec![WORKGROUP.into(), padding_code(task.padding_mode), task.flip_kernel.into()];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups_for(task.n_outputs()))
}
