//! Launcher of `shaders/conv_subgroup_wide.wgsl`.

use super::catalog::{Constant, Kernel, kernel};
use super::lanes::{LaneProduct, LaneTile, WIDE};
use super::program::{ConvTask, Dispatch, broadcast_step_for, padding_code};
use super::{conv_subgroup, conv_subgroup_wide_vec4, pack_rows};
use crate::capabilities::Capabilities;
use crate::geometry::Window;

kernel!(
    "conv_subgroup_wide", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, OUTER, WRITE_COLUMN, WIDE_TAPS],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "STEP", "TILE_CO", "KERNEL_W", "STRIDE_W"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more; 2 to 9 taps along a row, at stride 2 up to 5 and undilated; packed weights",
);

/// Taps of a row at most, at stride 1 and at stride 2, as in the shader.
const MOST_TAPS: [usize; 2] = [9, 5];

/// Runs of up to eight columns, one dilation apart, that cover a row of the output.
fn runs_of_row(w: &Window) -> usize {
    let (width, spread) = (w.output[2], w.dilation[2]);
    let (shorter, longer) = (width / spread, width % spread);
    longer * (shorter + 1).div_ceil(WIDE) + (spread - longer) * shorter.div_ceil(WIDE)
}

/// An image, and its tile where that costs less than that of `conv_subgroup`; `packed` says that packing the weights does not
/// count. The batch has no say, so that parts of a batch are summed in the same order as the whole.
fn best(w: &Window, packed: bool) -> Option<(LaneProduct, LaneTile)> {
    let most = *MOST_TAPS.get(w.stride[2] - 1)?;
    let strides_over = w.stride[2] > 1 && w.dilation[2] > 1;
    if !conv_subgroup::wants(w) || strides_over || !(2..=most).contains(&w.kernel[2]) {
        return None;
    }
    let narrow = conv_subgroup::product(w);
    let product = LaneProduct {
        runs: [narrow.runs[0], w.output[0] * w.output[1] * runs_of_row(w)],
        places: w.kernel_len() / w.kernel[2],
        shared: w.kernel[2],
        stride: w.stride[2],
        row_quads: true,
        column_quads: conv_subgroup_wide_vec4::fits(w),
        ..narrow
    };
    let tile = product.wide()?;
    let cost = product.cycles(tile) + packing_cycles(w, packed);
    (cost < narrow.cycles(narrow.narrow())).then_some((product, tile))
}

fn packing_cycles(w: &Window, packed: bool) -> f64 {
    if packed { 0.0 } else { pack_rows::cycles(w.c_out * w.c_in_per_group() * w.kernel_len()) }
}

/// Cycles of all images, where it is chosen.
pub(crate) fn cycles(w: &Window, packed: bool) -> Option<f64> {
    let (product, tile) = best(w, packed)?;
    Some(w.batch as f64 * product.cycles(tile) + packing_cycles(w, packed))
}

/// The tile, where `conv_subgroup` does not cost less.
pub(super) fn tile(w: &Window, packed: bool) -> Option<LaneTile> {
    best(w, packed).map(|(_, tile)| tile)
}

/// Packs the weights of `task`; with `turned` those of a transposed convolution, weight[ci,co,k].
pub(super) fn packing(task: &ConvTask, turned: bool, tile: LaneTile, caps: &Capabilities) -> pack_rows::Packing {
    let w = &task.window;
    let (c_in, c_out, taps) = (w.c_in_per_group(), w.c_out_per_group(), w.kernel_len());
    let (row, column) = if turned { (taps, c_out * taps) } else { (c_in * taps, taps) };
    pack_rows::Packing {
        groups: w.groups,
        taps,
        flip: task.flip_kernel,
        rows: c_out,
        row_pitch: c_out.next_multiple_of(tile.rows as usize),
        columns: c_in,
        column_pitch: c_in.next_multiple_of(broadcast_step_for(c_in, caps) as usize),
        strides: [c_out * c_in * taps, 1, row, column],
    }
}

/// Over packed weights.
pub(super) fn dispatch(task: &ConvTask, tile: LaneTile, caps: &Capabilities) -> Dispatch {
    if conv_subgroup_wide_vec4::applies(task) {
        return conv_subgroup_wide_vec4::dispatch(task, tile, caps);
    }
    dispatch_by(&KERNEL, task, tile, None, caps)
}

/// By this kernel or its twin that reads vec4s and knows the padding.
pub(super) fn dispatch_by(
    kernel: &'static Kernel,
    task: &ConvTask,
    tile: LaneTile,
    padding: Option<u32>,
    caps: &Capabilities,
) -> Dispatch {
    let w = &task.window;
    let runs = w.output[0] * w.output[1] * runs_of_row(w);
    let tiles = w.groups * w.c_out_per_group().div_ceil(tile.rows as usize) * runs.div_ceil(tile.workgroup as usize);
    let mut constants = vec![
        tile.workgroup.into(),
        padding_code(task.padding_mode),
        broadcast_step_for(w.c_in_per_group(), caps).into(),
        tile.rows.into(),
        (w.kernel[2] as u32).into(),
        (w.stride[2] as u32).into(),
    ];
    constants.extend(padding.map(Constant::U32));
    Dispatch::new(kernel, constants, task.params(), task.operands(), (w.batch * tiles) as u64)
}
