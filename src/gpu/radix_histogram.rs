//! Launcher of `shaders/radix_histogram.wgsl`.

use super::catalog::kernel;
use super::program::{Dispatch, Operand, SortTask, WORKGROUP, workgroups_for};

kernel!(
    "radix_histogram", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, RADIX],
    read: ["keys", "order"],
    write: ["table"],
    constants: ["WORKGROUP", "FIRST"],
    precondition: "none",
);

/// `order` is what earlier passes have made of it; the first pass has none.
pub(super) fn dispatch(task: &SortTask, keys: Operand, order: Option<Operand>, table: Operand) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), order.is_none().into()],
        task.params(),
        vec![keys, order.unwrap_or(Operand::Unused), table],
        workgroups_for((task.sequences * task.runs()) as u64),
    )
}
