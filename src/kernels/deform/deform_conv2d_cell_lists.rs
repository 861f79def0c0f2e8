//! Launcher of `shaders/deform/deform_conv2d_cell_lists.wgsl`.

use crate::kernels::deform::DeformTask;
use crate::kernels::task::{WORKGROUP, workgroups_for};
use crate::program::{Dispatch, Operand};

kernel!(
    deform_conv2d_cell_lists, Window,
    read: ["keys", "ranks", "starts"],
    write: ["listed"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |_| 0,
);

pub(crate) fn dispatch(task: &DeformTask<'_>, [keys, ranks, starts, listed]: [Operand; 4]) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        task.params(|_| {}),
        vec![keys, ranks, starts, listed],
        workgroups_for((task.sequences() * task.points()) as u64),
    )
}
