// needs: view window_params grid phase_taps write_tile
// output[n,co,o] = epilogue(sum_{ci,k : k*dilation = o + pad (mod stride)} input[n, ci, (o + pad - k*dilation) / stride] * weight[ci, co mod OPG, k])
//
// Outputs whose o + pad agree modulo the stride (a phase; there are stride^axes of them) use the same taps: those k with
// k*dilation = phase (mod stride), every (stride / gcd)-th tap from a first one on, or none. Each phase is a dense
// convolution over the input with that sub-kernel, so no stuffed zero is ever multiplied. A workgroup stays in one
// phase; an invocation computes 8 output channels of one position in registers.
// Dispatch: batch * groups * ceil(OPG / 8) * prod(stride) * ceil(prod(ceil(out / stride)) / WORKGROUP), folded.
// Prelude: WORKGROUP, FLIP_KERNEL.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const TILE_CO: u32 = 8u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let stride = params.stride;
    let lattice = (params.output_size + stride - 1u) / stride;
    let n_lattice = lattice.x * lattice.y * lattice.z;
    let n_position_tiles = (n_lattice + WORKGROUP - 1u) / WORKGROUP;
    let n_phases = stride.x * stride.y * stride.z;
    let co_per_group = params.c_out / params.groups;
    let channels = params.c_in / params.groups;
    let n_co_tiles = (co_per_group + TILE_CO - 1u) / TILE_CO;

    var ix = linear_workgroup(workgroup, grid);
    let position_tile = ix % n_position_tiles;
    ix /= n_position_tiles;
    let phase_start = unravel(ix % n_phases, stride);
    ix /= n_phases;
    let co_tile = ix % n_co_tiles;
    ix /= n_co_tiles;
    let group = ix % params.groups;
    let n = ix / params.groups;
    let position = position_tile * WORKGROUP + local_ix;
    if n >= params.batch || position >= n_lattice {
        return;
    }
    let o = unravel(position, lattice) * stride + phase_start;
    if any(o >= params.output_size) {
        return;
    }

    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let first = first_taps(phase_start);
    let tap_step = tap_steps();

    let first_co = co_tile * TILE_CO;
    let n_co = min(co_per_group - first_co, TILE_CO);
    let last = n_co - 1u;
    let rows_low = (first_co + min(vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(last))) * n_taps;
    let rows_high = (first_co + min(vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(last))) * n_taps;
    let weight_start = group * channels * co_per_group * n_taps;
    let base = view_index(params.input, n, group * channels, vec3<u32>(0u));
    let anchor = vec3<i32>(o + params.pad_begin);
    let extent = vec3<i32>(params.input_size);

    var low = vec4<f32>();
    var high = vec4<f32>();
    for (var kd = first.x; kd < kernel.x; kd += tap_step.x) {
        for (var kh = first.y; kh < kernel.y; kh += tap_step.y) {
            for (var kw = first.z; kw < kernel.z; kw += tap_step.z) {
                let reach = anchor - vec3<i32>(vec3<u32>(kd, kh, kw) * params.dilation);
                // Exact where reach >= 0: the taps were chosen so.
                let i = reach / vec3<i32>(stride);
                if any(reach < vec3<i32>(0)) || any(i >= extent) {
                    continue;
                }
                var tap = (kd * kernel.y + kh) * kernel.z + kw;
                if FLIP_KERNEL {
                    tap = n_taps - 1u - tap;
                }
                let p = vec3<u32>(i);
                var input_ix = base + p.x * params.input.d + p.y * params.input.h + p.z * params.input.w;
                var weight_ix = weight_start + tap;
                for (var ci = 0u; ci < channels; ci++) {
                    let value = load_input(input_ix);
                    let a = rows_low + weight_ix;
                    let b = rows_high + weight_ix;
                    low += value * vec4<f32>(load_weight(a.x), load_weight(a.y), load_weight(a.z), load_weight(a.w));
                    high += value * vec4<f32>(load_weight(b.x), load_weight(b.y), load_weight(b.z), load_weight(b.w));
                    input_ix += params.input.c;
                    weight_ix += co_per_group * n_taps;
                }
            }
        }
    }

    let co = group * co_per_group + first_co;
    write_tile(n, co, n_co, o, low, high);
}
