//! Launcher of `shaders/deform/deform_conv2d_grad_sampling_vec4.wgsl`.

use crate::kernels::deform::DeformTask;
use crate::kernels::deform_conv2d_grad_sampling::{Yields, launch};
use crate::kernels::task::Slot;
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    deform_conv2d_grad_sampling_vec4, Window,
    read: ["packed", "offset", "mask", "grad_columns"],
    write: ["grad_offset", "grad_mask", "columns"],
    constants: ["WORKGROUP", "HAS_MASK", "GRAD_OFFSET", "GRAD_MASK", "COLUMNS", "PARTIAL"],
    precondition: "an input packed by deform_conv2d_pack_input",
    loops: |l| {
        nest(&[l.offset_channels.div_ceil(4)])
    },
);

pub(crate) fn dispatch(task: &DeformTask<'_>, packed: Slot, grad_columns: Slot, yields: Yields) -> Dispatch {
    launch(&KERNEL, task, packed, grad_columns, yields)
}
