// needs: view window_params grid padding write_tile
// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// One invocation computes 8 output channels x 4 output positions in registers: each input value that it loads serves 8
// channels, each weight 4 positions. Neighbouring invocations hold neighbouring positions, so weights are uniform
// across a subgroup and there is no barrier: the class for CPU adapters, and for shapes too thin for a tiled GEMM.
// Dispatch: batch * groups * ceil(c_out_per_group / 8) * ceil(positions / (4 * WORKGROUP)) workgroups, folded.
// Prelude: WORKGROUP, PADDING_MODE, FLIP_KERNEL.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const TILE_CO: u32 = 8u;
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

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let n_positions = params.output_size.x * params.output_size.y * params.output_size.z;
    let co_per_group = params.c_out / params.groups;
    let n_position_tiles = (n_positions + WORKGROUP * TILE_POSITIONS - 1u) / (WORKGROUP * TILE_POSITIONS);
    let n_co_tiles = (co_per_group + TILE_CO - 1u) / TILE_CO;

    // Uniform per workgroup: position tile fastest, so that neighbours share weights.
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
    let last = n_co - 1u;
    let rows_low = vec4<u32>(co, co + min(1u, last), co + min(2u, last), co + min(3u, last)) * row;
    let rows_high = (co + min(vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(last))) * row;

    let position_0 = position_tile * WORKGROUP * TILE_POSITIONS + local_ix;
    let position_1 = position_0 + WORKGROUP;
    let position_2 = position_1 + WORKGROUP;
    let position_3 = position_2 + WORKGROUP;
    let origin_0 = window_origin(min(position_0, n_positions - 1u));
    let origin_1 = window_origin(min(position_1, n_positions - 1u));
    let origin_2 = window_origin(min(position_2, n_positions - 1u));
    let origin_3 = window_origin(min(position_3, n_positions - 1u));
    let base = view_index(params.input, n, group * channels, vec3<u32>(0u));

    var low_0 = vec4<f32>();
    var high_0 = vec4<f32>();
    var low_1 = vec4<f32>();
    var high_1 = vec4<f32>();
    var low_2 = vec4<f32>();
    var high_2 = vec4<f32>();
    var low_3 = vec4<f32>();
    var high_3 = vec4<f32>();
    for (var kd = 0u; kd < kernel.x; kd++) {
        for (var kh = 0u; kh < kernel.y; kh++) {
            for (var kw = 0u; kw < kernel.z; kw++) {
                let tap_offset = vec3<i32>(vec3<u32>(kd, kh, kw) * params.dilation);
                let source_0 = source(base, origin_0, tap_offset);
                let source_1 = source(base, origin_1, tap_offset);
                let source_2 = source(base, origin_2, tap_offset);
                let source_3 = source(base, origin_3, tap_offset);
                var tap = (kd * kernel.y + kh) * kernel.z + kw;
                if FLIP_KERNEL {
                    tap = n_taps - 1u - tap;
                }
                var weight_ix = tap;
                var channel = 0u;
                for (var ci = 0u; ci < channels; ci++) {
                    let a = rows_low + weight_ix;
                    let b = rows_high + weight_ix;
                    let w_low = vec4<f32>(load_weight(a.x), load_weight(a.y), load_weight(a.z), load_weight(a.w));
                    let w_high = vec4<f32>(load_weight(b.x), load_weight(b.y), load_weight(b.z), load_weight(b.w));
                    let x_0 = select(0.0, load_input(source_0.ix + channel), source_0.inside);
                    let x_1 = select(0.0, load_input(source_1.ix + channel), source_1.inside);
                    let x_2 = select(0.0, load_input(source_2.ix + channel), source_2.inside);
                    let x_3 = select(0.0, load_input(source_3.ix + channel), source_3.inside);
                    low_0 += x_0 * w_low;
                    high_0 += x_0 * w_high;
                    low_1 += x_1 * w_low;
                    high_1 += x_1 * w_high;
                    low_2 += x_2 * w_low;
                    high_2 += x_2 * w_high;
                    low_3 += x_3 * w_low;
                    high_3 += x_3 * w_high;
                    weight_ix += n_taps;
                    channel += params.input.c;
                }
            }
        }
    }
    for (var i = 0u; i < TILE_POSITIONS; i++) {
        let position = position_0 + i * WORKGROUP;
        if position >= n_positions {
            break;
        }
        var low = select(low_0, low_1, i == 1u);
        var high = select(high_0, high_1, i == 1u);
        if i >= 2u {
            low = select(low_2, low_3, i == 3u);
            high = select(high_2, high_3, i == 3u);
        }
        write_tile(n, co, n_co, unravel(position, params.output_size), low, high);
    }
}
