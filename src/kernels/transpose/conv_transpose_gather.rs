//! Launcher of `shaders/transpose/conv_transpose_gather.wgsl`.

use crate::kernels::task::{ConvTask, WORKGROUP, workgroups_for};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    conv_transpose_gather, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL"],
    precondition: "none",
    loops: |l| nest(&[l.kd, l.kh, l.kw, l.c_in]),
);

pub(crate) fn dispatch(task: &ConvTask) -> Dispatch {
    let constants = [("WORKGROUP", WORKGROUP.into()), ("FLIP_KERNEL", task.flip_kernel.into())];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups_for(task.n_outputs()))
}
