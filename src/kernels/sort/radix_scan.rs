//! Launcher of `shaders/sort/radix_scan.wgsl`.

use crate::kernels::task::{SortTask, workgroup_for_sum};
use crate::program::{Dispatch, Operand};

kernel!(
    radix_scan, Sort,
    read: [],
    write: ["table"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |l| {
        let counts = SortTask::DIGITS * u64::from(l.params.len).div_ceil(SortTask::RUN as u64);
        2 * (counts.div_ceil(l.constant("WORKGROUP")) + 1)
    },
);

pub(crate) fn dispatch(task: &SortTask, table: Operand, max_invocations: u32) -> Dispatch {
    let workgroup = workgroup_for_sum(task.table_len(), max_invocations);
    Dispatch::new(&KERNEL, [("WORKGROUP", workgroup.into())], task.params(), vec![table], task.sequences as u64)
}
