//! Launcher of `shaders/deform_conv2d_cell_totals.wgsl`.

use super::catalog::kernel;
use super::deform_backward::DeformTask;
use super::program::{Dispatch, Operand, workgroup_for_sum};

kernel!(
    "deform_conv2d_cell_totals", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CELLS],
    read: ["counts"],
    write: ["totals"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

pub(super) fn dispatch(task: &DeformTask<'_>, counts: Operand, totals: Operand, max_invocations: u32) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        vec![workgroup_for_sum(usize::MAX, max_invocations).into()],
        task.params(|_| {}),
        vec![counts, totals],
        (task.sequences() * task.cell_blocks()) as u64,
    )
}
