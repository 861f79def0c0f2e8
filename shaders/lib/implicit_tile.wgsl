// Tiles of a matrix product whose panels are gathered as they are staged. A workgroup of THREADS x THREADS invocations
// computes a BLOCK x BLOCK tile, BLOCK = 8 * THREADS. An invocation keeps four columns and the place in the sum that it stages, and
// steps the latter like a clock, without a division. It loads its part of the next panels before it computes with the
// staged ones, and sums an 8 x 8 tile in registers.
//
// A staged vec4 holds rows (columns) QUARTER apart, so that neighbouring invocations store whole vec4s and hold neighbouring
// columns of the result. They stage neighbouring columns of a panel, or with K_FASTEST neighbours of the sum, whichever lie
// together in memory.
//
// Wants THREADS and BLOCK_K in the prelude, and of the kernel: K_FASTEST; `tile_at`, the tile of a workgroup; `Column` and
// `column_at`, what is kept of a column; `fetch_columns` and `fetch_rows`, four elements of a panel; `write_column`.

const BLOCK: u32 = 8u * THREADS;
const QUARTER: u32 = 2u * THREADS;
const N_INVOCATIONS: u32 = THREADS * THREADS;
// In vec4s; the odd one keeps the invocations that stage a column of the rows' panel in different banks.
const PITCH: u32 = QUARTER + 1u;
// Invocations that stage one row of the columns' panel, and the rows staged at once.
const ROWS_AT_ONCE: u32 = N_INVOCATIONS / QUARTER;
const_assert 32u * BLOCK_K * PITCH <= 16384u;
const_assert BLOCK_K == ROWS_AT_ONCE || BLOCK_K == 2u * ROWS_AT_ONCE;
const_assert N_INVOCATIONS % BLOCK_K == 0u;

var<workgroup> sh_rows: array<vec4<f32>, BLOCK_K * PITCH>;
var<workgroup> sh_columns: array<vec4<f32>, BLOCK_K * PITCH>;

struct Tile {
    exists: bool,
    row: u32,
    column: u32,
    group: u32,
    // What else a workgroup stays in: a phase, a slice of the sum.
    part: vec3<u32>,
    // The taps of a phase: the first ones and their distance.
    first: vec3<u32>,
    step: vec3<u32>,
    // The sum that it takes, and how its places are counted: all but the outermost extent.
    k_begin: u32,
    k_end: u32,
    extents: vec3<u32>,
}

// A place in the sum: k = ((outer * extents.x + inner.x) * extents.y + inner.y) * extents.z + inner.z.
struct Place {
    outer: u32,
    inner: vec3<u32>,
}

fn place_of(k: u32, extents: vec3<u32>) -> Place {
    let n = extents.x * extents.y * extents.z;
    return Place(k / n, unravel(k % n, extents));
}

// The place `step` further, where the two differ by as much as place_of(0) and `step`: every digit carries once at most.
fn advance(place: Place, step: Place, extents: vec3<u32>) -> Place {
    var inner = place.inner + step.inner;
    var outer = place.outer + step.outer;
    if inner.z >= extents.z {
        inner.z -= extents.z;
        inner.y++;
    }
    if inner.y >= extents.y {
        inner.y -= extents.y;
        inner.x++;
    }
    if inner.x >= extents.x {
        inner.x -= extents.x;
        outer++;
    }
    return Place(outer, inner);
}

