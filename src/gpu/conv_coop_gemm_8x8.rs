//! Catalog entry of `shaders/conv_coop_gemm_8x8.wgsl`, which `conv_coop_gemm` launches.

use super::catalog::kernel;

kernel!(
    "conv_coop_gemm_8x8", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, HALVES, COOPERATIVE_TILE],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["SUBGROUPS_M", "SUBGROUPS_N", "SUBGROUP_SIZE", "SPLIT", "PADDING_MODE", "FLIP_KERNEL"],
    precondition: "cooperative matrices of 8 x 8, f16 into f32; subgroups of one size; up to 32 KiB of workgroup memory",
);
