//! Launcher of `shaders/deform/deform_conv2d_cell_scan.wgsl`.

use crate::kernels::deform::{CELL_BLOCK, DeformTask};
use crate::kernels::task::workgroup_for_sum;
use crate::program::{Dispatch, Operand};

kernel!(
    deform_conv2d_cell_scan, Window,
    read: ["counts", "totals"],
    write: ["starts"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |l| {
        let cells = u64::from(l.params.input_size[1] + 1) * u64::from(l.params.input_size[2] + 1);
        2 * (CELL_BLOCK as u64 / l.lanes() + 1) + cells.div_ceil(CELL_BLOCK as u64).div_ceil(l.lanes()) + 1
    },
);

pub(crate) fn dispatch(
    task: &DeformTask<'_>,
    [counts, totals, starts]: [Operand; 3],
    max_invocations: u32,
) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", workgroup_for_sum(usize::MAX, max_invocations).into())],
        task.params(|_| {}),
        vec![counts, totals, starts],
        (task.sequences() * task.cell_blocks()) as u64,
    )
}
