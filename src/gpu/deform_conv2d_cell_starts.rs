//! Launcher of `shaders/deform_conv2d_cell_starts.wgsl`.

use super::catalog::kernel;
use super::deform_backward::DeformTask;
use super::program::{Dispatch, Operand, Slot, WORKGROUP, workgroups_for};

kernel!(
    "deform_conv2d_cell_starts", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CELLS],
    read: ["keys", "order"],
    write: ["starts"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

pub(super) fn dispatch(task: &DeformTask<'_>, keys: Slot, order: Operand, starts: Slot) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into()],
        task.params(|_| {}),
        vec![keys.operand, order, starts.operand],
        workgroups_for((task.sequences() * (task.cells() + 1)) as u64),
    )
}
