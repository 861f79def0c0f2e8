//! Launcher of `shaders/conv_subgroup_rows.wgsl`.

use super::catalog::kernel;
use super::conv_subgroup;
use super::lanes::{LaneProduct, LaneTile};
use super::program::{ConvTask, Dispatch, broadcast_step_for, padding_code};
use crate::capabilities::Capabilities;
use crate::geometry::Window;

kernel!(
    "conv_subgroup_rows", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, LANE_WEIGHTS, OUTER, WRITE_COLUMN],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "STEP", "TILE_CO", "KERNEL_W", "DILATION_W"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more; windows that overlap along the row, at stride 1",
);

/// Elements that a tap of the row lies beyond the first one at most, as in the shader.
const MOST_REACH: usize = 8;
/// As in the shader.
const MOST_DILATION: usize = 4;

fn product(w: &Window) -> LaneProduct {
    let reach = (w.kernel[2] - 1) * w.dilation[2];
    LaneProduct {
        lines: w.output[0] * w.output[1],
        columns: w.output[2],
        shared: [w.kernel[2], reach],
        ..conv_subgroup::product(w)
    }
}

/// Its tile of one image, where it has one that costs less than that of `conv_subgroup`. The batch has no say, so that parts of
/// a batch are summed in the same order as the whole.
fn tile(w: &Window) -> Option<LaneTile> {
    let reach = (w.kernel[2] - 1) * w.dilation[2];
    let serves = conv_subgroup::wants(w)
        && w.stride[2] == 1
        && w.kernel[2] > 1
        && w.dilation[2] <= MOST_DILATION
        && reach <= MOST_REACH;
    if !serves {
        return None;
    }
    let (ours, theirs) = (product(w), conv_subgroup::product(w));
    ours.wide().filter(|&tile| ours.cycles(tile) < theirs.cycles(theirs.narrow()))
}

pub(super) fn wants(w: &Window) -> bool {
    tile(w).is_some()
}

/// Cycles of an image, where it is chosen.
pub(crate) fn cycles(w: &Window) -> Option<f64> {
    tile(w).map(|tile| product(w).cycles(tile))
}

pub(super) fn dispatch(task: &ConvTask, caps: &Capabilities) -> Dispatch {
    let w = &task.window;
    let product = product(w);
    let tile = tile(w).unwrap_or(LaneTile { wide: true, ..product.narrow() });
    let constants = vec![
        tile.workgroup.into(),
        padding_code(task.padding_mode),
        task.flip_kernel.into(),
        broadcast_step_for(w.c_in_per_group(), caps).into(),
        tile.rows.into(),
        (w.kernel[2] as u32).into(),
        (w.dilation[2] as u32).into(),
    ];
    let workgroups = w.batch as u64 * product.workgroups(tile);
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
