// c[batch,group][i,j] = epilogue(sum_k a[group][i,k] * b[batch,group][k,j])
//
// One invocation computes 12 rows x 4 columns in registers; b is read four columns at a time. Each lane of a subgroup loads
// the elements of a of another k, STEP at once, and broadcasts hand them around: STEP vec4s of b and 12 elements of a feed
// 48 * STEP multiply-adds. No barrier and no workgroup memory: the class for CPU adapters, where every load of a lane
// costs a load of its own.
// Dispatch: batch * groups * ceil(m / 12) * ceil(n / (4 * WORKGROUP)) workgroups, folded.
// Prelude: WORKGROUP, SLICED, STEP (4 or 8, no more than a subgroup has lanes).

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const TILE_M: u32 = 12u;

fn load_rows(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(a[at.x], a[at.y], a[at.z], a[at.w]);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let n_quads = (params.n + 3u) / 4u;
    let n_column_tiles = (n_quads + WORKGROUP - 1u) / WORKGROUP;
    let n_row_tiles = (params.m + TILE_M - 1u) / TILE_M;
    // Uniform per workgroup: no lane leaves before the broadcasts.
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
    let last = vec4<u32>(n_rows - 1u);
    // A slice of the sum has its place in the grid instead of an image.
    let k_first = select(0u, batch * params.slice, SLICED);
    let k_end = select(params.k, min(k_first + params.slice, params.k), SLICED);
    let a_start = params.a_base + group * params.a_group + row * params.a_row;
    let rows_low = a_start + min(vec4<u32>(0u, 1u, 2u, 3u), last) * params.a_row;
    let rows_mid = a_start + min(vec4<u32>(4u, 5u, 6u, 7u), last) * params.a_row;
    let rows_high = a_start + min(vec4<u32>(8u, 9u, 10u, 11u), last) * params.a_row;
    // The k of a chunk whose elements of a this lane loads.
    let lane = subgroup_lane % STEP * params.a_column;
    let b_row = params.b_row / 4u;
    let b_start = (params.b_base + batch * params.b_batch + group * params.b_group) / 4u + min(quad, n_quads - 1u);

    var low = mat4x4<f32>();
    var mid = mat4x4<f32>();
    var high = mat4x4<f32>();
    var k = k_first;
    while k < k_end {
        var run_end = k_end;
        var a_ix = 0u;
        var b_ix = b_start;
        if SLICED {
            let run = k / params.run;
            run_end = min((run + 1u) * params.run, k_end);
            a_ix = run * params.a_run + k % params.run * params.a_column;
            b_ix += run * (params.b_run / 4u) + k % params.run * b_row;
        }
        for (; k + STEP <= run_end; k += STEP) {
            let a_low = load_rows(rows_low + (a_ix + lane));
            let a_mid = load_rows(rows_mid + (a_ix + lane));
            let a_high = load_rows(rows_high + (a_ix + lane));
            let b_0 = b[b_ix];
            low = outer_add(low, b_0, subgroupBroadcast(a_low, 0u));
            mid = outer_add(mid, b_0, subgroupBroadcast(a_mid, 0u));
            high = outer_add(high, b_0, subgroupBroadcast(a_high, 0u));
            let b_1 = b[b_ix + b_row];
            low = outer_add(low, b_1, subgroupBroadcast(a_low, 1u));
            mid = outer_add(mid, b_1, subgroupBroadcast(a_mid, 1u));
            high = outer_add(high, b_1, subgroupBroadcast(a_high, 1u));
            let b_2 = b[b_ix + 2u * b_row];
            low = outer_add(low, b_2, subgroupBroadcast(a_low, 2u));
            mid = outer_add(mid, b_2, subgroupBroadcast(a_mid, 2u));
            high = outer_add(high, b_2, subgroupBroadcast(a_high, 2u));
            let b_3 = b[b_ix + 3u * b_row];
            low = outer_add(low, b_3, subgroupBroadcast(a_low, 3u));
            mid = outer_add(mid, b_3, subgroupBroadcast(a_mid, 3u));
            high = outer_add(high, b_3, subgroupBroadcast(a_high, 3u));
            if STEP > 4u {
                let b_4 = b[b_ix + 4u * b_row];
                low = outer_add(low, b_4, subgroupBroadcast(a_low, 4u));
                mid = outer_add(mid, b_4, subgroupBroadcast(a_mid, 4u));
                high = outer_add(high, b_4, subgroupBroadcast(a_high, 4u));
                let b_5 = b[b_ix + 5u * b_row];
                low = outer_add(low, b_5, subgroupBroadcast(a_low, 5u));
                mid = outer_add(mid, b_5, subgroupBroadcast(a_mid, 5u));
                high = outer_add(high, b_5, subgroupBroadcast(a_high, 5u));
                let b_6 = b[b_ix + 6u * b_row];
                low = outer_add(low, b_6, subgroupBroadcast(a_low, 6u));
                mid = outer_add(mid, b_6, subgroupBroadcast(a_mid, 6u));
                high = outer_add(high, b_6, subgroupBroadcast(a_high, 6u));
                let b_7 = b[b_ix + 7u * b_row];
                low = outer_add(low, b_7, subgroupBroadcast(a_low, 7u));
                mid = outer_add(mid, b_7, subgroupBroadcast(a_mid, 7u));
                high = outer_add(high, b_7, subgroupBroadcast(a_high, 7u));
            }
            a_ix += STEP * params.a_column;
            b_ix += STEP * b_row;
        }
        for (; k < run_end; k++) {
            let b_k = b[b_ix];
            low = outer_add(low, b_k, load_rows(rows_low + a_ix));
            mid = outer_add(mid, b_k, load_rows(rows_mid + a_ix));
            high = outer_add(high, b_k, load_rows(rows_high + a_ix));
            a_ix += params.a_column;
            b_ix += b_row;
        }
    }
    let co = group * params.m + row;
    for (var i = 0u; i < 4u; i++) {
        let column = 4u * quad + i;
        if column >= params.n {
            break;
        }
        let p = unravel(column, params.output_size);
        write_tile(batch, co, min(n_rows, 8u), p, tile_column(low, i), tile_column(mid, i));
        if n_rows > 8u {
            let rows = tile_column(high, i);
            write_tile(batch, co + 8u, n_rows - 8u, p, rows, rows);
        }
    }
}
