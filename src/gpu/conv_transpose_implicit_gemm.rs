//! Launcher of `shaders/conv_transpose_implicit_gemm.wgsl`.

use super::catalog::kernel;
use super::conv_implicit_gemm::is_masked;
use super::program::{ConvTask, Dispatch};
use super::tiles::tile_shape;
use crate::capabilities::Capabilities;
use crate::problem::PaddingMode;

kernel!(
    "conv_transpose_implicit_gemm", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, FIRST_TAP, PHASE_TAPS, ACTIVATION, WRITE_OUTPUT, TAP_MASK, IMPLICIT_TILE],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["ROW_THREADS", "COLUMN_THREADS", "MASKED", "FLIP_KERNEL"],
    precondition: "stride within the output; 64 to 256 invocations per workgroup, as many as the tile wants",
);

pub(super) fn dispatch(task: &ConvTask, caps: &Capabilities) -> Dispatch {
    let w = &task.window;
    let phases: usize = w.stride.iter().product();
    let lattice: usize = (0..3).map(|axis| w.output[axis].div_ceil(w.stride[axis])).product();
    let (count, rows, columns) = (w.groups * phases, w.c_out_per_group(), w.batch * lattice);
    let shape = tile_shape(count, rows, columns, caps);
    let masked = is_masked(w.kernel_len(), PaddingMode::Zeros);
    let constants = shape.constants([masked.into(), task.flip_kernel.into()]);
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), shape.tiles(count, rows, columns))
}
