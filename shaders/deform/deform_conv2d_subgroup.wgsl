// needs: view window_params grid bilinear lane_weights outer sampling_point write_column
// output[n,co,oy,ox] = epilogue(sum_{ci,t} weight[co,ci,t] * mask[n,og(ci),t,oy,ox] * sample(input[n,ci], y_t, x_t))
// with the sampling points of deform_conv2d_direct.
//
// One invocation computes TILE_CO output channels x 4 output positions; lanes load weights for each other as in
// conv_subgroup. The corners of a tap's four points are found once for all channels of an offset group, and a sample, four
// loads, serves TILE_CO output channels at once: 16 * STEP + TILE_CO loads feed 4 * STEP * TILE_CO multiply-adds.
// Dispatch: batch * groups * ceil(c_out_per_group / TILE_CO) * ceil(positions / (4 * WORKGROUP)) workgroups, folded.
// Prelude: WORKGROUP, HAS_MASK, STEP (4 or 8, no more than a subgroup has lanes), TILE_CO (multiple of 4 up to 128).

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> offset: array<f32>;
@group(0) @binding(4) var<storage, read> mask: array<f32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> output: array<f32>;

const TILE_POSITIONS: u32 = 4u;

// Where a position samples: corners relative to channel 0 of an image.
struct Point {
    corners: vec4<u32>,
    weight: vec4<f32>,
    counts: vec4<bool>,
    modulation: f32,
}

fn point_at(n: u32, offset_group: u32, tap: u32, o: vec3<u32>) -> Point {
    let at = sampling_point(n, offset_group, tap, o);
    let inside = has_cell(at.x, at.y, params.input_size.y, params.input_size.z);
    // A point without a cell reads the one of the first pixel, and drops what it finds.
    let place = select(vec2<f32>(), at, inside);
    let taps = bilinear_cell(place.x, place.y, params.input_size.y, params.input_size.z);
    let counts = taps.valid & vec4<bool>(inside && taps.inside);
    var modulation = f32(inside && taps.inside);
    if HAS_MASK {
        let factor = load_mask(view_index(params.mask, n, offset_group * params.kernel_size.y * params.kernel_size.z + tap, o));
        modulation = select(0.0, factor, inside && taps.inside);
    }
    return Point(taps.y * params.input.h + taps.x * params.input.w, taps.weight, counts, modulation);
}

fn sample_at(point: Point, plane: u32) -> f32 {
    let at = plane + point.corners;
    let values = vec4<f32>(load_input(at.x), load_input(at.y), load_input(at.z), load_input(at.w));
    let corners = select(vec4<f32>(), values, point.counts);
    let weighted = point.weight * corners;
    return point.modulation * (weighted.x + weighted.y + weighted.z + weighted.w);
}

// Channel j of a chunk that `left` channels are left of. Behind the last one the first is sampled, and dropped.
fn sample_channel(j: u32, left: u32, plane: u32, p_0: Point, p_1: Point, p_2: Point, p_3: Point) -> vec4<f32> {
    let exists = j < left;
    let at = plane + select(0u, j * params.input.c, exists);
    let values = vec4<f32>(sample_at(p_0, at), sample_at(p_1, at), sample_at(p_2, at), sample_at(p_3, at));
    return select(vec4<f32>(), values, exists);
}

