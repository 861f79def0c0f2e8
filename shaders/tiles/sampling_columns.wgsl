// needs: view grid bilinear sampling_index sampling_point
// The columns of a deformable convolution. An invocation takes CHANNELS channels of one (image, offset group, tap, position): it finds
// the corners once and walks the channels, four at a time: a GPU stores nothing before their loads are under way. PARTIAL: the channels
// of an offset group are no multiple of four; what lies behind the last one is the last one again.
//
// Needs `Corners`, `corners_at` and `samples_of` of one of the parts scalar_corners and packed_corners, and the bindings offset, mask and
// columns.

const_assert 0u == CHANNELS % 4u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let channels = params.c_in / params.offset_groups;
    let n_parts = (channels - 1u) / CHANNELS + 1u;
    let s = sampling_index(linear_workgroup(workgroup, grid) * WORKGROUP + local_ix, n_parts);
    if s.n >= params.batch {
        return;
    }
    let at = sampling_point(s.n, s.offset_group, s.tap, s.o);
    // On the line y = -1 or x = -1 a sample is zero, whatever lies beside it.
    let counts = has_cell(at.x, at.y, params.input_size.y, params.input_size.z) && at.x > -1.0 && at.y > -1.0;
    let corners = corners_at(s.n, s.offset_group, at, counts);
    let fraction = select(vec2<f32>(), at - floor(at), counts);
    let weight = corner_weights(fraction.x, fraction.y);
    let modulation = modulation_at(s.n, s.offset_group, s.tap, s.o);
    let begin = s.part * CHANNELS;
    let end = begin + min(CHANNELS, channels - begin);
    let first = s.offset_group * channels;
    let step = params.kernel_size.y * params.kernel_size.z * params.columns.c;
    var column = view_index(params.columns, s.n, s.tap, vec3<u32>(0u, 0u, s.position)) + (first + begin) * step;
    for (var i = begin; i < end; i += 4u) {
        var four = vec4<u32>(0u, 1u, 2u, 3u);
        if PARTIAL {
            four = min(four, vec4<u32>(end - 1u - i));
        }
        let sampled = samples_of(corners, weight, i / 4u, first + i + four);
        // A point without a sample has none of a mask that is not a number, either.
        let values = select(vec4<f32>(), modulation * sampled, counts);
        let to = column + four * step;
        store_columns(to.x, values.x);
        store_columns(to.y, values.y);
        store_columns(to.z, values.z);
        store_columns(to.w, values.w);
        column += 4u * step;
    }
}
