// needs: grid
// Tiles of a matrix product whose rows come as vec4s of four neighbours. A workgroup of ROW_THREADS x COLUMN_THREADS invocations
// computes BLOCK_ROWS x BLOCK_COLUMNS sums, 4 ROW_VEC4S x 4 COLUMN_VEC4S of them in the registers of each. It stages panels of
// BLOCK_K products: an invocation loads its vec4s of the next panels before it computes with the staged ones.
//
// Wants ROW_THREADS and COLUMN_THREADS, multiples of 4 and 8, ROW_VEC4S and COLUMN_VEC4S, 1 or 2, and BLOCK_K, 8 or 16, in the
// prelude, and of the kernel:
// - `tile_at`: the tile of a workgroup;
// - `prepare`: what the workgroup keeps before the first panel, in front of a barrier;
// - `Rows`, `rows_at`, `advance_rows` and `fetch_rows`: where an invocation stages rows, one panel further, and its j-th vec4;
// - `Columns`, `columns_at`, `advance_columns` and `fetch_columns`: the same of columns;
// - `write_sums`.

// In vec4s.
const ROW_QUADS: u32 = ROW_VEC4S * ROW_THREADS;
const COLUMN_QUADS: u32 = COLUMN_VEC4S * COLUMN_THREADS;
const BLOCK_ROWS: u32 = 4u * ROW_QUADS;
const BLOCK_COLUMNS: u32 = 4u * COLUMN_QUADS;
const N_INVOCATIONS: u32 = ROW_THREADS * COLUMN_THREADS;
// Products of a panel that are staged at once, and vec4s that an invocation stages of a panel.
const ROW_KS: u32 = N_INVOCATIONS / ROW_QUADS;
const COLUMN_KS: u32 = N_INVOCATIONS / COLUMN_QUADS;
const ROW_LOADS: u32 = BLOCK_K / ROW_KS;
const COLUMN_LOADS: u32 = BLOCK_K / COLUMN_KS;
const_assert ROW_THREADS % 4u == 0u && COLUMN_THREADS % 8u == 0u;
const_assert ROW_KS * ROW_QUADS == N_INVOCATIONS && COLUMN_KS * COLUMN_QUADS == N_INVOCATIONS;
const_assert ROW_LOADS * ROW_KS == BLOCK_K && COLUMN_LOADS * COLUMN_KS == BLOCK_K;
const_assert ROW_LOADS <= 4u && COLUMN_LOADS <= 4u;

var<workgroup> sh_rows: array<vec4<f32>, BLOCK_K * ROW_QUADS>;
var<workgroup> sh_columns: array<vec4<f32>, BLOCK_K * COLUMN_QUADS>;

struct Tile {
    exists: bool,
    // The first row and column, in vec4s.
    row: u32,
    column: u32,
    group: u32,
    // What else a workgroup stays in: a matrix of a batch, a slice of the sum.
    part: u32,
    // The panels that it sums.
    begin: u32,
    end: u32,
}

// Row `r` of vec4 g of the rows and vec4 h of the columns is g_h[r].
struct Sums {
    low_low: mat4x4<f32>,
    low_high: mat4x4<f32>,
    high_low: mat4x4<f32>,
    high_high: mat4x4<f32>,
}

fn outer_sum(sums: mat4x4<f32>, a: vec4<f32>, b: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        sums[0] + a.x * b,
        sums[1] + a.y * b,
        sums[2] + a.z * b,
        sums[3] + a.w * b,
    );
}

// With product k of the staged panels, by the vec4s from `rows` and `columns` on.
fn multiply_add(sums: Sums, rows: u32, columns: u32, k: u32) -> Sums {
    var next = sums;
    let a = sh_rows[rows + k * ROW_QUADS];
    let b = sh_columns[columns + k * COLUMN_QUADS];
    next.low_low = outer_sum(sums.low_low, a, b);
    if COLUMN_VEC4S > 1u {
        let b_high = sh_columns[columns + k * COLUMN_QUADS + COLUMN_THREADS];
        next.low_high = outer_sum(sums.low_high, a, b_high);
        if ROW_VEC4S > 1u {
            let a_high = sh_rows[rows + k * ROW_QUADS + ROW_THREADS];
            next.high_low = outer_sum(sums.high_low, a_high, b);
            next.high_high = outer_sum(sums.high_high, a_high, b_high);
        }
    } else if ROW_VEC4S > 1u {
        let a_high = sh_rows[rows + k * ROW_QUADS + ROW_THREADS];
        next.high_low = outer_sum(sums.high_low, a_high, b);
    }
    return next;
}

