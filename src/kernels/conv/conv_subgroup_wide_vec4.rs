//! Catalog entry of `shaders/conv/conv_subgroup_wide_vec4.wgsl`, which `conv_subgroup_wide` launches where it applies.

use crate::kernels::conv_subgroup_wide::Part;
use crate::kernels::task::ConvTask;
use crate::problem::PaddingMode;
use crate::program::loops::nest;

kernel!(
    conv_subgroup_wide_vec4, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: [
        "WORKGROUP", "PADDING_MODE", "STEP", "TILE_CO", "KERNEL_W", "STRIDE_W", "PHASED", "PHASE_W", "PAD_W"
    ],
    precondition: "as conv_subgroup_wide; rows of the input start at multiples of four elements and are as long, zero padding",
    loops: |l| {
        let step = l.constant("STEP");
        nest(&[l.kd, l.kh, l.kw, l.c_in.div_ceil(step)]) + nest(&[l.kd, l.kh, l.c_in.div_ceil(step), l.kw])
    },
);

pub(crate) fn applies(task: &ConvTask, part: &Part) -> bool {
    let w = &task.window;
    task.padding_mode == PaddingMode::Zeros && part.fits_vec4(w) && task.input.is_vec4_aligned(w.input[2])
}
