//! Launcher of `shaders/deform/deform_conv2d_grad_input.wgsl`.

use crate::kernels::deform::{CHUNK, DeformTask};
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::Dispatch;

kernel!(
    deform_conv2d_grad_input, Window,
    read: ["starts", "sums"],
    write: ["grad_input"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |l| (l.taps * l.od * l.oh * l.ow).div_ceil(CHUNK as u64) + 4 * 3,
);

/// Input channels of one invocation, as in the shader.
const TILE_CI: usize = 4;

pub(crate) fn dispatch(task: &DeformTask<'_>, starts: Slot, sums: Slot, grad_input: Slot) -> Dispatch {
    let tiles = (task.window.c_in / task.sampling.offset_groups).div_ceil(TILE_CI);
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        task.params(|params| params.grad_input = grad_input.view),
        vec![starts.operand, sums.operand, grad_input.operand],
        workgroups_for((task.sequences() * tiles) as u64 * task.window.input_len() as u64),
    )
}
