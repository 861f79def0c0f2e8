// needs: view bilinear sample_plane
// The corners of a point in channels of the input one by one, at any strides: sixteen loads for four channels. Wants the binding `input`.

struct Corners {
    taps: BilinearTaps,
    image: u32,
}

// A point without a cell reads the one of the first pixel, and what it finds is dropped.
fn corners_at(n: u32, offset_group: u32, at: vec2<f32>, inside: bool) -> Corners {
    let point = select(vec2<f32>(), at, inside);
    let taps = bilinear_cell(point.x, point.y, params.input_size.y, params.input_size.z);
    return Corners(taps, view_index(params.input, n, 0u, vec3<u32>(0u)));
}

// A column a corner, a row a channel.
fn corners_of(corners: Corners, quad: u32, ci: vec4<u32>) -> mat4x4<f32> {
    let planes = corners.image + ci * params.input.c;
    let taps = corners.taps;
    return transpose(mat4x4<f32>(
        corner_values(planes.x, taps), corner_values(planes.y, taps), corner_values(planes.z, taps), corner_values(planes.w, taps),
    ));
}

// The samples of four channels.
fn samples_of(corners: Corners, weight: vec4<f32>, quad: u32, ci: vec4<u32>) -> vec4<f32> {
    let planes = corners.image + ci * params.input.c;
    let taps = corners.taps;
    return vec4<f32>(
        sample_plane(planes.x, taps), sample_plane(planes.y, taps), sample_plane(planes.z, taps), sample_plane(planes.w, taps),
    );
}
