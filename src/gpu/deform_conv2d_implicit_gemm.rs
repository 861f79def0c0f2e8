//! Launcher of `shaders/deform_conv2d_implicit_gemm.wgsl`.

use super::catalog::kernel;
use super::deform_conv2d_direct::Sampling;
use super::program::{ConvTask, Dispatch, wants_large_tile};

kernel!(
    "deform_conv2d_implicit_gemm", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CLASSIFY, BILINEAR, SAMPLING_POINT, ACTIVATION, WRITE_OUTPUT],
    read: ["input", "weight", "offset", "mask", "bias", "residual"],
    write: ["output"],
    constants: ["THREADS", "HAS_MASK"],
    precondition: "256 invocations per workgroup for the large tile, 64 for the small one",
);

/// Invocations per side of a 128 x 128 tile and of a 64 x 64 one.
const LARGE: u32 = 16;
const SMALL: u32 = 8;

pub(super) fn dispatch(task: &ConvTask, sampling: &Sampling, max_invocations: u32) -> Dispatch {
    let w = &task.window;
    let columns = (w.batch * w.output_len()) as u64;
    let tiles = |threads: u32| {
        let block = 8 * u64::from(threads);
        w.groups as u64 * (w.c_out_per_group() as u64).div_ceil(block) * columns.div_ceil(block)
    };
    let threads = if wants_large_tile(w.c_out_per_group(), tiles(LARGE), max_invocations) { LARGE } else { SMALL };
    Dispatch::new(
        &KERNEL,
        vec![threads.into(), sampling.mask.is_some().into()],
        sampling.params(task),
        sampling.operands(task),
        tiles(threads),
    )
}
