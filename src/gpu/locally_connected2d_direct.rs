//! Launcher of `shaders/locally_connected2d_direct.wgsl`.

use super::catalog::kernel;
use super::program::{ConvTask, Dispatch, WORKGROUP, workgroups_for};

kernel!(
    "locally_connected2d_direct", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, ACTIVATION],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

pub(super) fn dispatch(task: &ConvTask) -> Dispatch {
    Dispatch::new(&KERNEL, vec![WORKGROUP.into()], task.params(), task.operands(), workgroups_for(task.n_outputs()))
}
