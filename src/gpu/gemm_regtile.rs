//! Launcher of `shaders/gemm_regtile.wgsl`.

use super::catalog::kernel;
use super::program::{Dispatch, GemmTask, workgroup_along};
use crate::capabilities::KernelClass;

kernel!(
    "gemm_regtile", Gemm,
    parts: [VIEW, GEMM_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT, WRITE_TILE],
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "SLICED"],
    precondition: "none",
);

/// Rows and columns of one invocation, as in the shader.
const TILE_M: u64 = 8;
const TILE_N: u32 = 2;

pub(super) fn dispatch(task: &GemmTask, class: KernelClass) -> Dispatch {
    let workgroup = workgroup_along(task.n, TILE_N, class);
    let row_tiles = (task.m as u64).div_ceil(TILE_M);
    let column_tiles = (task.n as u64).div_ceil(u64::from(TILE_N * workgroup));
    let workgroups = (task.batch * task.groups) as u64 * row_tiles * column_tiles;
    Dispatch::new(
        &KERNEL,
        vec![workgroup.into(), task.slices.is_some().into()],
        task.params(),
        task.operands(),
        workgroups,
    )
}
