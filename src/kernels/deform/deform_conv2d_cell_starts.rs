//! Launcher of `shaders/deform/deform_conv2d_cell_starts.wgsl`.

use crate::kernels::deform::DeformTask;
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::{Dispatch, Operand};

kernel!(
    deform_conv2d_cell_starts, Window,
    read: ["keys", "order"],
    write: ["starts"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |_| 33,
);

pub(crate) fn dispatch(task: &DeformTask<'_>, keys: Slot, order: Operand, starts: Slot) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        task.params(|_| {}),
        vec![keys.operand, order, starts.operand],
        workgroups_for((task.sequences() * (task.cells() + 1)) as u64),
    )
}
