//! Launcher of `shaders/conv/locally_connected2d_direct.wgsl`.

use crate::kernels::task::{ConvTask, WORKGROUP, workgroups_for};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    locally_connected2d_direct, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |l| nest(&[l.taps, l.c_in]),
);

pub(crate) fn dispatch(task: &ConvTask) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        task.params(),
        task.operands(),
        workgroups_for(task.n_outputs()),
    )
}
