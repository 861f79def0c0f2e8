//! Launcher of `shaders/gemm/gemm_thread_tile.wgsl`.

use crate::capabilities::KernelClass;
use crate::kernels::task::{GemmTask, workgroup_along};
use crate::program::loops::nest;
use crate::program::{Dispatch, Kernel};

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
    launch(&KERNEL, TILE_N, task, class)
}

/// By a kernel whose invocations compute so many columns each.
pub(crate) fn launch(kernel: &'static Kernel, tile_n: u32, task: &GemmTask, class: KernelClass) -> Dispatch {
    let workgroup = workgroup_along(task.n, tile_n, class);
    let row_tiles = (task.m as u64).div_ceil(TILE_M);
    let column_tiles = (task.n as u64).div_ceil(u64::from(tile_n * workgroup));
    let workgroups = (task.batch * task.groups) as u64 * row_tiles * column_tiles;
    Dispatch::new(
        kernel,
        [("WORKGROUP", workgroup.into()), ("SPLIT_K", task.split_k.is_some().into())],
        task.params(),
        task.operands(),
        workgroups,
    )
}
