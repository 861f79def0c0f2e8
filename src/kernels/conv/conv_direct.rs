//! Launcher of `shaders/conv/conv_direct.wgsl`.

use crate::kernels::task::{ConvTask, WORKGROUP, padding_code, workgroups_for};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    conv_direct, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL"],
    precondition: "none",
    loops: |l| nest(&[l.kd, l.kh, l.kw, l.c_in]),
);

pub(crate) fn dispatch(task: &ConvTask) -> Dispatch {
    let constants = [
        ("WORKGROUP", WORKGROUP.into()),
        ("PADDING_MODE", padding_code(task.padding_mode)),
        ("FLIP_KERNEL", task.flip_kernel.into()),
    ];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups_for(task.n_outputs()))
}
