//! Launcher of `shaders/sort/radix_histogram.wgsl`.

use crate::kernels::task::{SortTask, WORKGROUP, workgroups_for};
use crate::program::{Dispatch, Operand};

kernel!(
    radix_histogram, Sort,
    read: ["keys", "order"],
    write: ["table"],
    constants: ["WORKGROUP", "FIRST"],
    precondition: "none",
    loops: |_| SortTask::DIGITS + 1 + SortTask::RUN as u64 + 1,
);

/// `order` is what earlier passes have made of it; the first pass has none.
pub(crate) fn dispatch(task: &SortTask, keys: Operand, order: Option<Operand>, table: Operand) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into()), ("FIRST", order.is_none().into())],
        task.params(),
        vec![keys, order.unwrap_or(Operand::Unused), table],
        workgroups_for((task.sequences * task.runs()) as u64),
    )
}
