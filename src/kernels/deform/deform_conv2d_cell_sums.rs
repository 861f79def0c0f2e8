//! Launcher of `shaders/deform/deform_conv2d_cell_sums.wgsl`.

use crate::kernels::deform::{CHUNK, DeformTask};
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::{Dispatch, Operand};

kernel!(
    deform_conv2d_cell_sums, Window,
    read: ["keys", "order", "starts", "points", "grad_columns"],
    write: ["sums"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |_| 33 + CHUNK as u64 + 1,
);

/// Input channels of one invocation, as in the shader.
const TILE_CI: usize = 8;

pub(crate) fn dispatch(
    task: &DeformTask<'_>,
    order: Operand,
    [keys, starts, points, grad_columns, sums]: [Slot; 5],
) -> Dispatch {
    let tiles = (task.window.c_in / task.sampling.offset_groups).div_ceil(TILE_CI);
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        task.params(|params| params.grad_columns = grad_columns.view),
        vec![keys.operand, order, starts.operand, points.operand, grad_columns.operand, sums.operand],
        workgroups_for((task.sequences() * tiles) as u64 * task.slots() as u64),
    )
}
