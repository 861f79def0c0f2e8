// c[batch,group][i,j] = epilogue(sum_k a[group][i,k] * b[batch,group][k,j])
//
// One invocation computes 8 rows x 2 columns in registers; neighbours hold neighbouring columns, so a is uniform across
// a subgroup and b is read in runs. No barrier and no workgroup memory: the class for CPU adapters.
// Dispatch: batch * groups * ceil(m / 8) * ceil(n / (2 * WORKGROUP)) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const TILE_M: u32 = 8u;
const TILE_N: u32 = 2u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let n_column_tiles = (params.n + WORKGROUP * TILE_N - 1u) / (WORKGROUP * TILE_N);
    let n_row_tiles = (params.m + TILE_M - 1u) / TILE_M;
    var tile = linear_workgroup(workgroup, grid);
    let column_0 = tile % n_column_tiles * WORKGROUP * TILE_N + local_ix;
    let column_1 = column_0 + WORKGROUP;
    tile /= n_column_tiles;
    let row = tile % n_row_tiles * TILE_M;
    tile /= n_row_tiles;
    let group = tile % params.groups;
    let batch = tile / params.groups;
    if batch >= params.batch {
        return;
    }
    // Rows and columns beyond the edge repeat the last one; their sums are never stored.
    let n_rows = min(params.m - row, TILE_M);
    let last = n_rows - 1u;
    let a_start = group * params.a_group;
    let rows_low = a_start + (row + min(vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last))) * params.a_row;
    let rows_high = a_start + (row + min(vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(last))) * params.a_row;
    let b_start = params.b_base + batch * params.b_batch + group * params.b_group;
    var b_0 = b_start + min(column_0, params.n - 1u) * params.b_column;
    var b_1 = b_start + min(column_1, params.n - 1u) * params.b_column;

    var low_0 = vec4<f32>();
    var high_0 = vec4<f32>();
    var low_1 = vec4<f32>();
    var high_1 = vec4<f32>();
    var a_column = 0u;
    for (var k = 0u; k < params.k; k++) {
        let r = rows_low + a_column;
        let s = rows_high + a_column;
        let a_low = vec4<f32>(a[r.x], a[r.y], a[r.z], a[r.w]);
        let a_high = vec4<f32>(a[s.x], a[s.y], a[s.z], a[s.w]);
        let x_0 = b[b_0];
        let x_1 = b[b_1];
        low_0 += x_0 * a_low;
        high_0 += x_0 * a_high;
        low_1 += x_1 * a_low;
        high_1 += x_1 * a_high;
        a_column += params.a_column;
        b_0 += params.b_row;
        b_1 += params.b_row;
    }
    let co = group * params.m + row;
    if column_0 < params.n {
        write_tile(batch, co, n_rows, unravel(column_0, params.output_size), low_0, high_0);
    }
    if column_1 < params.n {
        write_tile(batch, co, n_rows, unravel(column_1, params.output_size), low_1, high_1);
    }
}
