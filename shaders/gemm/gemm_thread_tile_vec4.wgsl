// needs: gemm_params grid write_output
// c[batch,group][i,j] = epilogue(sum_k a[group][i,k] * b[batch,group][k,j])
//
// One invocation computes 8 rows x 4 columns in registers. a is read four k at a time, b four columns at a time: twelve
// loads of a vec4 feed 128 multiply-adds. No barrier and no workgroup memory: the class for CPU adapters, whose loads
// cost the same for one scalar as for four.
// Dispatch: batch * groups * ceil(m / 8) * ceil(n / (4 * WORKGROUP)) workgroups, folded.
// Prelude: WORKGROUP, SPLIT_K.

@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const TILE_M: u32 = 8u;

// Four k of one row against four columns.
fn multiply(row: vec4<f32>, b_0: vec4<f32>, b_1: vec4<f32>, b_2: vec4<f32>, b_3: vec4<f32>) -> vec4<f32> {
    return row.x * b_0 + row.y * b_1 + row.z * b_2 + row.w * b_3;
}

fn write_row(batch: u32, co: u32, column: u32, sum: vec4<f32>) {
    write_output(batch, co, unravel(column, params.output_size), sum.x);
    if column + 1u < params.n { write_output(batch, co, unravel(column + 1u, params.output_size), sum.y); }
    if column + 2u < params.n { write_output(batch, co, unravel(column + 2u, params.output_size), sum.z); }
    if column + 3u < params.n { write_output(batch, co, unravel(column + 3u, params.output_size), sum.w); }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let n_quads = (params.n + 3u) / 4u;
    let n_column_tiles = (n_quads + WORKGROUP - 1u) / WORKGROUP;
    let n_row_tiles = (params.m + TILE_M - 1u) / TILE_M;
    var tile = linear_workgroup(workgroup, grid);
    let quad = tile % n_column_tiles * WORKGROUP + local_ix;
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
    let a_row = params.a_row / 4u;
    // A slice of the sum has its place in the grid instead of an image.
    let k_first = select(0u, batch * params.slice, SPLIT_K);
    let k_end = select(params.k, min(k_first + params.slice, params.k), SPLIT_K);
    let a_start = (params.a_base + batch * params.a_batch + group * params.a_group) / 4u + row * a_row;
    let rows_low = a_start + min(vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last)) * a_row;
    let rows_high = a_start + min(vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(last)) * a_row;
    let b_row = params.b_row / 4u;
    let b_start = (params.b_base + batch * params.b_batch + group * params.b_group) / 4u + min(quad, n_quads - 1u);

    var sum_0 = vec4<f32>();
    var sum_1 = vec4<f32>();
    var sum_2 = vec4<f32>();
    var sum_3 = vec4<f32>();
    var sum_4 = vec4<f32>();
    var sum_5 = vec4<f32>();
    var sum_6 = vec4<f32>();
    var sum_7 = vec4<f32>();
    var k = k_first;
    while k < k_end {
        var run_end = k_end;
        var a_low = rows_low;
        var a_high = rows_high;
        var b_ix = b_start;
        if SPLIT_K {
            // Runs and slices are multiples of four.
            let run = k / params.run;
            run_end = min((run + 1u) * params.run, k_end);
            let a_place = (run * params.a_run + k % params.run) / 4u;
            a_low += a_place;
            a_high += a_place;
            b_ix += run * params.b_run / 4u + k % params.run * b_row;
        }
        for (; k < run_end; k += 4u) {
            let b_0 = load_b(b_ix);
            let b_1 = load_b(b_ix + b_row);
            let b_2 = load_b(b_ix + 2u * b_row);
            let b_3 = load_b(b_ix + 3u * b_row);
            sum_0 += multiply(load_a(a_low.x), b_0, b_1, b_2, b_3);
            sum_1 += multiply(load_a(a_low.y), b_0, b_1, b_2, b_3);
            sum_2 += multiply(load_a(a_low.z), b_0, b_1, b_2, b_3);
            sum_3 += multiply(load_a(a_low.w), b_0, b_1, b_2, b_3);
            sum_4 += multiply(load_a(a_high.x), b_0, b_1, b_2, b_3);
            sum_5 += multiply(load_a(a_high.y), b_0, b_1, b_2, b_3);
            sum_6 += multiply(load_a(a_high.z), b_0, b_1, b_2, b_3);
            sum_7 += multiply(load_a(a_high.w), b_0, b_1, b_2, b_3);
            a_low += 1u;
            a_high += 1u;
            b_ix += 4u * b_row;
        }
    }
    let column = 4u * quad;
    if column >= params.n {
        return;
    }
    let co = group * params.m + row;
    write_row(batch, co, column, sum_0);
    if n_rows > 1u { write_row(batch, co + 1u, column, sum_1); }
    if n_rows > 2u { write_row(batch, co + 2u, column, sum_2); }
    if n_rows > 3u { write_row(batch, co + 3u, column, sum_3); }
    if n_rows > 4u { write_row(batch, co + 4u, column, sum_4); }
    if n_rows > 5u { write_row(batch, co + 5u, column, sum_5); }
    if n_rows > 6u { write_row(batch, co + 6u, column, sum_6); }
    if n_rows > 7u { write_row(batch, co + 7u, column, sum_7); }
}