// With four products from k on. Written out: no WGSL compiler promises to unroll a loop.
fn multiply_add_4(sums: Sums, rows: u32, columns: u32, k: u32) -> Sums {
    let first = multiply_add(multiply_add(sums, rows, columns, k), rows, columns, k + 1u);
    return multiply_add(multiply_add(first, rows, columns, k + 2u), rows, columns, k + 3u);
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
    prepare(tile, local_ix);
    workgroupBarrier();

    // 32 neighbours share four rows and eight columns, and load the fewest different vec4s.
    let patch_ix = local_ix / 32u;
    let thread_row = patch_ix / (COLUMN_THREADS / 8u) * 4u + local_ix % 32u / 8u;
    let thread_column = patch_ix % (COLUMN_THREADS / 8u) * 8u + local_ix % 8u;

    var rows = rows_at(tile, local_ix / ROW_QUADS, local_ix % ROW_QUADS);
    var columns = columns_at(tile, local_ix / COLUMN_QUADS, local_ix % COLUMN_QUADS);
    var row_0 = fetch_rows(rows, 0u);
    var row_1 = vec4<f32>();
    var row_2 = vec4<f32>();
    var row_3 = vec4<f32>();
    if ROW_LOADS > 1u {
        row_1 = fetch_rows(rows, 1u);
    }
    if ROW_LOADS > 2u {
        row_2 = fetch_rows(rows, 2u);
        row_3 = fetch_rows(rows, 3u);
    }
    var column_0 = fetch_columns(columns, 0u);
    var column_1 = vec4<f32>();
    var column_2 = vec4<f32>();
    var column_3 = vec4<f32>();
    if COLUMN_LOADS > 1u {
        column_1 = fetch_columns(columns, 1u);
    }
    if COLUMN_LOADS > 2u {
        column_2 = fetch_columns(columns, 2u);
        column_3 = fetch_columns(columns, 3u);
    }

    var sums = Sums();
    for (var panel = tile.begin; panel < tile.end; panel++) {
        sh_rows[local_ix] = row_0;
        if ROW_LOADS > 1u {
            sh_rows[local_ix + N_INVOCATIONS] = row_1;
        }
        if ROW_LOADS > 2u {
            sh_rows[local_ix + 2u * N_INVOCATIONS] = row_2;
            sh_rows[local_ix + 3u * N_INVOCATIONS] = row_3;
        }
        sh_columns[local_ix] = column_0;
        if COLUMN_LOADS > 1u {
            sh_columns[local_ix + N_INVOCATIONS] = column_1;
        }
        if COLUMN_LOADS > 2u {
            sh_columns[local_ix + 2u * N_INVOCATIONS] = column_2;
            sh_columns[local_ix + 3u * N_INVOCATIONS] = column_3;
        }
        workgroupBarrier();
        // Behind the last panel it is loaded again.
        if panel + 1u < tile.end {
            rows = advance_rows(rows);
            columns = advance_columns(columns);
        }
        row_0 = fetch_rows(rows, 0u);
        if ROW_LOADS > 1u {
            row_1 = fetch_rows(rows, 1u);
        }
        if ROW_LOADS > 2u {
            row_2 = fetch_rows(rows, 2u);
            row_3 = fetch_rows(rows, 3u);
        }
        column_0 = fetch_columns(columns, 0u);
        if COLUMN_LOADS > 1u {
            column_1 = fetch_columns(columns, 1u);
        }
        if COLUMN_LOADS > 2u {
            column_2 = fetch_columns(columns, 2u);
            column_3 = fetch_columns(columns, 3u);
        }
        sums = multiply_add_4(sums, thread_row, thread_column, 0u);
        sums = multiply_add_4(sums, thread_row, thread_column, 4u);
        if BLOCK_K > 8u {
            sums = multiply_add_4(sums, thread_row, thread_column, 8u);
            sums = multiply_add_4(sums, thread_row, thread_column, 12u);
        }
        workgroupBarrier();
    }
    write_sums(tile, thread_row, thread_column, sums);
}
