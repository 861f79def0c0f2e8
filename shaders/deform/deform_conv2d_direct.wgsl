// needs: view window_params grid bilinear sample_plane write_tile
// output[n,co,oy,ox] = epilogue(sum_{ci,t} weight[co,ci,t] * mask[n,og(ci),t,oy,ox] * sample(input[n,ci], y_t, x_t))
// y_t = oy*sh - pt + i*dh + offset[n, (og*T + t)*2, oy, ox], x_t likewise with channel + 1; t = i*kw + j, T = kh*kw,
// og(ci) = ci / (c_in / offset_groups); sample is zero-extended bilinear interpolation.
//
// One invocation computes 4 output channels of one position, so each sample serves 4 sums; any geometry, any strides:
// the always-correct rung.
// Dispatch: ceil(batch * groups * ceil(c_out_per_group / 4) * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, HAS_MASK.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> offset: array<f32>;
@group(0) @binding(4) var<storage, read> mask: array<f32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> output: array<f32>;

const TILE_CO: u32 = 4u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let n_positions = params.output_size.y * params.output_size.z;
    let co_per_group = params.c_out / params.groups;
    let n_co_tiles = (co_per_group + TILE_CO - 1u) / TILE_CO;
    var ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let o = unravel(ix % n_positions, params.output_size);
    ix /= n_positions;
    let co_tile = ix % n_co_tiles;
    ix /= n_co_tiles;
    let group = ix % params.groups;
    let n = ix / params.groups;
    if n >= params.batch {
        return;
    }
    let channels = params.c_in / params.groups;
    let channels_per_offset_group = params.c_in / params.offset_groups;
    let n_taps = params.kernel_size.y * params.kernel_size.z;
    let co = group * co_per_group + co_tile * TILE_CO;
    let n_co = min(co_per_group - co_tile * TILE_CO, TILE_CO);
    let rows = (co + min(vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(n_co - 1u))) * channels * n_taps;
    let origin = vec3<i32>(o * params.stride) - vec3<i32>(params.pad_begin);

    var sum = vec4<f32>();
    for (var tap = 0u; tap < n_taps; tap++) {
        let grid_y = origin.y + i32(tap / params.kernel_size.z * params.dilation.y);
        let grid_x = origin.z + i32(tap % params.kernel_size.z * params.dilation.z);
        // Channels of one offset group share their sampling point.
        var ci = 0u;
        while ci < channels {
            let offset_group = (group * channels + ci) / channels_per_offset_group;
            let ci_end = min((offset_group + 1u) * channels_per_offset_group - group * channels, channels);
            let offset_tap = offset_group * n_taps + tap;
            let y = f32(grid_y) + load_offset(view_index(params.offset, n, offset_tap * 2u, o));
            let x = f32(grid_x) + load_offset(view_index(params.offset, n, offset_tap * 2u + 1u, o));
            let taps = bilinear_taps(y, x, params.input_size.y, params.input_size.z);
            if taps.inside {
                var modulation = 1.0;
                if HAS_MASK {
                    modulation = load_mask(view_index(params.mask, n, offset_tap, o));
                }
                var plane = view_index(params.input, n, group * channels + ci, vec3<u32>(0u));
                for (; ci < ci_end; ci++) {
                    let value = modulation * sample_plane(plane, taps);
                    let w = rows + ci * n_taps + tap;
                    sum += value * vec4<f32>(load_weight(w.x), load_weight(w.y), load_weight(w.z), load_weight(w.w));
                    plane += params.input.c;
                }
            }
            ci = ci_end;
        }
    }
    write_tile(n, co, n_co, o, sum, vec4<f32>());
}
