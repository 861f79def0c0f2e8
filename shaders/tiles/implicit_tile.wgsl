// needs: grid tile_shape
// Tiles of a matrix product whose panels are gathered as they are staged. A workgroup of ROW_THREADS x COLUMN_THREADS
// invocations computes a BLOCK_ROWS x BLOCK_COLUMNS tile, eight times as many each way. An invocation keeps four columns and
// the place in the sum that it stages, and steps the latter like a clock, without a division. It loads its part of the next
// panels before it computes with the staged ones, and sums an 8 x 8 tile in registers.
//
// A staged vec4 holds rows (columns) a quarter of the tile apart, so that neighbouring invocations store whole vec4s and hold
// neighbouring columns of the result. They stage neighbouring columns of a panel, or with K_FASTEST neighbours of the sum,
// whichever lie together in memory.
//
// What a kernel loads it loads without a branch, from element 0 where there is nothing: so that nothing keeps a compiler from
// having all loads of a panel on their way together.
//
// Wants the prelude of tile_shape, and of the kernel: K_FASTEST; `tile_at`, the tile of a
// workgroup; `Column` and `column_at`, what is kept of a column; `fetch_columns` and `fetch_rows`, four elements of a panel, zero
// beyond the sum; `write_column`. What is fetched for rows beyond the last does not matter, it is never written.

// In vec4s; the odd one keeps the invocations that stage neighbours of the sum in different banks.
const ROW_PITCH: u32 = ROW_QUARTER + 1u;
const COLUMN_PITCH: u32 = COLUMN_QUARTER + 1u;
// Invocations that stage one element of the sum of every row, and elements of every column staged at once.
const ROWS_AT_ONCE: u32 = N_INVOCATIONS / BLOCK_K;
const COLUMN_KS_AT_ONCE: u32 = N_INVOCATIONS / COLUMN_QUARTER;
const_assert 16u * BLOCK_K * (ROW_PITCH + COLUMN_PITCH) <= 16384u;
const_assert ROWS_AT_ONCE == ROW_QUARTER || 2u * ROWS_AT_ONCE == ROW_QUARTER;
const_assert BLOCK_K == COLUMN_KS_AT_ONCE || BLOCK_K == 2u * COLUMN_KS_AT_ONCE;
const_assert N_INVOCATIONS % BLOCK_K == 0u;

var<workgroup> sh_rows: array<vec4<f32>, BLOCK_K * ROW_PITCH>;
var<workgroup> sh_columns: array<vec4<f32>, BLOCK_K * COLUMN_PITCH>;

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

// Four rows a quarter of the tile apart; in place of those beyond the last of `n_rows`, the last.
fn rows_at(row: u32, n_rows: u32) -> vec4<u32> {
    return min(row + vec4<u32>(0u, ROW_QUARTER, 2u * ROW_QUARTER, 3u * ROW_QUARTER), vec4<u32>(n_rows - 1u));
}

