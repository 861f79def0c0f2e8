//! Launcher of `shaders/gemm/gemm_thread_tile_vec4.wgsl`.

use crate::capabilities::KernelClass;
use crate::kernels::gemm_thread_tile;
use crate::kernels::task::{GemmTask, SplitSum};
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

/// Columns of one invocation, as in the shader; it has as many rows as those of `gemm_thread_tile`.
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
    gemm_thread_tile::launch(&KERNEL, TILE_N, task, class)
}
