//! Launcher of `shaders/conv/conv_implicit_grad_weight.wgsl`.

use crate::capabilities::Capabilities;
use crate::geometry::Window;
use crate::kernels::implicit_tile::{DEPTH, TileShape, tile_shape};
use crate::kernels::task::{Slot, padding_code};
use crate::problem::PaddingMode;
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    conv_implicit_grad_weight, Window,
    read: ["input", "grad_output"],
    write: ["grad_weight"],
    constants: ["ROW_THREADS", "COLUMN_THREADS", "PADDING_MODE", "FLIP_KERNEL"],
    precondition: "64 to 256 invocations per workgroup, as many as the tile wants",
    loops: |l| nest(&[u64::from(l.params.slice).div_ceil(u64::from(DEPTH))]),
);

/// Invocations that fill a big GPU four times over, and the shortest slice of a sum that is worth a partial result.
const ENOUGH_INVOCATIONS: usize = 1 << 16;
const SHORTEST_SLICE: usize = 256;

/// How the product is cut.
pub(crate) struct SplitK {
    shape: TileShape,
    /// Workgroups of one slice.
    tiles: usize,
    /// Positions of a slice.
    each: usize,
    /// SplitSum.
    pub count: usize,
}

pub(crate) fn split_k(w: &Window, caps: &Capabilities) -> SplitK {
    let (rows, columns) = (w.c_out_per_group(), w.c_in_per_group() * w.kernel_len());
    let positions = w.batch * w.output_len();
    let most = positions.div_ceil(SHORTEST_SLICE);
    // The longest cut gives most tiles.
    let shape = tile_shape(w.groups * most, rows, columns, caps);
    let tiles = shape.tiles(w.groups, rows, columns) as usize;
    let wanted = (ENOUGH_INVOCATIONS / shape.invocations() as usize / tiles).clamp(1, most);
    let each = positions.div_ceil(wanted).next_multiple_of(DEPTH as usize);
    SplitK { shape, tiles, each, count: positions.div_ceil(each) }
}

/// `window` slides over `input` and has the positions of `grad_output`; slices of `grad_weight` lie one behind the other.
pub(crate) fn dispatch(
    window: &Window,
    padding_mode: PaddingMode,
    flip_kernel: bool,
    [input, grad_output, grad_weight]: [Slot; 3],
    beta: f32,
    split_k: &SplitK,
) -> Dispatch {
    let params = WindowParams {
        input: input.view,
        grad_output: grad_output.view,
        slice: split_k.each as u32,
        beta,
        ..WindowParams::new(window)
    };
    Dispatch::new(
        &KERNEL,
        split_k.shape.constants([("PADDING_MODE", padding_code(padding_mode)), ("FLIP_KERNEL", flip_kernel.into())]),
        Params::Window(Box::new(params)),
        vec![input.operand, grad_output.operand, grad_weight.operand],
        (split_k.count * split_k.tiles) as u64,
    )
}
