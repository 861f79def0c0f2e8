//! Launcher of `shaders/deform_conv2d_cell_order.wgsl`.

use super::catalog::kernel;
use super::deform_backward::{DeformTask, LIST_RUN};
use super::program::{Dispatch, Operand, workgroup_for_sum};

kernel!(
    "deform_conv2d_cell_order", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CELLS],
    read: ["keys", "starts", "listed"],
    write: ["order"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

pub(super) fn dispatch(
    task: &DeformTask<'_>,
    [keys, starts, listed, order]: [Operand; 4],
    max_invocations: u32,
) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        vec![workgroup_for_sum(usize::MAX, max_invocations).into()],
        task.params(|_| {}),
        vec![keys, starts, listed, order],
        (task.sequences() * task.points().div_ceil(LIST_RUN)) as u64,
    )
}
