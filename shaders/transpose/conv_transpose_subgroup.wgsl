// needs: view window_params grid lane_channels lane_weights outer phase_taps write_column
// output[n,co,o] = epilogue(sum_{ci,k : k*dilation = o + pad (mod stride)} input[n, ci, (o + pad - k*dilation) / stride] * weight[ci, co mod OPG, k])
//
// The phases of `conv_transpose_phases`, each a dense convolution over the input with its own part of the kernel, by the
// register tiles of `conv_subgroup`: one invocation computes TILE_CO output channels x 4 outputs of a phase, and each lane of
// a subgroup loads the weights of another input channel, STEP channels at once. A workgroup stays in one phase. At
// stride 1 there is one, and this is the convolution with the turned kernel.
// Dispatch: batch * groups * ceil(OPG / TILE_CO) * prod(stride) * ceil(prod(ceil(out / stride)) / (4 * WORKGROUP)), folded.
// Prelude: WORKGROUP, FLIP_KERNEL, STEP (4 or 8, no more than a subgroup has lanes), TILE_CO (multiple of 4 up to 32).

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const TILE_POSITIONS: u32 = 4u;

// What an output reads whose first tap reads `newest`, so many inputs before that.
fn source(base: u32, newest: vec3<i32>, before: vec3<i32>) -> Source {
    let p = bitcast<vec3<u32>>(newest - before);
    let inside = all(p < params.input_size);
    let ix = base + p.x * params.input.d + p.y * params.input.h + p.z * params.input.w;
    // An output that hangs over reads the channel's first element and drops it.
    return Source(select(base, ix, inside), inside);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let stride = params.stride;
    let lattice = (params.output_size + stride - 1u) / stride;
    let n_lattice = lattice.x * lattice.y * lattice.z;
    let n_position_tiles = (n_lattice + WORKGROUP * TILE_POSITIONS - 1u) / (WORKGROUP * TILE_POSITIONS);
    let n_phases = stride.x * stride.y * stride.z;
    let co_per_group = params.c_out / params.groups;
    let channels = params.c_in / params.groups;
    let n_co_tiles = (co_per_group + TILE_CO - 1u) / TILE_CO;

    // Uniform per workgroup: no lane leaves before the broadcasts.
    var tile = linear_workgroup(workgroup, grid);
    let position_tile = tile % n_position_tiles;
    tile /= n_position_tiles;
    let phase_start = unravel(tile % n_phases, stride);
    tile /= n_phases;
    let co_tile = tile % n_co_tiles;
    tile /= n_co_tiles;
    let group = tile % params.groups;
    let n = tile / params.groups;
    if n >= params.batch {
        return;
    }

    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let tap_step = tap_steps();
    let first_tap_of_phase = first_taps(phase_start);
    // Inputs between one tap of the phase and the next.
    let input_step = vec3<i32>(params.dilation / (stride / tap_step));

    // Rows of the weight beyond the last channel repeat it; their sums are never stored.
    let first_co = co_tile * TILE_CO;
    let n_co = min(co_per_group - first_co, TILE_CO);
    let last = vec4<u32>(n_co - 1u);
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let row = co_per_group * n_taps;
    let weights = group * channels * row + first_co * n_taps;
    let rows_0 = weights + min(four, last) * n_taps;
    let rows_1 = weights + min(four + 4u, last) * n_taps;
    let rows_2 = weights + min(four + 8u, last) * n_taps;
    let rows_3 = weights + min(four + 12u, last) * n_taps;
    let rows_4 = weights + min(four + 16u, last) * n_taps;
    let rows_5 = weights + min(four + 20u, last) * n_taps;
    let rows_6 = weights + min(four + 24u, last) * n_taps;
    let rows_7 = weights + min(four + 28u, last) * n_taps;
    // The channel of a chunk whose weights this lane loads.
    let lane = subgroup_lane % STEP;

    let first = position_tile * WORKGROUP * TILE_POSITIONS + local_ix;
    // Exact where the tap exists: it was chosen so. The shift keeps what lies before the first input negative.
    let reach = vec3<i32>(phase_start + params.pad_begin) - vec3<i32>(first_tap_of_phase * params.dilation);
    let shift = reach / vec3<i32>(stride);
    let newest_0 = vec3<i32>(unravel(first, lattice)) + shift;
    let newest_1 = vec3<i32>(unravel(first + WORKGROUP, lattice)) + shift;
    let newest_2 = vec3<i32>(unravel(first + 2u * WORKGROUP, lattice)) + shift;
    let newest_3 = vec3<i32>(unravel(first + 3u * WORKGROUP, lattice)) + shift;
    let base = view_index(params.input, n, group * channels, vec3<u32>(0u));

    var sum_0 = mat4x4<f32>();
    var sum_1 = mat4x4<f32>();
    var sum_2 = mat4x4<f32>();
    var sum_3 = mat4x4<f32>();
    var sum_4 = mat4x4<f32>();
    var sum_5 = mat4x4<f32>();
    var sum_6 = mat4x4<f32>();
    var sum_7 = mat4x4<f32>();
    var before = vec3<i32>(0);
    for (var kd = first_tap_of_phase.x; kd < kernel.x; kd += tap_step.x) {
        before.y = 0;
        for (var kh = first_tap_of_phase.y; kh < kernel.y; kh += tap_step.y) {
            before.z = 0;
            for (var kw = first_tap_of_phase.z; kw < kernel.z; kw += tap_step.z) {
                let source_0 = source(base, newest_0, before);
                let source_1 = source(base, newest_1, before);
                let source_2 = source(base, newest_2, before);
                let source_3 = source(base, newest_3, before);
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
                    let weight_ix = (ci + select(0u, lane, held)) * row + tap;
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
                before.z += input_step.z;
            }
            before.y += input_step.y;
        }
        before.x += input_step.x;
    }
    let co = group * co_per_group + first_co;
    for (var i = 0u; i < TILE_POSITIONS; i++) {
        let position = first + i * WORKGROUP;
        let p = unravel(position, lattice) * stride + phase_start;
        if position < n_lattice && all(p < params.output_size) {
            write_column(n, co, n_co, p, i, sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7);
        }
    }
}
