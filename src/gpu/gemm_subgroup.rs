//! Launcher of `shaders/gemm_subgroup.wgsl`.

use super::catalog::kernel;
use super::program::{Dispatch, GemmTask, broadcast_step, broadcast_tile, workgroup_along};
use crate::capabilities::Capabilities;

kernel!(
    "gemm_subgroup", Gemm,
    parts: [VIEW, GEMM_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT, WRITE_TILE, OUTER],
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "SLICED", "STEP", "TILE_M"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more; rows of b start at multiples of four elements, columns are dense",
);

/// Columns of one invocation, as in the shader.
const TILE_N: u32 = 4;

pub(super) fn applies(task: &GemmTask, caps: &Capabilities) -> bool {
    broadcast_step(caps).is_some() && task.b_has_quads()
}

pub(super) fn dispatch(task: &GemmTask, caps: &Capabilities) -> Dispatch {
    let workgroup = workgroup_along(task.n, TILE_N, caps.class);
    let tile_m = broadcast_tile(task.m);
    let row_tiles = (task.m as u64).div_ceil(tile_m.into());
    let column_tiles = (task.n as u64).div_ceil(u64::from(TILE_N * workgroup));
    let workgroups = (task.batch * task.groups) as u64 * row_tiles * column_tiles;
    let step = broadcast_step(caps).unwrap_or(4);
    let constants = vec![workgroup.into(), task.slices.is_some().into(), step.into(), tile_m.into()];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
