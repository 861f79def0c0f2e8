//! Launcher of `shaders/gemm_subgroup.wgsl`.

use super::catalog::{Kernel, kernel};
use super::program::{Dispatch, GemmTask, broadcast_step_for, broadcast_tile, workgroup_along};
use crate::capabilities::Capabilities;

kernel!(
    "gemm_subgroup", Gemm,
    parts: [VIEW, GEMM_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT, OUTER, WRITE_COLUMN, GEMM_BROADCAST],
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "SLICED", "STEP", "TILE_M"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more",
);

/// Columns of one invocation, as in the shader.
const TILE_N: u32 = 4;

pub(super) fn dispatch(task: &GemmTask, caps: &Capabilities) -> Dispatch {
    dispatch_by(&KERNEL, task, caps)
}

/// By this kernel or its twin that reads four columns at a time.
pub(super) fn dispatch_by(kernel: &'static Kernel, task: &GemmTask, caps: &Capabilities) -> Dispatch {
    let workgroup = workgroup_along(task.n, TILE_N, caps.class);
    let tile_m = broadcast_tile(task.m);
    let row_tiles = (task.m as u64).div_ceil(tile_m.into());
    let column_tiles = (task.n as u64).div_ceil(u64::from(TILE_N * workgroup));
    let workgroups = (task.batch * task.groups) as u64 * row_tiles * column_tiles;
    let step = broadcast_step_for(task.k, caps);
    let constants = vec![workgroup.into(), task.slices.is_some().into(), step.into(), tile_m.into()];
    Dispatch::new(kernel, constants, task.params(), task.operands(), workgroups)
}
