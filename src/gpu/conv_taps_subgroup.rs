//! Launcher of `shaders/conv_taps_subgroup.wgsl`.

use super::catalog::kernel;
use super::conv_subgroup;
use super::program::{ConvTask, Dispatch, broadcast_step_for, padding_code};
use crate::capabilities::Capabilities;

kernel!(
    "conv_taps_subgroup", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, LANE_WEIGHTS, OUTER, WRITE_COLUMN],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "HAS_DEPTH", "STEP", "TILE_CO"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more",
);

pub(super) fn dispatch(task: &ConvTask, caps: &Capabilities) -> Dispatch {
    let w = &task.window;
    let product = conv_subgroup::product(w);
    let tile = product.narrow();
    let constants = vec![
        tile.workgroup.into(),
        padding_code(task.padding_mode),
        task.flip_kernel.into(),
        w.has_depth().into(),
        broadcast_step_for(w.c_in_per_group() * w.kernel_len(), caps).into(),
        tile.rows.into(),
    ];
    let workgroups = w.batch as u64 * product.workgroups(tile);
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
