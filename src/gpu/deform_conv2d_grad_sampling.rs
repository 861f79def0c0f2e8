//! Launcher of `shaders/deform_conv2d_grad_sampling.wgsl`.

use super::catalog::{Kernel, kernel};
use super::deform_backward::DeformTask;
use super::program::{Dispatch, Slot, WORKGROUP, workgroups_for};

kernel!(
    "deform_conv2d_grad_sampling", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CLASSIFY, BILINEAR, SAMPLE_PLANE, SAMPLING_POINT, SAMPLING_GRADIENTS],
    read: ["input", "offset", "mask", "grad_columns"],
    write: ["grad_offset", "grad_mask", "columns"],
    constants: ["WORKGROUP", "HAS_MASK", "GRAD_OFFSET", "GRAD_MASK", "COLUMNS", "PARTIAL"],
    precondition: "none",
);

/// What one pass over the sampling points yields.
#[derive(Clone, Copy, Default)]
pub(super) struct Yields {
    pub grad_offset: Option<Slot>,
    pub grad_mask: Option<Slot>,
    pub columns: Option<Slot>,
}

pub(super) fn dispatch(task: &DeformTask<'_>, input: Slot, grad_columns: Slot, yields: Yields) -> Dispatch {
    launch(&KERNEL, task, input, grad_columns, yields)
}

/// By either kernel, which differ in where they find the corners.
pub(super) fn launch(
    kernel: &'static Kernel,
    task: &DeformTask<'_>,
    input: Slot,
    grad_columns: Slot,
    yields: Yields,
) -> Dispatch {
    let sampling = &task.sampling;
    let channels = task.window.c_in / sampling.offset_groups;
    let or_unused = |slot: Option<Slot>| slot.unwrap_or(Slot::UNUSED);
    let [grad_offset, grad_mask, columns] = [yields.grad_offset, yields.grad_mask, yields.columns].map(or_unused);
    Dispatch::new(
        kernel,
        vec![
            WORKGROUP.into(),
            sampling.mask.is_some().into(),
            yields.grad_offset.is_some().into(),
            yields.grad_mask.is_some().into(),
            yields.columns.is_some().into(),
            (!channels.is_multiple_of(4)).into(),
        ],
        task.params(|params| {
            params.input = input.view;
            params.grad_output = grad_columns.view;
            params.grad_offset = grad_offset.view;
            params.grad_mask = grad_mask.view;
            params.output = columns.view;
        }),
        vec![
            input.operand,
            sampling.offset.operand,
            sampling.mask_slot().operand,
            grad_columns.operand,
            grad_offset.operand,
            grad_mask.operand,
            columns.operand,
        ],
        workgroups_for((task.sequences() * task.points()) as u64),
    )
}
