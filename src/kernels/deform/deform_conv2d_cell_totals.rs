//! Launcher of `shaders/deform/deform_conv2d_cell_totals.wgsl`.

use crate::kernels::deform::{CELL_BLOCK, DeformTask};
use crate::kernels::task::workgroup_for_sum;
use crate::program::{Dispatch, Operand};

kernel!(
    deform_conv2d_cell_totals, Window,
    read: ["counts"],
    write: ["totals"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |l| CELL_BLOCK as u64 / l.lanes() + 1,
);

pub(crate) fn dispatch(task: &DeformTask<'_>, counts: Operand, totals: Operand, max_invocations: u32) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", workgroup_for_sum(usize::MAX, max_invocations).into())],
        task.params(|_| {}),
        vec![counts, totals],
        (task.sequences() * task.cell_blocks()) as u64,
    )
}
