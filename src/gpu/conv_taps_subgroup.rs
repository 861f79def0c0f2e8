//! Launcher of `shaders/conv_taps_subgroup.wgsl`.

use super::catalog::kernel;
use super::program::{ConvTask, Dispatch, broadcast_step_for, broadcast_tile, padding_code, workgroup_along};
use crate::capabilities::Capabilities;

kernel!(
    "conv_taps_subgroup", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, LANE_WEIGHTS, OUTER, WRITE_COLUMN],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "HAS_DEPTH", "STEP", "TILE_CO"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more",
);

/// Positions of one invocation, as in the shader.
const TILE_POSITIONS: u32 = 4;

pub(super) fn dispatch(task: &ConvTask, caps: &Capabilities) -> Dispatch {
    let w = &task.window;
    let workgroup = workgroup_along(w.output_len(), TILE_POSITIONS, caps.class);
    let tile_co = broadcast_tile(w.c_out_per_group());
    let co_tiles = (w.c_out_per_group() as u64).div_ceil(tile_co.into());
    let position_tiles = (w.output_len() as u64).div_ceil(u64::from(TILE_POSITIONS * workgroup));
    let workgroups = (w.batch * w.groups) as u64 * co_tiles * position_tiles;
    let constants = vec![
        workgroup.into(),
        padding_code(task.padding_mode),
        task.flip_kernel.into(),
        w.has_depth().into(),
        broadcast_step_for(w.c_in_per_group() * w.kernel_len(), caps).into(),
        tile_co.into(),
    ];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
