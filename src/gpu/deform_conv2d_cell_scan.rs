//! Launcher of `shaders/deform_conv2d_cell_scan.wgsl`.

use super::catalog::kernel;
use super::deform_backward::DeformTask;
use super::program::{Dispatch, Operand, workgroup_for_sum};

kernel!(
    "deform_conv2d_cell_scan", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CELLS],
    read: ["counts", "totals"],
    write: ["starts"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

pub(super) fn dispatch(
    task: &DeformTask<'_>,
    [counts, totals, starts]: [Operand; 3],
    max_invocations: u32,
) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        vec![workgroup_for_sum(usize::MAX, max_invocations).into()],
        task.params(|_| {}),
        vec![counts, totals, starts],
        (task.sequences() * task.cell_blocks()) as u64,
    )
}
