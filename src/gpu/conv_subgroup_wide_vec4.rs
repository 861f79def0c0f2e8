//! Launcher of `shaders/conv_subgroup_wide_vec4.wgsl`.

use super::catalog::kernel;
use super::conv_subgroup_wide;
use super::lanes::LaneTile;
use super::program::{ConvTask, Dispatch};
use crate::capabilities::Capabilities;
use crate::geometry::Window;
use crate::problem::PaddingMode;

kernel!(
    "conv_subgroup_wide_vec4", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, OUTER, WRITE_COLUMN, ROW_QUADS, WIDE_TAPS],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "STEP", "TILE_CO", "KERNEL_W", "STRIDE_W", "PAD_W"],
    precondition: "as conv_subgroup_wide; rows of the input start at multiples of four elements and are as long, zero padding",
);

/// Elements that windows see at most beside the vec4s in the middle, on each side, as in the shader.
const MOST_BESIDE: usize = 4;

/// Whether the windows of a row see whole vec4s and few elements beside them.
pub(super) fn fits(w: &Window) -> bool {
    let pad = w.pad_begin[2];
    w.input[2].is_multiple_of(4)
        && w.dilation[2] == 1
        && pad <= MOST_BESIDE
        && w.kernel[2] <= w.stride[2] + pad + MOST_BESIDE
}

pub(super) fn applies(task: &ConvTask) -> bool {
    let w = &task.window;
    task.padding_mode == PaddingMode::Zeros && fits(w) && task.input.has_quads(w.input[2])
}

pub(super) fn dispatch(task: &ConvTask, tile: LaneTile, caps: &Capabilities) -> Dispatch {
    let padding = Some(task.window.pad_begin[2] as u32);
    conv_subgroup_wide::dispatch_by(&KERNEL, task, tile, padding, caps)
}
