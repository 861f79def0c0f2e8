//! Launcher of `shaders/deform_conv2d_grad_sampling_vec4.wgsl`.

use super::catalog::kernel;
use super::deform_backward::DeformTask;
use super::deform_conv2d_grad_sampling::{Yields, launch};
use super::program::{Dispatch, Slot};

kernel!(
    "deform_conv2d_grad_sampling_vec4", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CLASSIFY, BILINEAR, SAMPLING_POINT, PACKED_INPUT, SAMPLING_GRADIENTS],
    read: ["packed", "offset", "mask", "grad_columns"],
    write: ["grad_offset", "grad_mask", "columns"],
    constants: ["WORKGROUP", "HAS_MASK", "GRAD_OFFSET", "GRAD_MASK", "COLUMNS", "PARTIAL"],
    precondition: "an input packed by deform_conv2d_pack_input",
);

pub(super) fn dispatch(task: &DeformTask<'_>, packed: Slot, grad_columns: Slot, yields: Yields) -> Dispatch {
    launch(&KERNEL, task, packed, grad_columns, yields)
}
