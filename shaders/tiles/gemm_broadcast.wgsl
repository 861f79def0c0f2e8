// needs: grid outer write_column
// The main of `gemm_subgroup` and its twins: a register tile of TILE_M rows x 4 columns, or 8 where it is WIDE, the sum over k in chunks
// of STEP, whose elements of a the lanes of a subgroup load for each other. One part reads a: it defines `Rows`, what four rows are found
// by, `rows_at` and `load_rows`. Another one reads b: it defines `Place`, what four columns of a row are found by, `place_columns`, the
// columns of an invocation in row 0 of b, `advance`, so many elements further on, `load_columns`, and `column_ix`, which column the i-th
// of an invocation is.

// Row j of a chunk of b that `left` rows are left of. Behind the last one the first is read, and dropped.
fn load_columns_at(j: u32, left: u32, at: Place) -> vec4<f32> {
    let exists = j < left;
    return select(vec4<f32>(), load_columns(advance(at, select(0u, j * params.b_row, exists))), exists);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    // Tiles of four columns an invocation; a wide one is two of them.
    let n_at_once = select(1u, 2u, WIDE);
    let n_column_tiles = (params.n + 4u * n_at_once * WORKGROUP - 1u) / (4u * n_at_once * WORKGROUP);
    let n_row_tiles = (params.m + TILE_M - 1u) / TILE_M;
    // Uniform per workgroup: no lane leaves before the broadcasts.
    var tile = linear_workgroup(workgroup, grid);
    let tile_ix = n_at_once * (tile % n_column_tiles);
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
    // A slice of the sum has its place in the grid instead of an image.
    let k_first = select(0u, batch * params.slice, SPLIT_K);
    let k_end = select(params.k, min(k_first + params.slice, params.k), SPLIT_K);
    let a_start = params.a_base + batch * params.a_batch + group * params.a_group + row * params.a_row;
    let rows_0 = rows_at(a_start, 0u, n_rows - 1u);
    let rows_1 = rows_at(a_start, 4u, n_rows - 1u);
    let rows_2 = rows_at(a_start, 8u, n_rows - 1u);
    let rows_3 = rows_at(a_start, 12u, n_rows - 1u);
    let rows_4 = rows_at(a_start, 16u, n_rows - 1u);
    let rows_5 = rows_at(a_start, 20u, n_rows - 1u);
    let rows_6 = rows_at(a_start, 24u, n_rows - 1u);
    let rows_7 = rows_at(a_start, 28u, n_rows - 1u);
    // The k of a chunk whose elements of a this lane loads.
    let lane = subgroup_lane % STEP;
    let b_first = params.b_base + batch * params.b_batch + group * params.b_group;
    let b_start = place_columns(b_first, tile_ix, local_ix);
    let more_start = place_columns(b_first, tile_ix + 1u, local_ix);

    var sum_0 = Wide();
    var sum_1 = Wide();
    var sum_2 = Wide();
    var sum_3 = Wide();
    var sum_4 = Wide();
    var sum_5 = Wide();
    var sum_6 = Wide();
    var sum_7 = Wide();
    var k = k_first;
    while k < k_end {
        var run_end = k_end;
        var a_ix = 0u;
        var b_ix = b_start;
        var more_ix = more_start;
        if SPLIT_K {
            let run = k / params.run;
            run_end = min((run + 1u) * params.run, k_end);
            a_ix = run * params.a_run + k % params.run * params.a_column;
            let b_at = run * params.b_run + k % params.run * params.b_row;
            b_ix = advance(b_start, b_at);
            more_ix = advance(more_start, b_at);
        }
        for (; k < run_end; k += STEP) {
            let left = run_end - k;
            let x_low = mat4x4<f32>(
                load_columns(b_ix),
                load_columns_at(1u, left, b_ix),
                load_columns_at(2u, left, b_ix),
                load_columns_at(3u, left, b_ix),
            );
            var x_high = mat4x4<f32>();
            if STEP > 4u {
                x_high = mat4x4<f32>(
                    load_columns_at(4u, left, b_ix),
                    load_columns_at(5u, left, b_ix),
                    load_columns_at(6u, left, b_ix),
                    load_columns_at(7u, left, b_ix),
                );
            }
            var y_low = mat4x4<f32>();
            var y_high = mat4x4<f32>();
            if WIDE {
                y_low = mat4x4<f32>(
                    load_columns(more_ix),
                    load_columns_at(1u, left, more_ix),
                    load_columns_at(2u, left, more_ix),
                    load_columns_at(3u, left, more_ix),
                );
            }
            if WIDE && STEP > 4u {
                y_high = mat4x4<f32>(
                    load_columns_at(4u, left, more_ix),
                    load_columns_at(5u, left, more_ix),
                    load_columns_at(6u, left, more_ix),
                    load_columns_at(7u, left, more_ix),
                );
            }
            let x = Factors(x_low, y_low, x_high, y_high);
            let held = lane < left;
            let a_at = a_ix + select(0u, lane, held) * params.a_column;
            sum_0 = outer_add_halves(sum_0, x, load_rows(rows_0, a_at, held), WIDE);
            if TILE_M > 4u { sum_1 = outer_add_halves(sum_1, x, load_rows(rows_1, a_at, held), WIDE); }
            if TILE_M > 8u { sum_2 = outer_add_halves(sum_2, x, load_rows(rows_2, a_at, held), WIDE); }
            if TILE_M > 12u { sum_3 = outer_add_halves(sum_3, x, load_rows(rows_3, a_at, held), WIDE); }
            if TILE_M > 16u { sum_4 = outer_add_halves(sum_4, x, load_rows(rows_4, a_at, held), WIDE); }
            if TILE_M > 20u { sum_5 = outer_add_halves(sum_5, x, load_rows(rows_5, a_at, held), WIDE); }
            if TILE_M > 24u { sum_6 = outer_add_halves(sum_6, x, load_rows(rows_6, a_at, held), WIDE); }
            if TILE_M > 28u { sum_7 = outer_add_halves(sum_7, x, load_rows(rows_7, a_at, held), WIDE); }
            a_ix += STEP * params.a_column;
            b_ix = advance(b_ix, STEP * params.b_row);
            more_ix = advance(more_ix, STEP * params.b_row);
        }
        // The last chunk of a run may have gone beyond it.
        k = run_end;
    }
    let co = group * params.m + row;
    for (var i = 0u; i < 4u * n_at_once; i++) {
        let column = column_ix(tile_ix + i / 4u, local_ix, i % 4u);
        if column >= params.n {
            break;
        }
        let p = unravel(column, params.output_size);
        write_quads(
            batch, co, n_rows, p,
            wide_column(sum_0, i),
            wide_column(sum_1, i),
            wide_column(sum_2, i),
            wide_column(sum_3, i),
            wide_column(sum_4, i),
            wide_column(sum_5, i),
            wide_column(sum_6, i),
            wide_column(sum_7, i),
        );
    }
}