@compute @workgroup_size(N_INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    // Uniform per workgroup, so the barriers below are reached by all or none.
    let tile = tile_at(linear_workgroup(workgroup, grid));
    if !tile.exists {
        return;
    }

    // What this invocation stages: one k of the rows and one of the columns, or two.
    let row_k = local_ix % BLOCK_K;
    let row_lane = local_ix / BLOCK_K;
    let row = tile.row + row_lane;
    let column_k = select(local_ix / QUARTER, local_ix % ROWS_AT_ONCE, K_FASTEST);
    let column_lane = select(local_ix % QUARTER, local_ix / ROWS_AT_ONCE, K_FASTEST);
    let c_0 = column_at(tile, tile.column + column_lane);
    let c_1 = column_at(tile, tile.column + column_lane + QUARTER);
    let c_2 = column_at(tile, tile.column + column_lane + 2u * QUARTER);
    let c_3 = column_at(tile, tile.column + column_lane + 3u * QUARTER);

    let thread_row = local_ix / THREADS;
    let thread_column = local_ix % THREADS;
    var sum_0_low = vec4<f32>();
    var sum_0_high = vec4<f32>();
    var sum_1_low = vec4<f32>();
    var sum_1_high = vec4<f32>();
    var sum_2_low = vec4<f32>();
    var sum_2_high = vec4<f32>();
    var sum_3_low = vec4<f32>();
    var sum_3_high = vec4<f32>();
    var sum_4_low = vec4<f32>();
    var sum_4_high = vec4<f32>();
    var sum_5_low = vec4<f32>();
    var sum_5_high = vec4<f32>();
    var sum_6_low = vec4<f32>();
    var sum_6_high = vec4<f32>();
    var sum_7_low = vec4<f32>();
    var sum_7_high = vec4<f32>();
    let panel = place_of(BLOCK_K, tile.extents);
    var k = tile.k_begin;
    var row_place = place_of(k + row_k, tile.extents);
    var place = place_of(k + column_k, tile.extents);
    var more_place = place_of(k + column_k + ROWS_AT_ONCE, tile.extents);
    var next_rows = fetch_rows(tile, k + row_k, row_place, row);
    var next_columns = fetch_columns(tile, k + column_k, place, c_0, c_1, c_2, c_3);
    var more_rows = vec4<f32>();
    var more_columns = vec4<f32>();
    if BLOCK_K > ROWS_AT_ONCE {
        more_rows = fetch_rows(tile, k + row_k, row_place, row + THREADS);
        more_columns = fetch_columns(tile, k + column_k + ROWS_AT_ONCE, more_place, c_0, c_1, c_2, c_3);
    }
    while k < tile.k_end {
        sh_rows[row_k * PITCH + row_lane] = next_rows;
        sh_columns[column_k * PITCH + column_lane] = next_columns;
        if BLOCK_K > ROWS_AT_ONCE {
            sh_rows[row_k * PITCH + row_lane + THREADS] = more_rows;
            sh_columns[(column_k + ROWS_AT_ONCE) * PITCH + column_lane] = more_columns;
        }
        workgroupBarrier();
        // Beyond the last panel these are zero and not loaded.
        k += BLOCK_K;
        row_place = advance(row_place, panel, tile.extents);
        next_rows = fetch_rows(tile, k + row_k, row_place, row);
        place = advance(place, panel, tile.extents);
        next_columns = fetch_columns(tile, k + column_k, place, c_0, c_1, c_2, c_3);
        if BLOCK_K > ROWS_AT_ONCE {
            more_rows = fetch_rows(tile, k + row_k, row_place, row + THREADS);
            more_place = advance(more_place, panel, tile.extents);
            more_columns = fetch_columns(tile, k + column_k + ROWS_AT_ONCE, more_place, c_0, c_1, c_2, c_3);
        }
        for (var i = 0u; i < BLOCK_K; i++) {
            let a_low = sh_rows[i * PITCH + thread_row];
            let a_high = sh_rows[i * PITCH + thread_row + THREADS];
            let b_low = sh_columns[i * PITCH + thread_column];
            let b_high = sh_columns[i * PITCH + thread_column + THREADS];
            sum_0_low += a_low.x * b_low;
            sum_0_high += a_low.x * b_high;
            sum_1_low += a_low.y * b_low;
            sum_1_high += a_low.y * b_high;
            sum_2_low += a_low.z * b_low;
            sum_2_high += a_low.z * b_high;
            sum_3_low += a_low.w * b_low;
            sum_3_high += a_low.w * b_high;
            sum_4_low += a_high.x * b_low;
            sum_4_high += a_high.x * b_high;
            sum_5_low += a_high.y * b_low;
            sum_5_high += a_high.y * b_high;
            sum_6_low += a_high.z * b_low;
            sum_6_high += a_high.z * b_high;
            sum_7_low += a_high.w * b_low;
            sum_7_high += a_high.w * b_high;
        }
        workgroupBarrier();
    }

    let first_row = tile.row + thread_row;
    let low = transpose(mat4x4<f32>(sum_0_low, sum_1_low, sum_2_low, sum_3_low));
    let high = transpose(mat4x4<f32>(sum_4_low, sum_5_low, sum_6_low, sum_7_low));
    let far_low = transpose(mat4x4<f32>(sum_0_high, sum_1_high, sum_2_high, sum_3_high));
    let far_high = transpose(mat4x4<f32>(sum_4_high, sum_5_high, sum_6_high, sum_7_high));
    let column = tile.column + thread_column;
    write_column(tile, first_row, column, low[0], high[0]);
    write_column(tile, first_row, column + QUARTER, low[1], high[1]);
    write_column(tile, first_row, column + 2u * QUARTER, low[2], high[2]);
    write_column(tile, first_row, column + 3u * QUARTER, low[3], high[3]);
    write_column(tile, first_row, column + THREADS, far_low[0], far_high[0]);
    write_column(tile, first_row, column + QUARTER + THREADS, far_low[1], far_high[1]);
    write_column(tile, first_row, column + 2u * QUARTER + THREADS, far_low[2], far_high[2]);
    write_column(tile, first_row, column + 3u * QUARTER + THREADS, far_low[3], far_high[3]);
}
