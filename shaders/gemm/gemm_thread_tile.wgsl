// needs: gemm_params grid write_tile
// c[batch,group][i,j] = epilogue(sum_k a[group][i,k] * b[batch,group][k,j])
//
// One invocation computes 8 rows x 2 columns in registers; neighbours hold neighbouring columns, so a is uniform across
// a subgroup and b is read in runs. No barrier and no workgroup memory: the class for CPU adapters.
// Dispatch: batch * groups * ceil(m / 8) * ceil(n / (2 * WORKGROUP)) workgroups, folded.
// Prelude: WORKGROUP, SPLIT_K.

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
    // A slice of the sum has its place in the grid instead of an image.
    let k_first = select(0u, batch * params.slice, SPLIT_K);
    let k_end = select(params.k, min(k_first + params.slice, params.k), SPLIT_K);
    let a_start = params.a_base + batch * params.a_batch + group * params.a_group;
    let rows_low = a_start + (row + min(vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last))) * params.a_row;
    let rows_high = a_start + (row + min(vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(last))) * params.a_row;
    let b_start = params.b_base + batch * params.b_batch + group * params.b_group;
    let b_start_0 = b_start + min(column_0, params.n - 1u) * params.b_column;
    let b_start_1 = b_start + min(column_1, params.n - 1u) * params.b_column;

    var low_0 = vec4<f32>();
    var high_0 = vec4<f32>();
    var low_1 = vec4<f32>();
    var high_1 = vec4<f32>();
    var k = k_first;
    while k < k_end {
        var run_end = k_end;
        var a_place = 0u;
        var b_place = 0u;
        if SPLIT_K {
            let run = k / params.run;
            run_end = min((run + 1u) * params.run, k_end);
            a_place = run * params.a_run + k % params.run * params.a_column;
            b_place = run * params.b_run + k % params.run * params.b_row;
        }
        for (; k < run_end; k++) {
            let r = rows_low + a_place;
            let s = rows_high + a_place;
            let a_low = vec4<f32>(load_a(r.x), load_a(r.y), load_a(r.z), load_a(r.w));
            let a_high = vec4<f32>(load_a(s.x), load_a(s.y), load_a(s.z), load_a(s.w));
            let x_0 = load_b(b_start_0 + b_place);
            let x_1 = load_b(b_start_1 + b_place);
            low_0 += x_0 * a_low;
            high_0 += x_0 * a_high;
            low_1 += x_1 * a_low;
            high_1 += x_1 * a_high;
            a_place += params.a_column;
            b_place += params.b_row;
        }
    }
    let co = group * params.m + row;
    if column_0 < params.n {
        write_tile(batch, co, n_rows, unravel(column_0, params.output_size), low_0, high_0);
    }
    if column_1 < params.n {
        write_tile(batch, co, n_rows, unravel(column_1, params.output_size), low_1, high_1);
    }
}
