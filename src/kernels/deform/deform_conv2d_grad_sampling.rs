//! Launcher of `shaders/deform/deform_conv2d_grad_sampling.wgsl`.

use crate::kernels::deform::DeformTask;
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, Kernel};

kernel!(
    deform_conv2d_grad_sampling, Window,
    read: ["input", "offset", "mask", "grad_columns"],
    write: ["grad_offset", "grad_mask", "columns"],
    constants: ["WORKGROUP", "HAS_MASK", "GRAD_OFFSET", "GRAD_MASK", "COLUMNS", "PARTIAL"],
    precondition: "none",
    loops: |l| {
        nest(&[l.offset_channels.div_ceil(4)])
    },
);

/// What one pass over the sampling points yields.
#[derive(Clone, Copy, Default)]
pub(crate) struct Yields {
    pub grad_offset: Option<Slot>,
    pub grad_mask: Option<Slot>,
    pub columns: Option<Slot>,
}

pub(crate) fn dispatch(task: &DeformTask<'_>, input: Slot, grad_columns: Slot, yields: Yields) -> Dispatch {
    launch(&KERNEL, task, input, grad_columns, yields)
}

/// By either kernel, which differ in where they find the corners.
pub(crate) fn launch(
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
        [
            ("WORKGROUP", WORKGROUP.into()),
            ("HAS_MASK", sampling.mask.is_some().into()),
            ("GRAD_OFFSET", yields.grad_offset.is_some().into()),
            ("GRAD_MASK", yields.grad_mask.is_some().into()),
            ("COLUMNS", yields.columns.is_some().into()),
            ("PARTIAL", (!channels.is_multiple_of(4)).into()),
        ],
        task.params(|params| {
            params.input = input.view;
            params.grad_columns = grad_columns.view;
            params.grad_offset = grad_offset.view;
            params.grad_mask = grad_mask.view;
            params.columns = columns.view;
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
