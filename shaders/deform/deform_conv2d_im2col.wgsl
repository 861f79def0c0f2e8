// needs: view window_params grid bilinear sample_plane sampling_point
// columns[n, ci*T + t, position] = mask[n, og(ci), t, position] * sample(input[n,ci], y_t, x_t)
// with the sampling point of deform_conv2d_direct. A GEMM with the weight follows.
//
// One invocation takes one (image, offset group, tap, position): it computes the four corners once and walks CHANNELS
// channels of the offset group, four at a time: a GPU stores nothing before their loads are under way.
// Dispatch: ceil(batch * offset_groups * ceil(channels / CHANNELS) * T * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, HAS_MASK, CHANNELS.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> offset: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(4) var<storage, read_write> columns: array<f32>;

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
    let taps = bilinear_taps(at.x, at.y, params.input_size.y, params.input_size.z);
    var modulation = 1.0;
    if HAS_MASK {
        modulation = load_mask(view_index(params.mask, n, offset_group * n_taps + tap, o));
    }
    let begin = offset_group * channels + part * CHANNELS;
    let end = min(begin + min(CHANNELS, channels), (offset_group + 1u) * channels);
    let image = view_index(params.input, n, 0u, vec3<u32>(0u));
    for (var i = begin; i < end; i += 4u) {
        // Behind the last one it is taken again.
        let ci = min(vec4<u32>(i) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(end - 1u));
        let planes = image + ci * params.input.c;
        let sampled = vec4<f32>(
            sample_plane(planes.x, taps), sample_plane(planes.y, taps), sample_plane(planes.z, taps), sample_plane(planes.w, taps),
        );
        let values = select(vec4<f32>(), modulation * sampled, taps.inside);
        let at = view_index(params.columns, n, tap, vec3<u32>(0u, 0u, position)) + ci * n_taps * params.columns.c;
        store_columns(at.x, values.x);
        store_columns(at.y, values.y);
        store_columns(at.z, values.z);
        store_columns(at.w, values.w);
    }
}
