//! Launcher of `shaders/conv/conv_packed_gemm.wgsl`.

use crate::capabilities::Capabilities;
use crate::geometry::Window;
use crate::kernels::pack_rows::Packing;
use crate::kernels::panel_tile::{Products, SplitK, constants};
use crate::kernels::task::{ConvTask, Sink, Slot, flat_strides, padding_code};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};
use crate::tile::Tile;

kernel!(
    conv_packed_gemm, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: [
        "ROW_THREADS", "COLUMN_THREADS", "ROW_VEC4S", "COLUMN_VEC4S", "BLOCK_K", "PADDING_MODE", "WHOLE_K",
        "FLAT", "SPLIT_K"
    ],
    precondition: "weights packed by pack_rows; as many invocations and as much workgroup memory as the tile wants",
    loops: |l| {
        let split = l.is("SPLIT_K");
        let panels = if split { l.params.slice.into() } else { l.taps * l.c_in.div_ceil(l.constant("BLOCK_K")) };
        // What is kept of eight columns, and the rows of each.
        nest(&[panels]) + nest(&[8]) + nest(&[8, 8])
    },
);

/// A vec4 of where the window of a column begins.
const COLUMN_BYTES: u32 = 16;

fn products(w: &Window) -> Products {
    let (channels, taps) = (w.c_in_per_group(), w.kernel_len());
    Products {
        count: w.groups,
        rows: w.c_out_per_group(),
        columns: w.batch * w.output_len(),
        length: channels * taps,
        run: channels,
        column_bytes: COLUMN_BYTES,
    }
}

/// Tile and slices that take the least time together.
pub(crate) fn split_k(w: &Window, caps: &Capabilities, forced: Option<Tile>) -> Option<SplitK> {
    products(w).split_k(caps, forced, false)
}

/// How the weights are packed; with `turned` those of a transposed convolution, weight[ci,co,k].
pub(crate) fn packing(task: &ConvTask, turned: bool, tile: Tile) -> Packing {
    let w = &task.window;
    let (channels, rows, taps) = (w.c_in_per_group(), w.c_out_per_group(), w.kernel_len());
    let strides = if turned { [taps, rows * taps] } else { [channels * taps, taps] };
    Packing {
        groups: w.groups,
        taps,
        flip: task.flip_kernel,
        rows,
        row_pitch: rows.next_multiple_of(4),
        columns: channels,
        column_pitch: channels.next_multiple_of(tile.panel() as usize),
        strides: [channels * rows * taps, 1, strides[0], strides[1]],
    }
}

/// `task` has the packed weights.
pub(crate) fn dispatch(task: &ConvTask, split_k: &SplitK) -> Dispatch {
    of_tile(task, split_k, false)
}

/// Stores the sums of each slice as so many more images, without the epilogue.
pub(crate) fn partial(task: &ConvTask, split_k: &SplitK, output: Slot) -> Dispatch {
    let task = ConvTask { sink: Sink::plain(output, 0.0), ..task.clone() };
    of_tile(&task, split_k, true)
}

fn of_tile(task: &ConvTask, split_k: &SplitK, split: bool) -> Dispatch {
    let w = &task.window;
    let mut params = WindowParams { slice: split_k.panels as u32, ..task.window_params() };
    let flat = flat_strides(task.sink.output, task.sink.residual, w.output);
    if let Some(strides) = flat {
        [params.output.w, params.residual.w] = strides;
    }
    let whole = w.c_in_per_group().is_multiple_of(split_k.tile.panel() as usize);
    Dispatch::new(
        &KERNEL,
        constants(
            split_k.tile,
            [
                ("PADDING_MODE", padding_code(task.padding_mode)),
                ("WHOLE_K", whole.into()),
                ("FLAT", flat.is_some().into()),
                ("SPLIT_K", split.into()),
            ],
        ),
        Params::Window(Box::new(params)),
        task.operands(),
        products(w).tiles(split_k.tile) * split_k.count as u64,
    )
}
