//! Launcher of `shaders/deform/deform_conv2d_cells.wgsl`.

use crate::kernels::deform::DeformTask;
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::{Dispatch, Operand};

kernel!(
    deform_conv2d_cells, Window,
    read: ["offset", "mask"],
    write: ["keys", "points", "counts", "ranks"],
    constants: ["WORKGROUP", "HAS_MASK", "COUNTED"],
    precondition: "none",
    loops: |_| 0,
);

/// Where the points of a cell are counted, and where how many of them came before.
#[derive(Clone, Copy)]
pub(crate) struct Tally {
    pub counts: Operand,
    pub ranks: Operand,
}

pub(crate) fn dispatch(task: &DeformTask<'_>, keys: Slot, points: Slot, tally: Option<Tally>) -> Dispatch {
    let sampling = &task.sampling;
    let counted = tally.is_some();
    let tally = tally.unwrap_or(Tally { counts: Operand::Unused, ranks: Operand::Unused });
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into()), ("HAS_MASK", sampling.mask.is_some().into()), ("COUNTED", counted.into())],
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
