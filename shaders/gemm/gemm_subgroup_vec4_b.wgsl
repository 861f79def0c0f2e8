// needs: gemm_params column_vec4s gemm_broadcast row_scalars
// c[batch,group][i,j] = epilogue(sum_k a[group][i,k] * b[batch,group][k,j])
//
// As `gemm_subgroup`, but b is read four columns at a time: a vec4 shares its address, its bounds check and its turn in the driver's
// loop over the lanes. For columns that are dense in rows that start at multiples of four elements.
// Dispatch: as `gemm_subgroup`.
// Prelude: as `gemm_subgroup`.

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;
