//! Launcher of `shaders/conv_implicit_gemm.wgsl`.

use super::catalog::kernel;
use super::program::{ConvTask, Dispatch, padding_code, wants_large_tile};

kernel!(
    "conv_implicit_gemm", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, IMPLICIT_TILE],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["THREADS", "BLOCK_K", "PADDING_MODE", "FLIP_KERNEL"],
    precondition: "256 invocations per workgroup for the large tile, 64 for the small one",
);

/// Invocations per side and depth of a staged panel: a 128 x 128 tile and a 64 x 64 one.
pub(super) const LARGE: (u32, u32) = (16, 8);
pub(super) const SMALL: (u32, u32) = (8, 8);

pub(super) fn dispatch(task: &ConvTask, max_invocations: u32) -> Dispatch {
    let w = &task.window;
    let columns = (w.batch * w.output_len()) as u64;
    let tiles = |(threads, _): (u32, u32)| {
        let block = 8 * u64::from(threads);
        w.groups as u64 * (w.c_out_per_group() as u64).div_ceil(block) * columns.div_ceil(block)
    };
    let shape = if wants_large_tile(w.c_out_per_group(), tiles(LARGE), max_invocations) { LARGE } else { SMALL };
    Dispatch::new(
        &KERNEL,
        vec![shape.0.into(), shape.1.into(), padding_code(task.padding_mode), task.flip_kernel.into()],
        task.params(),
        task.operands(),
        tiles(shape),
    )
}
