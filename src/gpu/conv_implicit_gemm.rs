//! Launcher of `shaders/conv_implicit_gemm.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{ConvTask, Dispatch, Params, Slot, padding_code, wants_large_tile};
use crate::geometry::Window;
use crate::problem::Epilogue;

kernel!(
    "conv_implicit_gemm", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, IMPLICIT_TILE],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["THREADS", "BLOCK_K", "PADDING_MODE", "FLIP_KERNEL", "SLICED"],
    precondition: "256 invocations per workgroup for the large tile, 64 for the small one",
);

/// Invocations per side and depth of a staged panel: a 128 x 128 tile and a 64 x 64 one.
pub(super) const LARGE: (u32, u32) = (16, 8);
pub(super) const SMALL: (u32, u32) = (8, 8);

/// Invocations that fill a big GPU, and the shortest and the longest slice of a sum: a partial result should be worth its
/// memory, and some drivers end long loops.
const ENOUGH_INVOCATIONS: usize = 1 << 16;
const SHORTEST_SLICE: usize = 256;
const LONGEST_SLICE: usize = 1 << 14;

/// Workgroups that cover the product's rows and columns.
fn tiles(w: &Window, (threads, _): (u32, u32)) -> u64 {
    let block = 8 * u64::from(threads);
    let columns = (w.batch * w.output_len()) as u64;
    w.groups as u64 * (w.c_out_per_group() as u64).div_ceil(block) * columns.div_ceil(block)
}

fn products(w: &Window) -> usize {
    w.c_in_per_group() * w.kernel_len()
}

/// Products of a slice, and how many slices of the sums fill a device with small tiles.
pub(crate) fn slices(w: &Window) -> (usize, usize) {
    let (threads, depth) = SMALL;
    let most = products(w).div_ceil(SHORTEST_SLICE);
    let wanted = ENOUGH_INVOCATIONS / (threads * threads) as usize / tiles(w, SMALL).max(1) as usize;
    let count = wanted.clamp(1, most).max(products(w).div_ceil(LONGEST_SLICE));
    let each = products(w).div_ceil(count).next_multiple_of(depth as usize);
    (each, products(w).div_ceil(each))
}

pub(super) fn dispatch(task: &ConvTask, max_invocations: u32) -> Dispatch {
    let w = &task.window;
    let shape = if wants_large_tile(w.c_out_per_group(), tiles(w, LARGE), max_invocations) { LARGE } else { SMALL };
    of_shape(task, shape, None)
}

/// Stores the sums of each slice as so many more images, without the epilogue.
pub(super) fn partial(task: &ConvTask, output: Slot) -> Dispatch {
    let (unused, epilogue) = (Slot::UNUSED, Epilogue::default());
    let task = ConvTask { epilogue, bias: unused, residual: unused, output, beta: 0.0, ..task.clone() };
    of_shape(&task, SMALL, Some(slices(&task.window)))
}

fn of_shape(task: &ConvTask, shape: (u32, u32), slices: Option<(usize, usize)>) -> Dispatch {
    let (threads, depth) = shape;
    let (each, count) = slices.unwrap_or((0, 1));
    let mode = padding_code(task.padding_mode);
    let params = WindowParams { count: each as u32, ..task.window_params() };
    Dispatch::new(
        &KERNEL,
        vec![threads.into(), depth.into(), mode, task.flip_kernel.into(), slices.is_some().into()],
        Params::Window(Box::new(params)),
        task.operands(),
        tiles(&task.window, shape) * count as u64,
    )
}
