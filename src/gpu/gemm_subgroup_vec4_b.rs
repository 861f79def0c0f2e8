//! Launcher of `shaders/gemm_subgroup_vec4_b.wgsl`.

use super::catalog::kernel;

kernel!(
    "gemm_subgroup_vec4_b", Gemm,
    parts: [VIEW, GEMM_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT, OUTER, WRITE_COLUMN, ROW_SCALARS, COLUMN_VEC4S, GEMM_BROADCAST],
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "SLICED", "STEP", "TILE_M", "WIDE"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more; rows of b start at multiples of four elements, columns are dense",
);
