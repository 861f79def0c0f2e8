//! Launcher of `shaders/gemm/gemm_vec4.wgsl` and, where rows of the result can be stored by vec4s, `shaders/gemm_vec4_rows.wgsl`.

use crate::capabilities::Capabilities;
use crate::kernels::gemm_vec4_rows;
use crate::kernels::panel_tile::{Products, SplitK, constants};
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
    task.split_k.is_none()
        && task.a_is_vec4_aligned()
        && task.b_is_vec4_aligned()
        && (is_merged(task) || stores_rows(task))
}

/// Whether rows of the result can be stored by vec4s. The last one of a row may fill it up in a workspace, not in a tensor.
fn stores_rows(task: &GemmTask) -> bool {
    let width = |slot: Slot| match slot.operand {
        Operand::Tensor(_) => task.n,
        _ => task.n.next_multiple_of(4),
    };
    let rows = |slot: Slot| {
        let view = View { d: 0, h: 0, w: 1, ..slot.view };
        slot.view.flat_stride(task.output_size) == Some(1) && Slot { view, ..slot }.is_vec4_aligned(width(slot))
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
pub(crate) fn split_k(task: &GemmTask, caps: &Capabilities, forced: Option<Tile>, whole: bool) -> Option<SplitK> {
    products(task).split_k(caps, forced, whole || !is_merged(task))
}

pub(crate) fn dispatch(task: &GemmTask, split_k: &SplitK) -> Dispatch {
    of_tile(task, split_k, false)
}

/// Stores the sums of each slice as so many more images, without the epilogue.
pub(crate) fn partial(task: &GemmTask, split_k: &SplitK, output: Slot) -> Dispatch {
    let task = GemmTask { sink: Sink::plain(output, 0.0), ..task.clone() };
    of_tile(&task, split_k, true)
}

fn of_tile(task: &GemmTask, split_k: &SplitK, split: bool) -> Dispatch {
    let mut params = task.gemm_params();
    params.slice = split_k.panels as u32 * split_k.tile.panel();
    let flat = flat_strides(task.sink.output, task.sink.residual, task.output_size);
    if let Some(strides) = flat {
        [params.output.w, params.residual.w] = strides;
    }
    let whole = task.k.is_multiple_of(split_k.tile.panel() as usize);
    let tiles = products(task).tiles(split_k.tile) * split_k.count as u64;
    let common = [("SPLIT_K", Constant::from(split)), ("WHOLE_K", whole.into())];
    let params = Params::Gemm(Box::new(params));
    if stores_rows(task) {
        let own = constants(split_k.tile, common.into_iter().chain([("MERGED", is_merged(task).into())]));
        return Dispatch::new(&gemm_vec4_rows::KERNEL, own, params, task.operands(), tiles);
    }
    let own = constants(split_k.tile, common.into_iter().chain([("FLAT", flat.is_some().into())]));
    Dispatch::new(&KERNEL, own, params, task.operands(), tiles)
}
