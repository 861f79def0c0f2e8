//! Launcher of `shaders/conv_transpose_subgroup.wgsl`.

use super::catalog::kernel;
use super::program::{ConvTask, Dispatch, broadcast_step_for, broadcast_tile, workgroup_along};
use crate::capabilities::Capabilities;

kernel!(
    "conv_transpose_subgroup", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, FIRST_TAP, PHASE_TAPS, ACTIVATION, WRITE_OUTPUT, LANE_CHANNELS, LANE_WEIGHTS, OUTER, WRITE_COLUMN],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL", "STEP", "TILE_CO"],
    precondition: "stride within the output; a CPU adapter with subgroups of a fixed size of 4 or more",
);

/// Outputs of one invocation, as in the shader.
const TILE_POSITIONS: u32 = 4;

pub(super) fn dispatch(task: &ConvTask, caps: &Capabilities) -> Dispatch {
    let w = &task.window;
    let phases: u64 = w.stride.iter().map(|&s| s as u64).product();
    let lattice: usize = (0..3).map(|axis| w.output[axis].div_ceil(w.stride[axis])).product();
    let workgroup = workgroup_along(lattice, TILE_POSITIONS, caps.class);
    let tile_co = broadcast_tile(w.c_out_per_group());
    let co_tiles = (w.c_out_per_group() as u64).div_ceil(tile_co.into());
    let position_tiles = (lattice as u64).div_ceil(u64::from(TILE_POSITIONS * workgroup));
    let workgroups = (w.batch * w.groups) as u64 * co_tiles * phases * position_tiles;
    let step = broadcast_step_for(w.c_in_per_group(), caps);
    let constants = vec![workgroup.into(), task.flip_kernel.into(), step.into(), tile_co.into()];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