fn position_at(position: u32) -> vec3<u32> {
    let n_positions = params.output_size.y * params.output_size.z;
    return unravel(min(position, n_positions - 1u), params.output_size);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let n_positions = params.output_size.y * params.output_size.z;
    let co_per_group = params.c_out / params.groups;
    let n_position_tiles = (n_positions + WORKGROUP * TILE_POSITIONS - 1u) / (WORKGROUP * TILE_POSITIONS);
    let n_co_tiles = (co_per_group + TILE_CO - 1u) / TILE_CO;

    // Uniform per workgroup: no lane leaves before the broadcasts.
    var tile = linear_workgroup(workgroup, grid);
    let position_tile = tile % n_position_tiles;
    tile /= n_position_tiles;
    let co_tile = tile % n_co_tiles;
    tile /= n_co_tiles;
    let group = tile % params.groups;
    let n = tile / params.groups;
    if n >= params.batch {
        return;
    }

    let channels = params.c_in / params.groups;
    let per_offset_group = params.c_in / params.offset_groups;
    let n_taps = params.kernel_size.y * params.kernel_size.z;
    let co = group * co_per_group + co_tile * TILE_CO;
    let n_co = min(co_per_group - co_tile * TILE_CO, TILE_CO);
    // Rows of the weight beyond the last channel repeat it; their sums are never stored.
    let row = channels * n_taps;
    let last = vec4<u32>(n_co - 1u);
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let rows = co * row;
    let rows_0 = rows + min(four, last) * row;
    let rows_1 = rows + min(four + 4u, last) * row;
    let rows_2 = rows + min(four + 8u, last) * row;
    let rows_3 = rows + min(four + 12u, last) * row;
    let rows_4 = rows + min(four + 16u, last) * row;
    let rows_5 = rows + min(four + 20u, last) * row;
    let rows_6 = rows + min(four + 24u, last) * row;
    let rows_7 = rows + min(four + 28u, last) * row;
    let rows_8 = rows + min(four + 32u, last) * row;
    let rows_9 = rows + min(four + 36u, last) * row;
    let rows_10 = rows + min(four + 40u, last) * row;
    let rows_11 = rows + min(four + 44u, last) * row;
    let rows_12 = rows + min(four + 48u, last) * row;
    let rows_13 = rows + min(four + 52u, last) * row;
    let rows_14 = rows + min(four + 56u, last) * row;
    let rows_15 = rows + min(four + 60u, last) * row;
    let rows_16 = rows + min(four + 64u, last) * row;
    let rows_17 = rows + min(four + 68u, last) * row;
    let rows_18 = rows + min(four + 72u, last) * row;
    let rows_19 = rows + min(four + 76u, last) * row;
    let rows_20 = rows + min(four + 80u, last) * row;
    let rows_21 = rows + min(four + 84u, last) * row;
    let rows_22 = rows + min(four + 88u, last) * row;
    let rows_23 = rows + min(four + 92u, last) * row;
    let rows_24 = rows + min(four + 96u, last) * row;
    let rows_25 = rows + min(four + 100u, last) * row;
    let rows_26 = rows + min(four + 104u, last) * row;
    let rows_27 = rows + min(four + 108u, last) * row;
    let rows_28 = rows + min(four + 112u, last) * row;
    let rows_29 = rows + min(four + 116u, last) * row;
    let rows_30 = rows + min(four + 120u, last) * row;
    let rows_31 = rows + min(four + 124u, last) * row;
    // The channel of a chunk whose weights this lane loads.
    let lane = subgroup_lane % STEP;

    let first = position_tile * WORKGROUP * TILE_POSITIONS + local_ix;
    let o_0 = position_at(first);
    let o_1 = position_at(first + WORKGROUP);
    let o_2 = position_at(first + 2u * WORKGROUP);
    let o_3 = position_at(first + 3u * WORKGROUP);

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
    // Channels of one offset group share their sampling points.
    var stretch = 0u;
    while stretch < channels {
        let offset_group = (group * channels + stretch) / per_offset_group;
        let end = min((offset_group + 1u) * per_offset_group - group * channels, channels);
        for (var tap = 0u; tap < n_taps; tap++) {
            let p_0 = point_at(n, offset_group, tap, o_0);
            let p_1 = point_at(n, offset_group, tap, o_1);
            let p_2 = point_at(n, offset_group, tap, o_2);
            let p_3 = point_at(n, offset_group, tap, o_3);
            var plane = view_index(params.input, n, group * channels + stretch, vec3<u32>(0u));
            for (var ci = stretch; ci < end; ci += STEP) {
                let left = end - ci;
                let x_low = mat4x4<f32>(
                    sample_channel(0u, left, plane, p_0, p_1, p_2, p_3),
                    sample_channel(1u, left, plane, p_0, p_1, p_2, p_3),
                    sample_channel(2u, left, plane, p_0, p_1, p_2, p_3),
                    sample_channel(3u, left, plane, p_0, p_1, p_2, p_3),
                );
                var x_high = mat4x4<f32>();
                if STEP > 4u {
                    x_high = mat4x4<f32>(
                        sample_channel(4u, left, plane, p_0, p_1, p_2, p_3),
                        sample_channel(5u, left, plane, p_0, p_1, p_2, p_3),
                        sample_channel(6u, left, plane, p_0, p_1, p_2, p_3),
                        sample_channel(7u, left, plane, p_0, p_1, p_2, p_3),
                    );
                }
                let held = lane < left;
                let weight_ix = (ci + select(0u, lane, held)) * n_taps + tap;
                sum_0 = outer_add(sum_0, x_low, x_high, load_weights(rows_0 + weight_ix, held));
                if TILE_CO > 4u { sum_1 = outer_add(sum_1, x_low, x_high, load_weights(rows_1 + weight_ix, held)); }
                if TILE_CO > 8u { sum_2 = outer_add(sum_2, x_low, x_high, load_weights(rows_2 + weight_ix, held)); }
                if TILE_CO > 12u { sum_3 = outer_add(sum_3, x_low, x_high, load_weights(rows_3 + weight_ix, held)); }
                if TILE_CO > 16u { sum_4 = outer_add(sum_4, x_low, x_high, load_weights(rows_4 + weight_ix, held)); }
                if TILE_CO > 20u { sum_5 = outer_add(sum_5, x_low, x_high, load_weights(rows_5 + weight_ix, held)); }
                if TILE_CO > 24u { sum_6 = outer_add(sum_6, x_low, x_high, load_weights(rows_6 + weight_ix, held)); }
                if TILE_CO > 28u { sum_7 = outer_add(sum_7, x_low, x_high, load_weights(rows_7 + weight_ix, held)); }
                if TILE_CO > 32u { sum_8 = outer_add(sum_8, x_low, x_high, load_weights(rows_8 + weight_ix, held)); }
                if TILE_CO > 36u { sum_9 = outer_add(sum_9, x_low, x_high, load_weights(rows_9 + weight_ix, held)); }
                if TILE_CO > 40u { sum_10 = outer_add(sum_10, x_low, x_high, load_weights(rows_10 + weight_ix, held)); }
                if TILE_CO > 44u { sum_11 = outer_add(sum_11, x_low, x_high, load_weights(rows_11 + weight_ix, held)); }
                if TILE_CO > 48u { sum_12 = outer_add(sum_12, x_low, x_high, load_weights(rows_12 + weight_ix, held)); }
                if TILE_CO > 52u { sum_13 = outer_add(sum_13, x_low, x_high, load_weights(rows_13 + weight_ix, held)); }
                if TILE_CO > 56u { sum_14 = outer_add(sum_14, x_low, x_high, load_weights(rows_14 + weight_ix, held)); }
                if TILE_CO > 60u { sum_15 = outer_add(sum_15, x_low, x_high, load_weights(rows_15 + weight_ix, held)); }
                if TILE_CO > 64u { sum_16 = outer_add(sum_16, x_low, x_high, load_weights(rows_16 + weight_ix, held)); }
                if TILE_CO > 68u { sum_17 = outer_add(sum_17, x_low, x_high, load_weights(rows_17 + weight_ix, held)); }
                if TILE_CO > 72u { sum_18 = outer_add(sum_18, x_low, x_high, load_weights(rows_18 + weight_ix, held)); }
                if TILE_CO > 76u { sum_19 = outer_add(sum_19, x_low, x_high, load_weights(rows_19 + weight_ix, held)); }
                if TILE_CO > 80u { sum_20 = outer_add(sum_20, x_low, x_high, load_weights(rows_20 + weight_ix, held)); }
                if TILE_CO > 84u { sum_21 = outer_add(sum_21, x_low, x_high, load_weights(rows_21 + weight_ix, held)); }
                if TILE_CO > 88u { sum_22 = outer_add(sum_22, x_low, x_high, load_weights(rows_22 + weight_ix, held)); }
                if TILE_CO > 92u { sum_23 = outer_add(sum_23, x_low, x_high, load_weights(rows_23 + weight_ix, held)); }
                if TILE_CO > 96u { sum_24 = outer_add(sum_24, x_low, x_high, load_weights(rows_24 + weight_ix, held)); }
                if TILE_CO > 100u { sum_25 = outer_add(sum_25, x_low, x_high, load_weights(rows_25 + weight_ix, held)); }
                if TILE_CO > 104u { sum_26 = outer_add(sum_26, x_low, x_high, load_weights(rows_26 + weight_ix, held)); }
                if TILE_CO > 108u { sum_27 = outer_add(sum_27, x_low, x_high, load_weights(rows_27 + weight_ix, held)); }
                if TILE_CO > 112u { sum_28 = outer_add(sum_28, x_low, x_high, load_weights(rows_28 + weight_ix, held)); }
                if TILE_CO > 116u { sum_29 = outer_add(sum_29, x_low, x_high, load_weights(rows_29 + weight_ix, held)); }
                if TILE_CO > 120u { sum_30 = outer_add(sum_30, x_low, x_high, load_weights(rows_30 + weight_ix, held)); }
                if TILE_CO > 124u { sum_31 = outer_add(sum_31, x_low, x_high, load_weights(rows_31 + weight_ix, held)); }
                plane += STEP * params.input.c;
            }
        }
        stretch = end;
    }
    for (var i = 0u; i < TILE_POSITIONS; i++) {
        let position = first + i * WORKGROUP;
        if position >= n_positions {
            break;
        }
        let p = unravel(position, params.output_size);
        write_column(n, co, min(n_co, 32u), p, i, sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7);
        if TILE_CO > 32u && n_co > 32u {
            write_column(n, co + 32u, min(n_co - 32u, 32u), p, i, sum_8, sum_9, sum_10, sum_11, sum_12, sum_13, sum_14, sum_15);
        }
        if TILE_CO > 64u && n_co > 64u {
            write_column(n, co + 64u, min(n_co - 64u, 32u), p, i, sum_16, sum_17, sum_18, sum_19, sum_20, sum_21, sum_22, sum_23);
        }
        if TILE_CO > 96u && n_co > 96u {
            write_column(n, co + 96u, min(n_co - 96u, 32u), p, i, sum_24, sum_25, sum_26, sum_27, sum_28, sum_29, sum_30, sum_31);
        }
    }
}
