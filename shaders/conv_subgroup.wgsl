// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// One invocation computes 12 output channels x 4 output positions in registers, as `conv_regtile` does 8 x 4. Where every
// load of a lane costs a load of its own, as on a CPU, weights that all lanes share are what costs most: here each lane of
// a subgroup loads those of another input channel, STEP channels at once, and broadcasts hand them around.
// Dispatch: batch * groups * ceil(c_out_per_group / 12) * ceil(positions / (4 * WORKGROUP)) workgroups, folded.
// Prelude: WORKGROUP, PADDING_MODE, FLIP_KERNEL, STEP (4 or 8, no more than a subgroup has lanes).

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const TILE_CO: u32 = 12u;
const TILE_POSITIONS: u32 = 4u;

struct Source {
    ix: u32,
    inside: bool,
}

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

fn load_positions(at: vec4<u32>, inside: vec4<bool>) -> vec4<f32> {
    return select(vec4<f32>(), vec4<f32>(input[at.x], input[at.y], input[at.z], input[at.w]), inside);
}

fn load_weights(at: vec4<u32>) -> vec4<f32> {
    return vec4<f32>(weight[at.x], weight[at.y], weight[at.z], weight[at.w]);
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
    let whole = channels - channels % STEP;
    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let co = group * co_per_group + co_tile * TILE_CO;
    let n_co = min(co_per_group - co_tile * TILE_CO, TILE_CO);
    // Rows of the weight beyond the last channel repeat it; their sums are never stored.
    let row = channels * n_taps;
    let last = vec4<u32>(n_co - 1u);
    let rows_low = (co + min(vec4<u32>(0u, 1u, 2u, 3u), last)) * row;
    let rows_mid = (co + min(vec4<u32>(4u, 5u, 6u, 7u), last)) * row;
    let rows_high = (co + min(vec4<u32>(8u, 9u, 10u, 11u), last)) * row;
    // The channel of a chunk whose weights this lane loads.
    let lane = subgroup_lane % STEP * n_taps;

    let first = position_tile * WORKGROUP * TILE_POSITIONS + local_ix;
    let origin_0 = window_origin(min(first, n_positions - 1u));
    let origin_1 = window_origin(min(first + WORKGROUP, n_positions - 1u));
    let origin_2 = window_origin(min(first + 2u * WORKGROUP, n_positions - 1u));
    let origin_3 = window_origin(min(first + 3u * WORKGROUP, n_positions - 1u));
    let base = view_index(params.input, n, group * channels, vec3<u32>(0u));

    var low = mat4x4<f32>();
    var mid = mat4x4<f32>();
    var high = mat4x4<f32>();
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
                var weight_ix = tap;
                for (var ci = 0u; ci < whole; ci += STEP) {
                    let w_low = load_weights(rows_low + (weight_ix + lane));
                    let w_mid = load_weights(rows_mid + (weight_ix + lane));
                    let w_high = load_weights(rows_high + (weight_ix + lane));
                    let x_0 = load_positions(at, inside);
                    low = outer_add(low, x_0, subgroupBroadcast(w_low, 0u));
                    mid = outer_add(mid, x_0, subgroupBroadcast(w_mid, 0u));
                    high = outer_add(high, x_0, subgroupBroadcast(w_high, 0u));
                    let x_1 = load_positions(at + params.input.c, inside);
                    low = outer_add(low, x_1, subgroupBroadcast(w_low, 1u));
                    mid = outer_add(mid, x_1, subgroupBroadcast(w_mid, 1u));
                    high = outer_add(high, x_1, subgroupBroadcast(w_high, 1u));
                    let x_2 = load_positions(at + 2u * params.input.c, inside);
                    low = outer_add(low, x_2, subgroupBroadcast(w_low, 2u));
                    mid = outer_add(mid, x_2, subgroupBroadcast(w_mid, 2u));
                    high = outer_add(high, x_2, subgroupBroadcast(w_high, 2u));
                    let x_3 = load_positions(at + 3u * params.input.c, inside);
                    low = outer_add(low, x_3, subgroupBroadcast(w_low, 3u));
                    mid = outer_add(mid, x_3, subgroupBroadcast(w_mid, 3u));
                    high = outer_add(high, x_3, subgroupBroadcast(w_high, 3u));
                    if STEP > 4u {
                        let x_4 = load_positions(at + 4u * params.input.c, inside);
                        low = outer_add(low, x_4, subgroupBroadcast(w_low, 4u));
                        mid = outer_add(mid, x_4, subgroupBroadcast(w_mid, 4u));
                        high = outer_add(high, x_4, subgroupBroadcast(w_high, 4u));
                        let x_5 = load_positions(at + 5u * params.input.c, inside);
                        low = outer_add(low, x_5, subgroupBroadcast(w_low, 5u));
                        mid = outer_add(mid, x_5, subgroupBroadcast(w_mid, 5u));
                        high = outer_add(high, x_5, subgroupBroadcast(w_high, 5u));
                        let x_6 = load_positions(at + 6u * params.input.c, inside);
                        low = outer_add(low, x_6, subgroupBroadcast(w_low, 6u));
                        mid = outer_add(mid, x_6, subgroupBroadcast(w_mid, 6u));
                        high = outer_add(high, x_6, subgroupBroadcast(w_high, 6u));
                        let x_7 = load_positions(at + 7u * params.input.c, inside);
                        low = outer_add(low, x_7, subgroupBroadcast(w_low, 7u));
                        mid = outer_add(mid, x_7, subgroupBroadcast(w_mid, 7u));
                        high = outer_add(high, x_7, subgroupBroadcast(w_high, 7u));
                    }
                    weight_ix += STEP * n_taps;
                    at += STEP * params.input.c;
                }
                for (var ci = whole; ci < channels; ci++) {
                    let x = load_positions(at, inside);
                    low = outer_add(low, x, load_weights(rows_low + weight_ix));
                    mid = outer_add(mid, x, load_weights(rows_mid + weight_ix));
                    high = outer_add(high, x, load_weights(rows_high + weight_ix));
                    weight_ix += n_taps;
                    at += params.input.c;
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
        write_tile(n, co, min(n_co, 8u), p, tile_column(low, i), tile_column(mid, i));
        if n_co > 8u {
            let quad = tile_column(high, i);
            write_tile(n, co + 8u, n_co - 8u, p, quad, quad);
        }
    }
}
