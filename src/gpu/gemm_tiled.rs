//! Launcher of `shaders/gemm_tiled.wgsl`.

use super::catalog::kernel;
use super::program::{Dispatch, GemmTask, wants_large_tile};

kernel!(
    "gemm_tiled", Gemm,
    parts: [VIEW, GEMM_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT],
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["THREADS", "BLOCK_K", "SLICED"],
    precondition: "256 invocations per workgroup for the large tile, 64 for the small one",
);

/// Invocations per side and depth of a staged panel: a 128 x 128 tile and a 64 x 64 one.
const LARGE: (u32, u32) = (16, 8);
const SMALL: (u32, u32) = (8, 16);

pub(super) fn dispatch(task: &GemmTask, max_invocations: u32) -> Dispatch {
    let tiles = |(threads, _): (u32, u32)| {
        let block = 8 * u64::from(threads);
        (task.batch * task.groups) as u64 * (task.m as u64).div_ceil(block) * (task.n as u64).div_ceil(block)
    };
    let shape = if wants_large_tile(task.m, tiles(LARGE), max_invocations) { LARGE } else { SMALL };
    Dispatch::new(
        &KERNEL,
        vec![shape.0.into(), shape.1.into(), task.slices.is_some().into()],
        task.params(),
        task.operands(),
        tiles(shape),
    )
}
