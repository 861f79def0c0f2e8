// needs: view window_params bilinear sample_plane sampling_gradients
// grad_mask[n,og,t,o] = sum_ci c * s, grad_offset[n,og,t,{y,x},o] = mask * sum_ci c * ds/d{y,x}, columns = mask * s
// with c = grad_columns[n, ci*T + t, o], s the sample of input[n,ci] at the point, ci over the offset group's channels;
// grad_mask and grad_offset accumulate with beta.
//
// The part sampling_gradients has the walk over the channels; here the corners of four channels are sixteen loads.
// Dispatch: ceil(batch * offset_groups * T * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, HAS_MASK, GRAD_OFFSET, GRAD_MASK, COLUMNS, PARTIAL.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> offset: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(4) var<storage, read> grad_columns: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad_offset: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad_mask: array<f32>;
@group(0) @binding(7) var<storage, read_write> columns: array<f32>;

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
