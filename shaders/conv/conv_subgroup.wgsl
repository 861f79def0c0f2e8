// needs: view window_params grid lane_channels lane_weights outer padding write_column
// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// One invocation computes TILE_CO output channels x 4 output positions. Where every load of a lane costs a load of its own,
// as on a CPU, loads cost more than what is computed from them: each lane of a subgroup loads the weights of another input
// channel, STEP channels at once, and broadcasts hand them around, so that TILE_CO + 4 * STEP loads feed 4 * STEP * TILE_CO
// multiply-adds. A row of sums takes all STEP products before the next one does: it stays in registers meanwhile, though
// the whole tile does not fit.
// Dispatch: batch * groups * ceil(c_out_per_group / TILE_CO) * ceil(positions / (4 * WORKGROUP)) workgroups, folded.
// Prelude: WORKGROUP, PADDING_MODE, FLIP_KERNEL, STEP (4 or 8, no more than a subgroup has lanes), TILE_CO (multiple of 4 up
// to 32).

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const TILE_POSITIONS: u32 = 4u;

// Where tap `offset` of the window at `origin` reads, relative to channel 0 of the group.
fn source(base: u32, origin: vec3<i32>, tap_offset: vec3<i32>) -> Source {
    let extent = vec3<i32>(params.input_size);
    let p = origin + tap_offset;
    let d = padded_coordinate(p.x, extent.x);
    let h = padded_coordinate(p.y, extent.y);
    let w = padded_coordinate(p.z, extent.z);
    let inside = d != OUTSIDE && h != OUTSIDE && w != OUTSIDE;
    let ix = base + u32(d) * params.input.d + u32(h) * params.input.h + u32(w) * params.input.w;
    // A window that hangs over reads the channel's first element and drops it.
    return Source(select(base, ix, inside), inside);
}

fn window_origin(position: u32) -> vec3<i32> {
    return vec3<i32>(unravel(position, params.output_size) * params.stride) - vec3<i32>(params.pad_begin);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let n_positions = params.output_size.x * params.output_size.y * params.output_size.z;
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
    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let co = group * co_per_group + co_tile * TILE_CO;
    let n_co = min(co_per_group - co_tile * TILE_CO, TILE_CO);
    // Rows of the weight beyond the last channel repeat it; their sums are never stored.
    let row = channels * n_taps;
    let last = vec4<u32>(n_co - 1u);
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let rows_0 = (co + min(four, last)) * row;
    let rows_1 = (co + min(four + 4u, last)) * row;
    let rows_2 = (co + min(four + 8u, last)) * row;
    let rows_3 = (co + min(four + 12u, last)) * row;
    let rows_4 = (co + min(four + 16u, last)) * row;
    let rows_5 = (co + min(four + 20u, last)) * row;
    let rows_6 = (co + min(four + 24u, last)) * row;
    let rows_7 = (co + min(four + 28u, last)) * row;
    // The channel of a chunk whose weights this lane loads.
    let lane = subgroup_lane % STEP;

    let first = position_tile * WORKGROUP * TILE_POSITIONS + local_ix;
    let origin_0 = window_origin(min(first, n_positions - 1u));
    let origin_1 = window_origin(min(first + WORKGROUP, n_positions - 1u));
    let origin_2 = window_origin(min(first + 2u * WORKGROUP, n_positions - 1u));
    let origin_3 = window_origin(min(first + 3u * WORKGROUP, n_positions - 1u));
    let base = view_index(params.input, n, group * channels, vec3<u32>(0u));

    var sum_0 = mat4x4<f32>();
    var sum_1 = mat4x4<f32>();
    var sum_2 = mat4x4<f32>();
    var sum_3 = mat4x4<f32>();
    var sum_4 = mat4x4<f32>();
    var sum_5 = mat4x4<f32>();
    var sum_6 = mat4x4<f32>();
    var sum_7 = mat4x4<f32>();
    for (var kd = 0u; kd < kernel.x; kd++) {
        for (var kh = 0u; kh < kernel.y; kh++) {
            for (var kw = 0u; kw < kernel.z; kw++) {
                let tap_offset = vec3<i32>(vec3<u32>(kd, kh, kw) * params.dilation);
                let source_0 = source(base, origin_0, tap_offset);
                let source_1 = source(base, origin_1, tap_offset);
                let source_2 = source(base, origin_2, tap_offset);
                let source_3 = source(base, origin_3, tap_offset);
                let inside = vec4<bool>(source_0.inside, source_1.inside, source_2.inside, source_3.inside);
                var at = vec4<u32>(source_0.ix, source_1.ix, source_2.ix, source_3.ix);
                var tap = (kd * kernel.y + kh) * kernel.z + kw;
                if FLIP_KERNEL {
                    tap = n_taps - 1u - tap;
                }
                for (var ci = 0u; ci < channels; ci += STEP) {
                    let left = channels - ci;
                    let x_low = mat4x4<f32>(
                        load_positions(at, inside),
                        load_channel(1u, left, at, inside),
                        load_channel(2u, left, at, inside),
                        load_channel(3u, left, at, inside),
                    );
                    var x_high = mat4x4<f32>();
                    if STEP > 4u {
                        x_high = mat4x4<f32>(
                            load_channel(4u, left, at, inside),
                            load_channel(5u, left, at, inside),
                            load_channel(6u, left, at, inside),
                            load_channel(7u, left, at, inside),
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
                    at += STEP * params.input.c;
                }
            }
        }
    }
    for (var i = 0u; i < TILE_POSITIONS; i++) {
        let position = first + i * WORKGROUP;
        if position >= n_positions {
            break;
        }
        let p = unravel(position, params.output_size);
        write_column(n, co, n_co, p, i, sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7);
    }
}
