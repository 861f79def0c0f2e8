//! Launcher of `shaders/gemm/gemm_thread_tile.wgsl`.

use crate::capabilities::KernelClass;
use crate::kernels::task::{GemmTask, workgroup_along};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    gemm_thread_tile, Gemm,
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "SPLIT_K"],
    precondition: "none",
    loops: |l| nest(&[l.runs()]) + l.k + l.runs(),
);

/// Rows and columns of one invocation, as in the shader.
const TILE_M: u64 = 8;
const TILE_N: u32 = 2;

pub(crate) fn dispatch(task: &GemmTask, class: KernelClass) -> Dispatch {
    let workgroup = workgroup_along(task.n, TILE_N, class);
    let row_tiles = (task.m as u64).div_ceil(TILE_M);
    let column_tiles = (task.n as u64).div_ceil(u64::from(TILE_N * workgroup));
    let workgroups = (task.batch * task.groups) as u64 * row_tiles * column_tiles;
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", workgroup.into()), ("SPLIT_K", task.split_k.is_some().into())],
        task.params(),
        task.operands(),
        workgroups,
    )
}
