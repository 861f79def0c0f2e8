//! Launcher of `shaders/deform/deform_conv2d_implicit_gemm.wgsl`.

use crate::kernels::deform_conv2d_direct::Sampling;
use crate::kernels::task::{ConvTask, wants_large_tile};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    deform_conv2d_implicit_gemm, Window,
    read: ["input", "weight", "offset", "mask", "bias", "residual"],
    write: ["output"],
    constants: ["THREADS", "HAS_MASK"],
    precondition: "256 invocations per workgroup for the large tile, 64 for the small one",
    loops: |l| {
        let stretches = l.c_in / l.offset_channels.max(1) + 2;
        let blocks = l.c_in / CHANNELS + stretches;
        let panels = l.c_in / PANEL + blocks;
        nest(&[l.taps * panels, PANEL / 4])
    },
);

/// Channels of a block and of a panel, as in the shader.
const CHANNELS: u64 = 16;
const PANEL: u64 = 8;

/// Invocations per side of a 128 x 128 tile and of a 64 x 64 one.
const LARGE: u32 = 16;
const SMALL: u32 = 8;

pub(crate) fn dispatch(task: &ConvTask, sampling: &Sampling, max_invocations: u32) -> Dispatch {
    let w = &task.window;
    let columns = (w.batch * w.output_len()) as u64;
    let tiles = |threads: u32| {
        let block = 8 * u64::from(threads);
        w.groups as u64 * (w.c_out_per_group() as u64).div_ceil(block) * columns.div_ceil(block)
    };
    let threads = if wants_large_tile(w.c_out_per_group(), tiles(LARGE), max_invocations) { LARGE } else { SMALL };
    Dispatch::new(
        &KERNEL,
        [("THREADS", threads.into()), ("HAS_MASK", sampling.mask.is_some().into())],
        sampling.params(task),
        sampling.operands(task),
        tiles(threads),
    )
}
