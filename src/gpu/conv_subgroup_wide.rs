//! Launcher of `shaders/conv_subgroup_wide.wgsl`.

use super::catalog::kernel;
use super::conv_subgroup;
use super::lanes::{LaneProduct, LaneTile, WIDE};
use super::program::{ConvTask, Dispatch, broadcast_step_for, padding_code};
use crate::capabilities::Capabilities;
use crate::geometry::Window;

kernel!(
    "conv_subgroup_wide", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, LANE_WEIGHTS, OUTER, WRITE_COLUMN],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "TURNED", "STEP", "TILE_CO", "KERNEL_W"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more; 2 to 9 taps along a row, at stride 1",
);

/// Taps of a row at most, as in the shader.
const MOST_TAPS: usize = 9;

/// Runs of up to eight columns, one dilation apart, that cover a row of the output.
fn runs_of_row(w: &Window) -> usize {
    let (width, spread) = (w.output[2], w.dilation[2]);
    let (shorter, longer) = (width / spread, width % spread);
    longer * (shorter + 1).div_ceil(WIDE) + (spread - longer) * shorter.div_ceil(WIDE)
}

/// An image, and its tile where that costs less than that of `conv_subgroup`. The batch has no say, so that parts of a batch are
/// summed in the same order as the whole.
fn best(w: &Window) -> Option<(LaneProduct, LaneTile)> {
    if !conv_subgroup::wants(w) || w.stride[2] != 1 || !(2..=MOST_TAPS).contains(&w.kernel[2]) {
        return None;
    }
    let narrow = conv_subgroup::product(w);
    let product = LaneProduct {
        runs: [narrow.runs[0], w.output[0] * w.output[1] * runs_of_row(w)],
        places: w.kernel_len() / w.kernel[2],
        shared: w.kernel[2],
        ..narrow
    };
    let tile = product.wide().filter(|&tile| product.cycles(tile) < narrow.cycles(narrow.narrow()))?;
    Some((product, tile))
}

/// Cycles of an image, where it is chosen.
pub(crate) fn cycles(w: &Window) -> Option<f64> {
    best(w).map(|(product, tile)| product.cycles(tile))
}

/// `None` where `conv_subgroup` costs less. `turned` says that the weight is that of a transposed convolution.
pub(super) fn dispatch(task: &ConvTask, turned: bool, caps: &Capabilities) -> Option<Dispatch> {
    let w = &task.window;
    let (product, tile) = best(w)?;
    let constants = vec![
        tile.workgroup.into(),
        padding_code(task.padding_mode),
        task.flip_kernel.into(),
        turned.into(),
        broadcast_step_for(w.c_in_per_group(), caps).into(),
        tile.rows.into(),
        (w.kernel[2] as u32).into(),
    ];
    let workgroups = w.batch as u64 * product.workgroups(tile);
    Some(Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups))
}
