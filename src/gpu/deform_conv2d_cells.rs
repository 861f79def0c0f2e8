//! Launcher of `shaders/deform_conv2d_cells.wgsl`.

use super::catalog::kernel;
use super::deform_backward::DeformTask;
use super::program::{Dispatch, Slot, WORKGROUP, workgroups_for};

kernel!(
    "deform_conv2d_cells", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CLASSIFY, BILINEAR, SAMPLING_POINT, CELLS],
    read: ["offset", "mask"],
    write: ["keys", "points"],
    constants: ["WORKGROUP", "HAS_MASK"],
    precondition: "none",
);

pub(super) fn dispatch(task: &DeformTask<'_>, keys: Slot, points: Slot) -> Dispatch {
    let sampling = &task.sampling;
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), sampling.mask.is_some().into()],
        task.params(|_| {}),
        vec![sampling.offset.operand, sampling.mask_slot().operand, keys.operand, points.operand],
        workgroups_for((task.sequences() * task.points()) as u64),
    )
}
