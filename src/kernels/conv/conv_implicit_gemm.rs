//! Launcher of `shaders/conv/conv_implicit_gemm.wgsl`.

use crate::capabilities::Capabilities;
use crate::geometry::Window;
use crate::kernels::implicit_tile::{BYTE, DEPTH, DISPATCH, TileShape, shapes, slices, tile_shape};
use crate::kernels::task::{ConvTask, GemmTask, Sink, Slot, flat_strides, padding_code};
use crate::problem::PaddingMode;
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    conv_implicit_gemm, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["ROW_THREADS", "COLUMN_THREADS", "PADDING_MODE", "MASKED", "POINTWISE", "FLAT", "FLIP_KERNEL", "SPLIT_K"],
    precondition: "64 to 256 invocations per workgroup, as many as the tile wants",
    loops: |l| {
        let sliced = l.is("SPLIT_K");
        let products = if sliced { l.params.slice.into() } else { l.c_in * l.taps };
        nest(&[products.div_ceil(u64::from(DEPTH))]) + l.masks()
    },
);

/// Taps that a mask has bits for.
const MASK_BITS: usize = 32;

/// Columns of the product.
fn columns(w: &Window) -> usize {
    w.batch * w.output_len()
}

fn products(w: &Window) -> usize {
    w.c_in_per_group() * w.kernel_len()
}

/// Whether a mask says which taps of a window lie inside.
pub(crate) fn is_masked(taps: usize, mode: PaddingMode) -> bool {
    mode == PaddingMode::Zeros && taps <= MASK_BITS
}

/// How the sums are cut.
pub(crate) struct SplitK {
    shape: TileShape,
    /// Products of a slice.
    each: usize,
    /// SplitSum.
    pub count: usize,
    /// As [`TileShape::time`], with the time that partial results take.
    pub time: f64,
}

/// Tiles and slices that take the least time together.
pub(crate) fn split_k(w: &Window, caps: &Capabilities) -> SplitK {
    split_k_of(w.groups, [w.c_out_per_group(), columns(w), products(w)], caps)
}

/// Time of a product of weights and a matrix by these tiles, all of a batch as one.
pub(crate) fn time_of_product(task: &GemmTask, caps: &Capabilities) -> f64 {
    split_k_of(task.groups, [task.m, task.batch * task.n, task.k], caps).time
}

fn split_k_of(groups: usize, [rows, columns, length]: [usize; 3], caps: &Capabilities) -> SplitK {
    let counts = slices(length);
    let of = |shape: TileShape, count: usize| {
        let each = length.div_ceil(count).next_multiple_of(DEPTH as usize);
        let count = length.div_ceil(each);
        // Written once, read once.
        let partial = DISPATCH + (2 * 4 * count * groups * rows * columns) as f64 * BYTE;
        let time =
            shape.time(groups * count, rows, columns, each, caps.machine) + if count > 1 { partial } else { 0.0 };
        SplitK { shape, each, count, time }
    };
    let cuts = shapes(caps).flat_map(|shape| counts.clone().map(move |count| of(shape, count)));
    let one = of(tile_shape(groups, rows, columns, caps), *counts.start());
    // Whole sums need no workspace: slices should be clearly faster.
    const CLEARLY: f64 = 0.9;
    let enough = if one.count == 1 { CLEARLY * one.time } else { one.time };
    let best = cuts.min_by(|a, b| a.time.total_cmp(&b.time)).filter(|best| best.time < enough);
    best.unwrap_or(one)
}

pub(crate) fn dispatch(task: &ConvTask, caps: &Capabilities) -> Dispatch {
    let w = &task.window;
    of_shape(task, tile_shape(w.groups, w.c_out_per_group(), columns(w), caps), None)
}

/// Stores the sums of each slice as so many more images, without the epilogue.
pub(crate) fn partial(task: &ConvTask, split_k: &SplitK, output: Slot) -> Dispatch {
    let task = ConvTask { sink: Sink::plain(output, 0.0), ..task.clone() };
    of_shape(&task, split_k.shape, Some((split_k.each, split_k.count)))
}

fn of_shape(task: &ConvTask, shape: TileShape, slices: Option<(usize, usize)>) -> Dispatch {
    let w = &task.window;
    let (each, count) = slices.unwrap_or((0, 1));
    let mut params = WindowParams { slice: each as u32, ..task.window_params() };
    let flat = flat_strides(task.sink.output, task.sink.residual, w.output);
    if let Some(strides) = flat {
        [params.output.w, params.residual.w] = strides;
    }
    let input = task.input.view.flat_stride(w.input).filter(|_| flat.is_some() && w.is_pointwise());
    params.input.w = input.unwrap_or(params.input.w);
    let masked = input.is_some() || is_masked(w.kernel_len(), task.padding_mode);
    Dispatch::new(
        &KERNEL,
        shape.constants([
            ("PADDING_MODE", padding_code(task.padding_mode)),
            ("MASKED", masked.into()),
            ("POINTWISE", input.is_some().into()),
            ("FLAT", flat.is_some().into()),
            ("FLIP_KERNEL", task.flip_kernel.into()),
            ("SPLIT_K", slices.is_some().into()),
        ]),
        Params::Window(Box::new(params)),
        task.operands(),
        shape.tiles(w.groups, w.c_out_per_group(), columns(w)) * count as u64,
    )
}
