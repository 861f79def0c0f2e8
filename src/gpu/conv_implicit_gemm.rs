//! Launcher of `shaders/conv_implicit_gemm.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{ConvTask, Dispatch, Params, Slot, padding_code};
use super::tiles::{DEPTH, TileShape, tile_shape};
use crate::geometry::Window;
use crate::problem::{Epilogue, PaddingMode};

kernel!(
    "conv_implicit_gemm", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, TAP_MASK, IMPLICIT_TILE],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["ROW_THREADS", "COLUMN_THREADS", "PADDING_MODE", "MASKED", "FLIP_KERNEL", "SLICED"],
    precondition: "64 to 256 invocations per workgroup, as many as the tile wants",
);

/// Taps that a mask has bits for.
const MASK_BITS: usize = 32;

/// Invocations that fill a big GPU, and the shortest and the longest slice of a sum: a partial result should be worth its
/// memory, and some drivers end long loops.
const ENOUGH_INVOCATIONS: usize = 1 << 16;
const SHORTEST_SLICE: usize = 256;
const LONGEST_SLICE: usize = 1 << 14;

/// Columns of the product.
fn columns(w: &Window) -> usize {
    w.batch * w.output_len()
}

fn products(w: &Window) -> usize {
    w.c_in_per_group() * w.kernel_len()
}

/// Whether a mask says which taps of a window lie inside.
pub(super) fn is_masked(taps: usize, mode: PaddingMode) -> bool {
    mode == PaddingMode::Zeros && taps <= MASK_BITS
}

/// The tile of a sliced product: small, so that there are many.
fn slice_shape(w: &Window) -> TileShape {
    tile_shape(w.groups, w.c_out_per_group(), columns(w), 64)
}

/// Products of a slice, and how many slices of the sums fill a device with small tiles.
pub(crate) fn slices(w: &Window) -> (usize, usize) {
    let shape = slice_shape(w);
    let tiles = shape.tiles(w.groups, w.c_out_per_group(), columns(w)).max(1) as usize;
    let most = products(w).div_ceil(SHORTEST_SLICE);
    let wanted = ENOUGH_INVOCATIONS / shape.invocations() as usize / tiles;
    let count = wanted.clamp(1, most).max(products(w).div_ceil(LONGEST_SLICE));
    let each = products(w).div_ceil(count).next_multiple_of(DEPTH as usize);
    (each, products(w).div_ceil(each))
}

pub(super) fn dispatch(task: &ConvTask, max_invocations: u32) -> Dispatch {
    let w = &task.window;
    of_shape(task, tile_shape(w.groups, w.c_out_per_group(), columns(w), max_invocations), None)
}

/// Stores the sums of each slice as so many more images, without the epilogue.
pub(super) fn partial(task: &ConvTask, output: Slot) -> Dispatch {
    let (unused, epilogue) = (Slot::UNUSED, Epilogue::default());
    let task = ConvTask { epilogue, bias: unused, residual: unused, output, beta: 0.0, ..task.clone() };
    of_shape(&task, slice_shape(&task.window), Some(slices(&task.window)))
}

fn of_shape(task: &ConvTask, shape: TileShape, slices: Option<(usize, usize)>) -> Dispatch {
    let w = &task.window;
    let (each, count) = slices.unwrap_or((0, 1));
    let mode = padding_code(task.padding_mode);
    let masked = is_masked(w.kernel_len(), task.padding_mode);
    let params = WindowParams { count: each as u32, ..task.window_params() };
    Dispatch::new(
        &KERNEL,
        shape.constants([mode, masked.into(), task.flip_kernel.into(), slices.is_some().into()]),
        Params::Window(Box::new(params)),
        task.operands(),
        shape.tiles(w.groups, w.c_out_per_group(), columns(w)) * count as u64,
    )
}
