//! Launcher of `shaders/deform/deform_conv2d_scatter.wgsl`.

use crate::kernels::deform::DeformTask;
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    deform_conv2d_scatter, Window,
    read: ["offset", "mask", "grad_columns"],
    write: ["grad_input"],
    constants: ["WORKGROUP", "HAS_MASK"],
    precondition: "a device with SHADER_FLOAT32_ATOMIC; grad_input holds what is added to",
    loops: |l| nest(&[l.offset_channels]),
);

pub(crate) fn dispatch(task: &DeformTask<'_>, grad_columns: Slot, grad_input: Slot) -> Dispatch {
    let sampling = &task.sampling;
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into()), ("HAS_MASK", sampling.mask.is_some().into())],
        task.params(|params| {
            params.grad_columns = grad_columns.view;
            params.grad_input = grad_input.view;
        }),
        vec![sampling.offset.operand, sampling.mask_slot().operand, grad_columns.operand, grad_input.operand],
        workgroups_for((task.sequences() * task.points()) as u64),
    )
}
