//! Launcher of `shaders/radix_scan.wgsl`.

use super::catalog::kernel;
use super::program::{Dispatch, Operand, SortTask, workgroup_for_sum};

kernel!(
    "radix_scan", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, RADIX],
    read: [],
    write: ["table"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

pub(super) fn dispatch(task: &SortTask, table: Operand, max_invocations: u32) -> Dispatch {
    let workgroup = workgroup_for_sum(task.table_len(), max_invocations);
    Dispatch::new(&KERNEL, vec![workgroup.into()], task.params(), vec![table], task.sequences as u64)
}
