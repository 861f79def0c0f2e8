//! Launcher of `shaders/transpose/conv_transpose_implicit_gemm.wgsl`.

use crate::capabilities::Capabilities;
use crate::kernels::conv_implicit_gemm::is_masked;
use crate::kernels::implicit_tile::{DEPTH, tile_shape};
use crate::kernels::task::ConvTask;
use crate::problem::PaddingMode;
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    conv_transpose_implicit_gemm, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["ROW_THREADS", "COLUMN_THREADS", "MASKED", "FLIP_KERNEL"],
    precondition: "stride within the output; 64 to 256 invocations per workgroup, as many as the tile wants",
    loops: |l| nest(&[(l.c_in * l.taps).div_ceil(u64::from(DEPTH))]) + l.kd + l.kh + l.kw + 3 + l.masks(),
);

pub(crate) fn dispatch(task: &ConvTask, caps: &Capabilities) -> Dispatch {
    let w = &task.window;
    let phases: usize = w.stride.iter().product();
    let lattice: usize = (0..3).map(|axis| w.output[axis].div_ceil(w.stride[axis])).product();
    let (count, rows, columns) = (w.groups * phases, w.c_out_per_group(), w.batch * lattice);
    let shape = tile_shape(count, rows, columns, caps);
    let masked = is_masked(w.kernel_len(), PaddingMode::Zeros);
    let constants = shape.constants([("MASKED", masked.into()), ("FLIP_KERNEL", task.flip_kernel.into())]);
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), shape.tiles(count, rows, columns))
}
