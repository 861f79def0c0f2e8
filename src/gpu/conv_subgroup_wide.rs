//! Launcher of `shaders/conv_subgroup_wide.wgsl`.

use super::catalog::kernel;
use super::conv_subgroup;
use super::lanes::{LaneProduct, LaneTile};
use super::program::{ConvTask, Dispatch, broadcast_step_for, padding_code};
use crate::capabilities::Capabilities;
use crate::geometry::Window;

kernel!(
    "conv_subgroup_wide", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, LANE_WEIGHTS, OUTER, WRITE_COLUMN],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "TURNED", "STEP", "TILE_CO", "TAPS"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more",
);

/// Taps that share a row at most, as in the shader.
const MOST_TAPS: usize = 9;

/// A way to compute an image: the taps that share what they load of a row, the tile, and its cycles.
struct Way {
    taps: usize,
    product: LaneProduct,
    tile: LaneTile,
    cycles: f64,
}

fn way(w: &Window, taps: usize) -> Option<Way> {
    let spread = if taps > 1 { w.dilation[2] } else { 1 };
    let product = LaneProduct {
        lines: w.output[0] * w.output[1] * spread,
        columns: w.output[2].div_ceil(spread),
        places: w.kernel_len() / taps,
        shared: taps,
        ..conv_subgroup::product(w)
    };
    let tile = product.wide()?;
    Some(Way { taps, product, tile, cycles: product.cycles(tile) })
}

/// The best one, where it costs less than `conv_subgroup`. The batch has no say, so that parts of a batch are summed in the same order
/// as the whole.
fn best(w: &Window) -> Option<Way> {
    if !conv_subgroup::wants(w) {
        return None;
    }
    let own = way(w, 1);
    let shared = (w.stride[2] == 1 && (2..=MOST_TAPS).contains(&w.kernel[2])).then(|| way(w, w.kernel[2])).flatten();
    let narrow = conv_subgroup::product(w);
    let narrow = narrow.cycles(narrow.narrow());
    [own, shared].into_iter().flatten().min_by(|a, b| a.cycles.total_cmp(&b.cycles)).filter(|way| way.cycles < narrow)
}

/// Cycles of an image, where it is chosen.
pub(crate) fn cycles(w: &Window) -> Option<f64> {
    best(w).map(|way| way.cycles)
}

/// `None` where `conv_subgroup` costs less. `turned` says that the weight is that of a transposed convolution.
pub(super) fn dispatch(task: &ConvTask, turned: bool, caps: &Capabilities) -> Option<Dispatch> {
    let w = &task.window;
    let way = best(w)?;
    let constants = vec![
        way.tile.workgroup.into(),
        padding_code(task.padding_mode),
        task.flip_kernel.into(),
        turned.into(),
        broadcast_step_for(w.c_in_per_group(), caps).into(),
        way.tile.rows.into(),
        (way.taps as u32).into(),
    ];
    let workgroups = w.batch as u64 * way.product.workgroups(way.tile);
    Some(Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups))
}
