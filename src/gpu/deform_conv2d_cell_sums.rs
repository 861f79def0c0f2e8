//! Launcher of `shaders/deform_conv2d_cell_sums.wgsl`.

use super::catalog::kernel;
use super::deform_backward::DeformTask;
use super::program::{Dispatch, Operand, Slot, WORKGROUP, workgroups_for};

kernel!(
    "deform_conv2d_cell_sums", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CELLS],
    read: ["keys", "order", "starts", "points", "grad_columns"],
    write: ["sums"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

/// Input channels of one invocation, as in the shader.
const TILE_CI: usize = 8;

pub(super) fn dispatch(
    task: &DeformTask<'_>,
    order: Operand,
    [keys, starts, points, grad_columns, sums]: [Slot; 5],
) -> Dispatch {
    let tiles = (task.window.c_in / task.sampling.offset_groups).div_ceil(TILE_CI);
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into()],
        task.params(|params| params.grad_output = grad_columns.view),
        vec![keys.operand, order, starts.operand, points.operand, grad_columns.operand, sums.operand],
        workgroups_for((task.sequences() * tiles) as u64 * task.slots() as u64),
    )
}
