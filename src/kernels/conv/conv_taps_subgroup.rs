//! Launcher of `shaders/conv/conv_taps_subgroup.wgsl`.

use crate::capabilities::Capabilities;
use crate::kernels::conv_subgroup;
use crate::kernels::task::{ConvTask, broadcast_step_for, padding_code};
use crate::program::Dispatch;

kernel!(
    conv_taps_subgroup, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "HAS_DEPTH", "STEP", "TILE_CO"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more",
    loops: |l| (l.c_in * l.taps).div_ceil(l.constant("STEP")) + 1,
);

pub(crate) fn dispatch(task: &ConvTask, caps: &Capabilities) -> Dispatch {
    let w = &task.window;
    let product = conv_subgroup::product(w);
    let tile = product.narrow();
    let constants = [
        ("WORKGROUP", tile.workgroup.into()),
        ("PADDING_MODE", padding_code(task.padding_mode)),
        ("FLIP_KERNEL", task.flip_kernel.into()),
        ("HAS_DEPTH", w.has_depth().into()),
        ("STEP", broadcast_step_for(w.c_in_per_group() * w.kernel_len(), caps).into()),
        ("TILE_CO", tile.rows.into()),
    ];
    let workgroups = w.batch as u64 * product.workgroups(tile);
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
