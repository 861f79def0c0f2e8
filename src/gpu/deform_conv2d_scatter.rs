//! Launcher of `shaders/deform_conv2d_scatter.wgsl`.

use super::catalog::kernel;
use super::deform_backward::DeformTask;
use super::program::{Dispatch, Slot, WORKGROUP, workgroups_for};

kernel!(
    "deform_conv2d_scatter", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CLASSIFY, BILINEAR, SAMPLING_POINT],
    read: ["offset", "mask", "grad_columns"],
    write: ["grad_input"],
    constants: ["WORKGROUP", "HAS_MASK"],
    precondition: "a device with SHADER_FLOAT32_ATOMIC; grad_input holds what is added to",
);

pub(super) fn dispatch(task: &DeformTask<'_>, grad_columns: Slot, grad_input: Slot) -> Dispatch {
    let sampling = &task.sampling;
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), sampling.mask.is_some().into()],
        task.params(|params| {
            params.grad_output = grad_columns.view;
            params.grad_input = grad_input.view;
        }),
        vec![sampling.offset.operand, sampling.mask_slot().operand, grad_columns.operand, grad_input.operand],
        workgroups_for((task.sequences() * task.points()) as u64),
    )
}
