// needs: gemm_params column_scalars gemm_broadcast row_scalars
// c[batch,group][i,j] = epilogue(sum_k a[group][i,k] * b[batch,group][k,j])
//
// One invocation computes TILE_M rows x 4 columns, or 8 where it is WIDE. Each lane of a subgroup loads the elements of a of
// another k, STEP at once, and broadcasts hand them around, as in `conv_subgroup`: 4 * STEP elements of b and TILE_M of a
// feed 4 * STEP * TILE_M multiply-adds. No barrier and no workgroup memory: the class for CPU adapters, where every load of
// a lane costs a load of its own. Any strides of a and b.
// Dispatch: batch * groups * ceil(m / TILE_M) * ceil(n / (4 or 8 * WORKGROUP)) workgroups, folded.
// Prelude: WORKGROUP, SPLIT_K, STEP (4 or 8, no more than a subgroup has lanes), TILE_M (multiple of 4 up to 32), WIDE.

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;
