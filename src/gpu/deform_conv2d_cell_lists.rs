//! Launcher of `shaders/deform_conv2d_cell_lists.wgsl`.

use super::catalog::kernel;
use super::deform_backward::DeformTask;
use super::program::{Dispatch, Operand, WORKGROUP, workgroups_for};

kernel!(
    "deform_conv2d_cell_lists", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CELLS],
    read: ["keys", "ranks", "starts"],
    write: ["listed"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

pub(super) fn dispatch(task: &DeformTask<'_>, [keys, ranks, starts, listed]: [Operand; 4]) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into()],
        task.params(|_| {}),
        vec![keys, ranks, starts, listed],
        workgroups_for((task.sequences() * task.points()) as u64),
    )
}
