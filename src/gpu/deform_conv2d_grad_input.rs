//! Launcher of `shaders/deform_conv2d_grad_input.wgsl`.

use super::catalog::kernel;
use super::deform_backward::DeformTask;
use super::program::{Dispatch, Slot, WORKGROUP, workgroups_for};

kernel!(
    "deform_conv2d_grad_input", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CELLS],
    read: ["starts", "sums"],
    write: ["grad_input"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

/// Input channels of one invocation, as in the shader.
const TILE_CI: usize = 4;

pub(super) fn dispatch(task: &DeformTask<'_>, starts: Slot, sums: Slot, grad_input: Slot) -> Dispatch {
    let tiles = (task.window.c_in / task.sampling.offset_groups).div_ceil(TILE_CI);
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into()],
        task.params(|params| params.grad_input = grad_input.view),
        vec![starts.operand, sums.operand, grad_input.operand],
        workgroups_for((task.sequences() * tiles) as u64 * task.window.input_len() as u64),
    )
}
