// c[batch,group][i,j] = epilogue(sum_k a[group][i,k] * b[batch,group][k,j])
//
// As `gemm_subgroup`, but the 4 columns of an invocation are neighbours, and b is read four columns at a time: a vec4 shares
// its address and its bounds check. For columns that are dense in rows that start at multiples of four elements.
// Dispatch: batch * groups * ceil(m / TILE_M) * ceil(n / (4 * WORKGROUP)) workgroups, folded.
// Prelude: WORKGROUP, SLICED, STEP (4 or 8, no more than a subgroup has lanes), TILE_M (multiple of 4 up to 32).

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// Which vec4 of b.
alias Place = u32;

fn column_ix(tile: u32, local_ix: u32, i: u32) -> u32 {
    return 4u * (tile * WORKGROUP + local_ix) + i;
}

// Columns beyond the edge repeat the last ones.
fn place_columns(start: u32, tile: u32, local_ix: u32) -> Place {
    return start / 4u + min(tile * WORKGROUP + local_ix, (params.n - 1u) / 4u);
}

fn advance(at: Place, distance: u32) -> Place {
    return at + distance / 4u;
}

fn load_columns(at: Place) -> vec4<f32> {
    return load_b(at);
}
