//! Launcher of `shaders/gemm/gemm_thread_tile_vec4.wgsl`.

use crate::capabilities::KernelClass;
use crate::kernels::task::{GemmTask, SplitSum, workgroup_along};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    gemm_thread_tile_vec4, Gemm,
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "SPLIT_K"],
    precondition: "rows of a and b start at multiples of four elements, k is one, columns are dense",
    loops: |l| nest(&[l.runs()]) + l.k + l.runs(),
);

/// Rows and columns of one invocation, as in the shader.
const TILE_M: u64 = 8;
const TILE_N: u32 = 4;

pub(crate) fn applies(task: &GemmTask) -> bool {
    let [a_batch, a_group, a_row, a_column] = task.a_strides;
    let [slice, a_run] = task.split_k.map_or([0; 2], |SplitSum { slice, run_strides: [a_run, _], .. }| [slice, a_run]);
    let a_base = task.a.view.base as usize;
    task.b_is_vec4_aligned()
        && a_column == 1
        && [a_base, a_batch, a_group, a_row, a_run, task.k, task.run(), slice].iter().all(|n| n % 4 == 0)
}

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
