//! Launcher of `shaders/deform/deform_conv2d_implicit_gemm.wgsl`.

use crate::capabilities::Capabilities;
use crate::kernels::deform_conv2d_direct::Sampling;
use crate::kernels::implicit_tile::{DEPTH, tile_shape};
use crate::kernels::task::ConvTask;
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    deform_conv2d_implicit_gemm, Window,
    read: ["input", "weight", "offset", "mask", "bias", "residual"],
    write: ["output"],
    constants: ["ROW_THREADS", "COLUMN_THREADS", "HAS_MASK"],
    precondition: "64 to 256 invocations per workgroup, as many as the tile wants",
    loops: |l| {
        let stretches = l.c_in / l.offset_channels.max(1) + 2;
        let blocks = l.c_in / CHANNELS + stretches;
        let depth = u64::from(DEPTH);
        let panels = l.c_in / depth + blocks;
        nest(&[l.taps * panels, depth / 4])
    },
);

/// Channels of a block, as in the shader.
const CHANNELS: u64 = 16;

pub(crate) fn dispatch(task: &ConvTask, sampling: &Sampling, caps: &Capabilities) -> Dispatch {
    let w = &task.window;
    let (rows, columns) = (w.c_out_per_group(), w.batch * w.output_len());
    let shape = tile_shape(w.groups, rows, columns, caps);
    Dispatch::new(
        &KERNEL,
        shape.constants([("HAS_MASK", sampling.mask.is_some().into())]),
        sampling.params(task),
        sampling.operands(task),
        shape.tiles(w.groups, rows, columns),
    )
}
