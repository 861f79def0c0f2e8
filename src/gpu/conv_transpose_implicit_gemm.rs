//! Launcher of `shaders/conv_transpose_implicit_gemm.wgsl`.

use super::catalog::kernel;
use super::conv_implicit_gemm::{LARGE, SMALL};
use super::program::{ConvTask, Dispatch, wants_large_tile};

kernel!(
    "conv_transpose_implicit_gemm", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, FIRST_TAP, PHASE_TAPS, ACTIVATION, WRITE_OUTPUT, IMPLICIT_TILE],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["THREADS", "BLOCK_K", "FLIP_KERNEL"],
    precondition: "stride within the output; 256 invocations per workgroup for the large tile, 64 for the small one",
);

pub(super) fn dispatch(task: &ConvTask, max_invocations: u32) -> Dispatch {
    let w = &task.window;
    let phases: u64 = w.stride.iter().map(|&s| s as u64).product();
    let lattice: usize = (0..3).map(|axis| w.output[axis].div_ceil(w.stride[axis])).product();
    let columns = (w.batch * lattice) as u64;
    let tiles = |(threads, _): (u32, u32)| {
        let block = 8 * u64::from(threads);
        w.groups as u64 * phases * (w.c_out_per_group() as u64).div_ceil(block) * columns.div_ceil(block)
    };
    let shape = if wants_large_tile(w.c_out_per_group(), tiles(LARGE), max_invocations) { LARGE } else { SMALL };
    let constants = vec![shape.0.into(), shape.1.into(), task.flip_kernel.into()];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), tiles(shape))
}
