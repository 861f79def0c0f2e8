//! Launcher of `shaders/depthwise/conv2d_depthwise_rows.wgsl`.

use crate::capabilities::KernelClass;
use crate::geometry::Window;
use crate::kernels::task::{ConvTask, WORKGROUP, workgroups_for};
use crate::problem::PaddingMode;
use crate::program::loops::nest;
use crate::program::{Dispatch, Kernel};

kernel!(
    conv2d_depthwise_rows, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL", "KERNEL_H", "KERNEL_W", "STRIDE_W", "DILATION_W", "PAD_W", "PER_STEP", "TILE_Y"],
    precondition: "two spatial axes, one input channel per group, zero padding, kernels up to 7 x 7 with stride 1 or 2",
    loops: |l| nest(&[l.constant("TILE_Y") + l.kh]),
);

/// The taps of an axis that a filter in registers has at most, as in the shader.
const MOST_TAPS: usize = 7;
/// Elements that windows see at most beside the vec4s in the middle, on each side, as in the shader.
const MOST_BESIDE: usize = 4;

/// Input rows from one output row of a strip to the next, in dilations, and how far apart these output rows are: rows whose
/// windows share input rows. `None` where the shader has no such step.
fn steps(w: &Window) -> Option<(usize, usize)> {
    let (stride, dilation) = (w.stride[1], w.dilation[1]);
    if stride.is_multiple_of(dilation) {
        return Some((stride / dilation, 1)).filter(|&(per_step, _)| per_step <= 2);
    }
    dilation.is_multiple_of(stride).then(|| (1, dilation / stride))
}

pub(crate) fn applies(task: &ConvTask) -> bool {
    let w = &task.window;
    let [kernel_h, kernel_w] = [w.kernel[1], w.kernel[2]];
    let reach = (kernel_w - 1) * w.dilation[2];
    let planar = [w.input[0], w.kernel[0], w.output[0]] == [1; 3];
    planar
        && w.c_in_per_group() == 1
        && task.padding_mode == PaddingMode::Zeros
        && kernel_h.max(kernel_w) <= MOST_TAPS
        && w.stride[2] <= 2
        && w.pad_begin[2] <= MOST_BESIDE
        && reach < w.pad_begin[2] + w.stride[2] + MOST_BESIDE
        && steps(w).is_some()
}

/// Output rows of a strip. A GPU wants enough invocations to fill it, and reads rows again that two strips share from a cache.
/// A software rasteriser wants few loads: of those rows, and of the filter.
fn strip_rows(w: &Window, class: KernelClass) -> usize {
    const LENGTHS: [usize; 6] = [2, 4, 8, 16, 32, 64];
    let (per_step, spread) = steps(w).unwrap_or((1, 1));
    let halo = w.kernel[1].div_ceil(per_step) - 1;
    let lattice = w.output[1].div_ceil(spread);
    let invocations = |rows: usize| w.batch * w.c_out * spread * lattice.div_ceil(rows) * w.output[2].div_ceil(4);
    match class {
        KernelClass::Gpu => {
            const ENOUGH: usize = 1 << 17;
            // Beyond that a strip is longer than what it shares with its neighbours is worth.
            const LONGEST: usize = 16;
            let full = |rows: &usize| *rows <= LONGEST && invocations(*rows) >= ENOUGH;
            LENGTHS.into_iter().rev().find(full).unwrap_or(LENGTHS[0])
        }
        KernelClass::Cpu => {
            const ENOUGH: usize = 1 << 11;
            const INDEX: usize = 25;
            const STORE: usize = 8;
            let row = w.kernel[2] + 3 * w.stride[2];
            let strip = |rows: usize| {
                INDEX + w.kernel_len() + (rows.min(lattice) + halo) * per_step * row + rows.min(lattice) * STORE
            };
            let cost = |rows: &usize| lattice.div_ceil(*rows) * strip(*rows);
            let enough = LENGTHS.into_iter().filter(|&rows| rows == LENGTHS[0] || invocations(rows) >= ENOUGH);
            enough.min_by_key(cost).unwrap_or(LENGTHS[0])
        }
    }
}

pub(crate) fn dispatch(task: &ConvTask, class: KernelClass) -> Dispatch {
    dispatch_by(&KERNEL, task, class)
}

pub(crate) fn dispatch_by(kernel: &'static Kernel, task: &ConvTask, class: KernelClass) -> Dispatch {
    let w = &task.window;
    let (per_step, spread) = steps(w).unwrap_or((1, 1));
    let rows = strip_rows(w, class);
    let strips = w.output[1].div_ceil(spread * rows) * spread;
    let invocations = w.batch * w.c_out * strips * w.output[2].div_ceil(4);
    let [kernel_h, kernel_w, stride_w, dilation_w, pad_w] =
        [w.kernel[1], w.kernel[2], w.stride[2], w.dilation[2], w.pad_begin[2]].map(|n| n as u32);
    let constants = [
        ("WORKGROUP", WORKGROUP.into()),
        ("FLIP_KERNEL", task.flip_kernel.into()),
        ("KERNEL_H", kernel_h.into()),
        ("KERNEL_W", kernel_w.into()),
        ("STRIDE_W", stride_w.into()),
        ("DILATION_W", dilation_w.into()),
        ("PAD_W", pad_w.into()),
        ("PER_STEP", (per_step as u32).into()),
        ("TILE_Y", (rows as u32).into()),
    ];
    Dispatch::new(kernel, constants, task.params(), task.operands(), workgroups_for(invocations as u64))
}
