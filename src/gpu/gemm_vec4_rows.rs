//! The entry of `shaders/gemm_vec4_rows.wgsl`, which `gemm_vec4` launches.

use super::catalog::kernel;

kernel!(
    "gemm_vec4_rows", Gemm,
    parts: [VIEW, GEMM_PARAMS, GRID, ACTIVATION, WRITE_ROW, PANEL_TILE, VEC4_MATRICES],
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: [
        "ROW_THREADS", "COLUMN_THREADS", "ROW_VEC4S", "COLUMN_VEC4S", "BLOCK_K", "MERGED", "SPLIT_K",
        "WHOLE_K"
    ],
    precondition: "as gemm_vec4, and rows of the result that start at multiples of four and lie without gaps",
);
