// needs: gemm_params column_scalars gemm_broadcast row_vec4s
// c[batch,group][i,j] = epilogue(sum_k a[group][i,k] * b[batch,group][k,j])
//
// As `gemm_subgroup`, but a is read four rows at a time: for rows that are neighbours in columns that start at multiples of four
// elements, as packed weights are.
// Dispatch: as `gemm_subgroup`.
// Prelude: as `gemm_subgroup`.

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;
