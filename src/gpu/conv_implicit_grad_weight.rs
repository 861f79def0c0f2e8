//! Launcher of `shaders/conv_implicit_grad_weight.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, padding_code};
use super::tiles::{DEPTH, TileShape, tile_shape};
use crate::capabilities::Capabilities;
use crate::geometry::Window;
use crate::problem::PaddingMode;

kernel!(
    "conv_implicit_grad_weight", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, IMPLICIT_TILE],
    read: ["input", "grad_output"],
    write: ["grad_weight"],
    constants: ["ROW_THREADS", "COLUMN_THREADS", "PADDING_MODE", "FLIP_KERNEL"],
    precondition: "64 to 256 invocations per workgroup, as many as the tile wants",
);

/// Invocations that fill a big GPU four times over, and the shortest slice of a sum that is worth a partial result.
const ENOUGH_INVOCATIONS: usize = 1 << 16;
const SHORTEST_SLICE: usize = 256;

/// How the product is cut.
pub(super) struct Cut {
    shape: TileShape,
    /// Workgroups of one slice.
    tiles: usize,
    /// Positions of a slice.
    each: usize,
    /// Slices.
    pub count: usize,
}

pub(super) fn cut(w: &Window, caps: &Capabilities) -> Cut {
    let (rows, columns) = (w.c_out_per_group(), w.c_in_per_group() * w.kernel_len());
    let positions = w.batch * w.output_len();
    let most = positions.div_ceil(SHORTEST_SLICE);
    // The longest cut gives most tiles.
    let shape = tile_shape(w.groups * most, rows, columns, caps);
    let tiles = shape.tiles(w.groups, rows, columns) as usize;
    let wanted = (ENOUGH_INVOCATIONS / shape.invocations() as usize / tiles).clamp(1, most);
    let each = positions.div_ceil(wanted).next_multiple_of(DEPTH as usize);
    Cut { shape, tiles, each, count: positions.div_ceil(each) }
}

/// `window` slides over `input` and has the positions of `grad_output`; slices of `grad_weight` lie one behind the other.
pub(super) fn dispatch(
    window: &Window,
    padding_mode: PaddingMode,
    flip_kernel: bool,
    [input, grad_output, grad_weight]: [Slot; 3],
    beta: f32,
    cut: &Cut,
) -> Dispatch {
    let params = WindowParams {
        input: input.view,
        grad_output: grad_output.view,
        count: cut.each as u32,
        beta,
        ..WindowParams::new(window)
    };
    Dispatch::new(
        &KERNEL,
        cut.shape.constants([padding_code(padding_mode), flip_kernel.into()]),
        Params::Window(Box::new(params)),
        vec![input.operand, grad_output.operand, grad_weight.operand],
        (cut.count * cut.tiles) as u64,
    )
}
