//! Launcher of `shaders/gemm/gemm_vec4.wgsl` and, where rows of the result can be stored by vec4s, `shaders/gemm_vec4_rows.wgsl`.

use crate::capabilities::Capabilities;
use crate::kernels::gemm_vec4_rows;
use crate::kernels::panel_tile::{Cut, Products, constants};
use crate::kernels::task::{GemmTask, Sink, Slot, flat_strides};
use crate::program::loops::nest;
use crate::program::{Constant, Dispatch, Operand, Params, View};
use crate::tile::Tile;

kernel!(
    gemm_vec4, Gemm,
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: [
        "ROW_THREADS", "COLUMN_THREADS", "ROW_VEC4S", "COLUMN_VEC4S", "BLOCK_K", "SPLIT_K", "WHOLE_K", "FLAT"
    ],
    precondition: "rows of a and columns of b can be read by vec4s, all of a batch have one a; invocations and workgroup memory as \
                   the tile wants",
    loops: |l| nest(&[l.k.div_ceil(l.constant("BLOCK_K"))]) + 4 * nest(&[4]),
);

/// Whether both matrices can be read by vec4s. Where each of a batch has an a of its own the result is stored by vec4s, too.
pub(crate) fn applies(task: &GemmTask) -> bool {
    task.slices.is_none() && task.a_has_quads() && task.b_has_quads() && (is_merged(task) || stores_rows(task))
}

/// Whether rows of the result can be stored by vec4s. The last one of a row may fill it up in a workspace, not in a tensor.
fn stores_rows(task: &GemmTask) -> bool {
    let width = |slot: Slot| match slot.operand {
        Operand::Tensor(_) => task.n,
        _ => task.n.next_multiple_of(4),
    };
    let rows = |slot: Slot| {
        let view = View { d: 0, h: 0, w: 1, ..slot.view };
        slot.view.flat_stride(task.output_size) == Some(1) && Slot { view, ..slot }.has_quads(width(slot))
    };
    rows(task.sink.output) && (task.sink.residual.operand == Operand::Unused || rows(task.sink.residual))
}

/// Whether all of a batch have the same a: then they are one product.
fn is_merged(task: &GemmTask) -> bool {
    task.a_strides[0] == 0 || task.batch == 1
}

fn products(task: &GemmTask) -> Products {
    let images = if is_merged(task) { task.batch } else { 1 };
    Products {
        count: task.groups * task.batch / images,
        rows: task.m,
        columns: images * task.n.next_multiple_of(4),
        length: task.k,
        run: task.k,
        column_bytes: 0,
    }
}

/// Tile of the least time, with the slices that the sums are cut into unless they are to stay `whole`; sums of products that have a
/// factor each are never cut.
pub(crate) fn cut(task: &GemmTask, caps: &Capabilities, forced: Option<Tile>, whole: bool) -> Option<Cut> {
    products(task).cut(caps, forced, whole || !is_merged(task))
}

pub(crate) fn dispatch(task: &GemmTask, cut: &Cut) -> Dispatch {
    of_tile(task, cut, false)
}

/// Stores the sums of each slice as so many more images, without the epilogue.
pub(crate) fn partial(task: &GemmTask, cut: &Cut, output: Slot) -> Dispatch {
    let task = GemmTask { sink: Sink::plain(output, 0.0), ..task.clone() };
    of_tile(&task, cut, true)
}

fn of_tile(task: &GemmTask, cut: &Cut, split: bool) -> Dispatch {
    let mut params = task.gemm_params();
    params.slice = cut.panels as u32 * cut.tile.panel();
    let flat = flat_strides(task.sink.output, task.sink.residual, task.output_size);
    if let Some(strides) = flat {
        [params.output.w, params.residual.w] = strides;
    }
    let whole = task.k.is_multiple_of(cut.tile.panel() as usize);
    let tiles = products(task).tiles(cut.tile) * cut.count as u64;
    let common = [("SPLIT_K", Constant::from(split)), ("WHOLE_K", whole.into())];
    let params = Params::Gemm(Box::new(params));
    if stores_rows(task) {
        let own = constants(cut.tile, common.into_iter().chain([("MERGED", is_merged(task).into())]));
        return Dispatch::new(&gemm_vec4_rows::KERNEL, own, params, task.operands(), tiles);
    }
    let own = constants(cut.tile, common.into_iter().chain([("FLAT", flat.is_some().into())]));
    Dispatch::new(&KERNEL, own, params, task.operands(), tiles)
}
