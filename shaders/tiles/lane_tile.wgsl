// needs: grid lane_place lane_weights outer write_column
// The main of the convolutions whose lanes share loads by subgroup broadcast: an invocation sums a register tile of TILE_CO output
// channels x 4 output positions, tap by tap and in each over chunks of STEP products, of which a lane loads the weights of one. A row of
// sums takes all products of a chunk before the next one does: it stays in registers meanwhile, though the whole tile does not fit.
//
// A kernel, or another part that it needs, defines
// - `n_phases`, the parts of the output of which a workgroup stays in one, `n_positions` of such a part, and `output_at`, where a
//   position of it lies in the output;
// - `first_row`, where the first row of a tile lies in the weight, and `row_pitch`, the distance of rows;
// - `Tap`, what a workgroup walks, with `begin_taps`, `has_tap`, `next_tap`, and `n_products` of a tap;
// - `Frame` and `frame_at`, what an invocation keeps of its four positions;
// - `Reads` and `reads_at`, where it reads the products of a tap, and `chunk_at`, the chunk that lies there.
//
// Wants WORKGROUP, STEP (4 or 8, no more than a subgroup has lanes) and TILE_CO (multiple of 4 up to 128).

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    // Uniform per workgroup: no lane leaves before the broadcasts.
    let tile = lane_tile(linear_workgroup(workgroup, grid));
    if !tile.exists {
        return;
    }
    let start = begin_taps(tile);
    let position = tile.first_position + local_ix;
    let frame = frame_at(tile, start, position + vec4<u32>(0u, 1u, 2u, 3u) * WORKGROUP);
    // The product of a chunk whose weights this lane loads.
    let lane = subgroup_lane % STEP;
    let rows = first_row(tile);
    let pitch = row_pitch();
    let last = vec4<u32>(tile.n_co - 1u);
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    // Rows of the weight beyond the last channel repeat it; their sums are never stored.
    let rows_0 = rows + min(four, last) * pitch;
    let rows_1 = rows + min(four + 4u, last) * pitch;
    let rows_2 = rows + min(four + 8u, last) * pitch;
    let rows_3 = rows + min(four + 12u, last) * pitch;
    let rows_4 = rows + min(four + 16u, last) * pitch;
    let rows_5 = rows + min(four + 20u, last) * pitch;
    let rows_6 = rows + min(four + 24u, last) * pitch;
    let rows_7 = rows + min(four + 28u, last) * pitch;
    let rows_8 = rows + min(four + 32u, last) * pitch;
    let rows_9 = rows + min(four + 36u, last) * pitch;
    let rows_10 = rows + min(four + 40u, last) * pitch;
    let rows_11 = rows + min(four + 44u, last) * pitch;
    let rows_12 = rows + min(four + 48u, last) * pitch;
    let rows_13 = rows + min(four + 52u, last) * pitch;
    let rows_14 = rows + min(four + 56u, last) * pitch;
    let rows_15 = rows + min(four + 60u, last) * pitch;
    let rows_16 = rows + min(four + 64u, last) * pitch;
    let rows_17 = rows + min(four + 68u, last) * pitch;
    let rows_18 = rows + min(four + 72u, last) * pitch;
    let rows_19 = rows + min(four + 76u, last) * pitch;
    let rows_20 = rows + min(four + 80u, last) * pitch;
    let rows_21 = rows + min(four + 84u, last) * pitch;
    let rows_22 = rows + min(four + 88u, last) * pitch;
    let rows_23 = rows + min(four + 92u, last) * pitch;
    let rows_24 = rows + min(four + 96u, last) * pitch;
    let rows_25 = rows + min(four + 100u, last) * pitch;
    let rows_26 = rows + min(four + 104u, last) * pitch;
    let rows_27 = rows + min(four + 108u, last) * pitch;
    let rows_28 = rows + min(four + 112u, last) * pitch;
    let rows_29 = rows + min(four + 116u, last) * pitch;
    let rows_30 = rows + min(four + 120u, last) * pitch;
    let rows_31 = rows + min(four + 124u, last) * pitch;

    var sum_0 = mat4x4<f32>();
    var sum_1 = mat4x4<f32>();
    var sum_2 = mat4x4<f32>();
    var sum_3 = mat4x4<f32>();
    var sum_4 = mat4x4<f32>();
    var sum_5 = mat4x4<f32>();
    var sum_6 = mat4x4<f32>();
    var sum_7 = mat4x4<f32>();
    var sum_8 = mat4x4<f32>();
    var sum_9 = mat4x4<f32>();
    var sum_10 = mat4x4<f32>();
    var sum_11 = mat4x4<f32>();
    var sum_12 = mat4x4<f32>();
    var sum_13 = mat4x4<f32>();
    var sum_14 = mat4x4<f32>();
    var sum_15 = mat4x4<f32>();
    var sum_16 = mat4x4<f32>();
    var sum_17 = mat4x4<f32>();
    var sum_18 = mat4x4<f32>();
    var sum_19 = mat4x4<f32>();
    var sum_20 = mat4x4<f32>();
    var sum_21 = mat4x4<f32>();
    var sum_22 = mat4x4<f32>();
    var sum_23 = mat4x4<f32>();
    var sum_24 = mat4x4<f32>();
    var sum_25 = mat4x4<f32>();
    var sum_26 = mat4x4<f32>();
    var sum_27 = mat4x4<f32>();
    var sum_28 = mat4x4<f32>();
    var sum_29 = mat4x4<f32>();
    var sum_30 = mat4x4<f32>();
    var sum_31 = mat4x4<f32>();
    for (var tap = start; has_tap(tile, tap); tap = next_tap(tile, tap)) {
        var reads = reads_at(tile, frame, tap);
        let n = n_products(tile, tap);
        for (var done = 0u; done < n; done += STEP) {
            let chunk = chunk_at(frame, reads, lane, n - done);
            let x_low = chunk.x_low;
            let x_high = chunk.x_high;
            let at = chunk.weight_ix;
            let held = lane < n - done;
            sum_0 = outer_add(sum_0, x_low, x_high, load_weights(rows_0 + at, held));
            if TILE_CO > 4u { sum_1 = outer_add(sum_1, x_low, x_high, load_weights(rows_1 + at, held)); }
            if TILE_CO > 8u { sum_2 = outer_add(sum_2, x_low, x_high, load_weights(rows_2 + at, held)); }
            if TILE_CO > 12u { sum_3 = outer_add(sum_3, x_low, x_high, load_weights(rows_3 + at, held)); }
            if TILE_CO > 16u { sum_4 = outer_add(sum_4, x_low, x_high, load_weights(rows_4 + at, held)); }
            if TILE_CO > 20u { sum_5 = outer_add(sum_5, x_low, x_high, load_weights(rows_5 + at, held)); }
            if TILE_CO > 24u { sum_6 = outer_add(sum_6, x_low, x_high, load_weights(rows_6 + at, held)); }
            if TILE_CO > 28u { sum_7 = outer_add(sum_7, x_low, x_high, load_weights(rows_7 + at, held)); }
            if TILE_CO > 32u { sum_8 = outer_add(sum_8, x_low, x_high, load_weights(rows_8 + at, held)); }
            if TILE_CO > 36u { sum_9 = outer_add(sum_9, x_low, x_high, load_weights(rows_9 + at, held)); }
            if TILE_CO > 40u { sum_10 = outer_add(sum_10, x_low, x_high, load_weights(rows_10 + at, held)); }
            if TILE_CO > 44u { sum_11 = outer_add(sum_11, x_low, x_high, load_weights(rows_11 + at, held)); }
            if TILE_CO > 48u { sum_12 = outer_add(sum_12, x_low, x_high, load_weights(rows_12 + at, held)); }
            if TILE_CO > 52u { sum_13 = outer_add(sum_13, x_low, x_high, load_weights(rows_13 + at, held)); }
            if TILE_CO > 56u { sum_14 = outer_add(sum_14, x_low, x_high, load_weights(rows_14 + at, held)); }
            if TILE_CO > 60u { sum_15 = outer_add(sum_15, x_low, x_high, load_weights(rows_15 + at, held)); }
            if TILE_CO > 64u { sum_16 = outer_add(sum_16, x_low, x_high, load_weights(rows_16 + at, held)); }
            if TILE_CO > 68u { sum_17 = outer_add(sum_17, x_low, x_high, load_weights(rows_17 + at, held)); }
            if TILE_CO > 72u { sum_18 = outer_add(sum_18, x_low, x_high, load_weights(rows_18 + at, held)); }
            if TILE_CO > 76u { sum_19 = outer_add(sum_19, x_low, x_high, load_weights(rows_19 + at, held)); }
            if TILE_CO > 80u { sum_20 = outer_add(sum_20, x_low, x_high, load_weights(rows_20 + at, held)); }
            if TILE_CO > 84u { sum_21 = outer_add(sum_21, x_low, x_high, load_weights(rows_21 + at, held)); }
            if TILE_CO > 88u { sum_22 = outer_add(sum_22, x_low, x_high, load_weights(rows_22 + at, held)); }
            if TILE_CO > 92u { sum_23 = outer_add(sum_23, x_low, x_high, load_weights(rows_23 + at, held)); }
            if TILE_CO > 96u { sum_24 = outer_add(sum_24, x_low, x_high, load_weights(rows_24 + at, held)); }
            if TILE_CO > 100u { sum_25 = outer_add(sum_25, x_low, x_high, load_weights(rows_25 + at, held)); }
            if TILE_CO > 104u { sum_26 = outer_add(sum_26, x_low, x_high, load_weights(rows_26 + at, held)); }
            if TILE_CO > 108u { sum_27 = outer_add(sum_27, x_low, x_high, load_weights(rows_27 + at, held)); }
            if TILE_CO > 112u { sum_28 = outer_add(sum_28, x_low, x_high, load_weights(rows_28 + at, held)); }
            if TILE_CO > 116u { sum_29 = outer_add(sum_29, x_low, x_high, load_weights(rows_29 + at, held)); }
            if TILE_CO > 120u { sum_30 = outer_add(sum_30, x_low, x_high, load_weights(rows_30 + at, held)); }
            if TILE_CO > 124u { sum_31 = outer_add(sum_31, x_low, x_high, load_weights(rows_31 + at, held)); }
            reads = chunk.next;
        }
    }
    let co = tile.group * (params.c_out / params.groups) + tile.first_co;
    let n_co = tile.n_co;
    for (var i = 0u; i < TILE_POSITIONS; i++) {
        let stored = position + i * WORKGROUP;
        let p = output_at(tile, stored);
        // A phase may end before others do.
        if stored >= n_positions() || !all(p < params.output_size) {
            continue;
        }
        write_column(tile.n, co, min(n_co, 32u), p, i, sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7);
        if TILE_CO > 32u && n_co > 32u {
            write_column(tile.n, co + 32u, min(n_co - 32u, 32u), p, i, sum_8, sum_9, sum_10, sum_11, sum_12, sum_13, sum_14, sum_15);
        }
        if TILE_CO > 64u && n_co > 64u {
            write_column(tile.n, co + 64u, min(n_co - 64u, 32u), p, i, sum_16, sum_17, sum_18, sum_19, sum_20, sum_21, sum_22, sum_23);
        }
        if TILE_CO > 96u && n_co > 96u {
            write_column(tile.n, co + 96u, min(n_co - 96u, 32u), p, i, sum_24, sum_25, sum_26, sum_27, sum_28, sum_29, sum_30, sum_31);
        }
    }
}
