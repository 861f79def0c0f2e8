// needs: window_params cooperative_tile
// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// The matrix product of conv_implicit_gemm by cooperative matrices of 16 x 16, as the part cooperative_tile has it:
// f16 times f16 into f32, each factor two f16 with SPLIT, one without. An invocation stages four to sixteen channels
// of one column and of one row, and holds its share of the 2 x 4 matrices of its subgroup.
// Dispatch: groups * ceil(c_out_per_group / BLOCK_M) * ceil(batch * positions / BLOCK_N) workgroups, folded.
// Prelude: SUBGROUPS_M, SUBGROUPS_N, SUBGROUP_SIZE, SPLIT, PADDING_MODE, FLIP_KERNEL.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

alias MatrixA = coop_mat16x16<f16, A>;
alias MatrixB = coop_mat16x16<f16, B>;
alias MatrixC = coop_mat16x16<f32, C>;
const SIDE: u32 = 16u;
