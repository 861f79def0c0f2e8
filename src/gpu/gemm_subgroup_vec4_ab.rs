//! Launcher of `shaders/gemm_subgroup_vec4_ab.wgsl`.

use super::catalog::kernel;

kernel!(
    "gemm_subgroup_vec4_ab", Gemm,
    parts: [VIEW, GEMM_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT, OUTER, WRITE_COLUMN, ROW_VEC4S, COLUMN_VEC4S, GEMM_BROADCAST],
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "SLICED", "STEP", "TILE_M", "WIDE"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more; columns of a start at multiples of four elements, rows are dense; likewise the other way round in b",
);
