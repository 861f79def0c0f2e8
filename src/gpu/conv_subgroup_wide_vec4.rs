//! Catalog entry of `shaders/conv_subgroup_wide_vec4.wgsl`, which `conv_subgroup_wide` launches where it applies.

use super::catalog::kernel;
use super::conv_subgroup_wide::Part;
use super::program::ConvTask;
use crate::problem::PaddingMode;

kernel!(
    "conv_subgroup_wide_vec4", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, OUTER, WRITE_COLUMN, ROW_QUADS, PHASE_FRAME, WIDE_TAPS],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: [
        "WORKGROUP", "PADDING_MODE", "STEP", "TILE_CO", "KERNEL_W", "STRIDE_W", "PHASED", "PHASE_W", "PAD_W"
    ],
    precondition: "as conv_subgroup_wide; rows of the input start at multiples of four elements and are as long, zero padding",
);

pub(super) fn applies(task: &ConvTask, part: &Part) -> bool {
    let w = &task.window;
    task.padding_mode == PaddingMode::Zeros && part.fits_quads(w) && task.input.has_quads(w.input[2])
}
