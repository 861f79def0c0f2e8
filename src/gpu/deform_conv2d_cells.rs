//! Launcher of `shaders/deform_conv2d_cells.wgsl`.

use super::catalog::kernel;
use super::deform_backward::DeformTask;
use super::program::{Dispatch, Operand, Slot, WORKGROUP, workgroups_for};

kernel!(
    "deform_conv2d_cells", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CLASSIFY, BILINEAR, SAMPLING_POINT, CELLS],
    read: ["offset", "mask"],
    write: ["keys", "points", "counts", "ranks"],
    constants: ["WORKGROUP", "HAS_MASK", "COUNTED"],
    precondition: "none",
);

/// Where the points of a cell are counted, and where how many of them came before.
#[derive(Clone, Copy)]
pub(super) struct Tally {
    pub counts: Operand,
    pub ranks: Operand,
}

pub(super) fn dispatch(task: &DeformTask<'_>, keys: Slot, points: Slot, tally: Option<Tally>) -> Dispatch {
    let sampling = &task.sampling;
    let counted = tally.is_some();
    let tally = tally.unwrap_or(Tally { counts: Operand::Unused, ranks: Operand::Unused });
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), sampling.mask.is_some().into(), counted.into()],
        task.params(|_| {}),
        vec![
            sampling.offset.operand,
            sampling.mask_slot().operand,
            keys.operand,
            points.operand,
            tally.counts,
            tally.ranks,
        ],
        workgroups_for((task.sequences() * task.points()) as u64),
    )
}