// With product `k` of the staged panels.
fn multiply_add(sums: Sums, thread: Thread, k: u32) -> Sums {
    let a_low = sh_rows[k * ROW_PITCH + thread.row];
    let a_high = sh_rows[k * ROW_PITCH + thread.row + ROW_THREADS];
    let b_low = sh_columns[k * COLUMN_PITCH + thread.column];
    let b_high = sh_columns[k * COLUMN_PITCH + thread.column + COLUMN_THREADS];
    var next = sums;
    next.row_0_low += a_low.x * b_low;
    next.row_0_high += a_low.x * b_high;
    next.row_1_low += a_low.y * b_low;
    next.row_1_high += a_low.y * b_high;
    next.row_2_low += a_low.z * b_low;
    next.row_2_high += a_low.z * b_high;
    next.row_3_low += a_low.w * b_low;
    next.row_3_high += a_low.w * b_high;
    next.row_4_low += a_high.x * b_low;
    next.row_4_high += a_high.x * b_high;
    next.row_5_low += a_high.y * b_low;
    next.row_5_high += a_high.y * b_high;
    next.row_6_low += a_high.z * b_low;
    next.row_6_high += a_high.z * b_high;
    next.row_7_low += a_high.w * b_low;
    next.row_7_high += a_high.w * b_high;
    return next;
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
    let column_k = select(local_ix / COLUMN_QUARTER, local_ix % COLUMN_KS_AT_ONCE, K_FASTEST);
    let column_lane = select(local_ix % COLUMN_QUARTER, local_ix / COLUMN_KS_AT_ONCE, K_FASTEST);
    let c_0 = column_at(tile, tile.column + column_lane);
    let c_1 = column_at(tile, tile.column + column_lane + COLUMN_QUARTER);
    let c_2 = column_at(tile, tile.column + column_lane + 2u * COLUMN_QUARTER);
    let c_3 = column_at(tile, tile.column + column_lane + 3u * COLUMN_QUARTER);

    let thread = thread_place(local_ix);
    var sums = Sums();
    let panel = place_of(BLOCK_K, tile.extents);
    var k = tile.k_begin;
    var row_place = place_of(k + row_k, tile.extents);
    var place = place_of(k + column_k, tile.extents);
    var more_place = place_of(k + column_k + COLUMN_KS_AT_ONCE, tile.extents);
    var next_rows = fetch_rows(tile, k + row_k, row_place, row);
    var next_columns = fetch_columns(tile, k + column_k, place, c_0, c_1, c_2, c_3);
    var more_rows = vec4<f32>();
    var more_columns = vec4<f32>();
    if ROWS_AT_ONCE < ROW_QUARTER {
        more_rows = fetch_rows(tile, k + row_k, row_place, row + ROWS_AT_ONCE);
    }
    if COLUMN_KS_AT_ONCE < BLOCK_K {
        more_columns = fetch_columns(tile, k + column_k + COLUMN_KS_AT_ONCE, more_place, c_0, c_1, c_2, c_3);
    }
    while k < tile.k_end {
        sh_rows[row_k * ROW_PITCH + row_lane] = next_rows;
        sh_columns[column_k * COLUMN_PITCH + column_lane] = next_columns;
        if ROWS_AT_ONCE < ROW_QUARTER {
            sh_rows[row_k * ROW_PITCH + row_lane + ROWS_AT_ONCE] = more_rows;
        }
        if COLUMN_KS_AT_ONCE < BLOCK_K {
            sh_columns[(column_k + COLUMN_KS_AT_ONCE) * COLUMN_PITCH + column_lane] = more_columns;
        }
        workgroupBarrier();
        // Beyond the last panel these are zero and not loaded.
        k += BLOCK_K;
        row_place = advance(row_place, panel, tile.extents);
        next_rows = fetch_rows(tile, k + row_k, row_place, row);
        place = advance(place, panel, tile.extents);
        next_columns = fetch_columns(tile, k + column_k, place, c_0, c_1, c_2, c_3);
        if ROWS_AT_ONCE < ROW_QUARTER {
            more_rows = fetch_rows(tile, k + row_k, row_place, row + ROWS_AT_ONCE);
        }
        if COLUMN_KS_AT_ONCE < BLOCK_K {
            more_place = advance(more_place, panel, tile.extents);
            more_columns = fetch_columns(tile, k + column_k + COLUMN_KS_AT_ONCE, more_place, c_0, c_1, c_2, c_3);
        }
        // Written out: no WGSL compiler promises to unroll a loop, and where none does the addresses cost a fifth of the time.
        sums = multiply_add(sums, thread, 0u);
        sums = multiply_add(sums, thread, 1u);
        sums = multiply_add(sums, thread, 2u);
        sums = multiply_add(sums, thread, 3u);
        sums = multiply_add(sums, thread, 4u);
        sums = multiply_add(sums, thread, 5u);
        sums = multiply_add(sums, thread, 6u);
        sums = multiply_add(sums, thread, 7u);
        workgroupBarrier();
    }

    write_sums(tile, sums, thread);
}
