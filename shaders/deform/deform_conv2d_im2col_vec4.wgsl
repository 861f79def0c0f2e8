// needs: view window_params grid bilinear packed_input sampling_point
// columns[n, ci*T + t, position] = mask[n, og(ci), t, position] * sample(input[n,ci], y_t, x_t)
// with the sampling point of deform_conv2d_direct, as deform_conv2d_im2col, over an input that deform_conv2d_pack_input has packed.
//
// One invocation takes one (image, offset group, tap, position): it finds the cell once and walks CHANNELS channels of the
// offset group, four at a time. Four channels take four loads and four stores, their addresses advance by constant steps, and no
// corner is judged: those outside read the frame's zeros, so a NaN in the image reaches only points that touch its pixel.
// PARTIAL: the channels of an offset group are no multiple of four; what lies behind the last one is the last one again.
// Dispatch: ceil(batch * offset_groups * ceil(channels / CHANNELS) * T * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, HAS_MASK, CHANNELS, PARTIAL.

@group(0) @binding(1) var<storage, read> packed: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> offset: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(4) var<storage, read_write> columns: array<f32>;

const_assert 0u == CHANNELS % 4u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let n_positions = params.output_size.y * params.output_size.z;
    let n_taps = params.kernel_size.y * params.kernel_size.z;
    var ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let position = ix % n_positions;
    ix /= n_positions;
    let tap = ix % n_taps;
    ix /= n_taps;
    let channels = params.c_in / params.offset_groups;
    let n_parts = (channels - 1u) / CHANNELS + 1u;
    let part = ix % n_parts;
    ix /= n_parts;
    let offset_group = ix % params.offset_groups;
    let n = ix / params.offset_groups;
    if n >= params.batch {
        return;
    }
    let o = unravel(position, params.output_size);
    let at = sampling_point(n, offset_group, tap, o);
    // On the line y = -1 or x = -1 a sample is zero, whatever lies beside it.
    let counts = has_cell(at.x, at.y, params.input_size.y, params.input_size.z) && at.x > -1.0 && at.y > -1.0;
    let cell = packed_cell(n, offset_group, at, counts);
    let fraction = select(vec2<f32>(), at - floor(at), counts);
    let fy = fraction.x;
    let fx = fraction.y;
    let weight = vec4<f32>((1.0 - fy) * (1.0 - fx), (1.0 - fy) * fx, fy * (1.0 - fx), fy * fx);
    var modulation = 1.0;
    if HAS_MASK {
        // A point without a sample has none of a mask that is not a number, either.
        modulation = select(0.0, load_mask(view_index(params.mask, n, offset_group * n_taps + tap, o)), counts);
    }
    let begin = part * CHANNELS;
    let end = min(begin + CHANNELS, channels);
    let plane = packed_plane();
    var upper = cell.first + begin / 4u * plane;
    var lower = upper + cell.below;
    let step = n_taps * params.columns.c;
    var column = view_index(params.columns, n, tap, vec3<u32>(0u, 0u, position)) + (offset_group * channels + begin) * step;
    for (var ci = begin; ci < end; ci += 4u) {
        let sampled = weight.x * packed[upper] + weight.y * packed[upper + 1u] + weight.z * packed[lower] + weight.w * packed[lower + 1u];
        let values = modulation * sampled;
        var four = vec4<u32>(0u, 1u, 2u, 3u);
        if PARTIAL {
            four = min(four, vec4<u32>(end - 1u - ci));
        }
        let to = column + four * step;
        store_columns(to.x, values.x);
        store_columns(to.y, values.y);
        store_columns(to.z, values.z);
        store_columns(to.w, values.w);
        upper += plane;
        lower += plane;
        column += 4u * step;
    }
}
