//! The entry of `shaders/gemm/gemm_vec4_rows.wgsl`, which `gemm_vec4` launches.

use crate::program::loops::nest;

kernel!(
    gemm_vec4_rows, Gemm,
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: [
        "ROW_THREADS", "COLUMN_THREADS", "ROW_VEC4S", "COLUMN_VEC4S", "BLOCK_K", "MERGED", "SPLIT_K",
        "WHOLE_K"
    ],
    precondition: "as gemm_vec4, and rows of the result that start at multiples of four and lie without gaps",
    loops: |l| nest(&[l.k.div_ceil(l.constant("BLOCK_K"))]) + 4 * nest(&[4]),
);
