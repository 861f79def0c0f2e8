// needs: packed_input
// The corners of a point in an input that deform_conv2d_pack_input has packed: four loads for four channels, and no corner is judged:
// those outside read the frame's zeros, so a NaN in the image reaches only points that touch its pixel. Wants the binding `packed`.

alias Corners = PackedCell;

fn corners_at(n: u32, offset_group: u32, at: vec2<f32>, inside: bool) -> Corners {
    return packed_cell(n, offset_group, at, inside);
}

// A column a corner, a row a channel.
fn corners_of(corners: Corners, quad: u32, ci: vec4<u32>) -> mat4x4<f32> {
    let upper = corners.first + quad * packed_plane();
    let lower = upper + corners.below;
    return mat4x4<f32>(packed[upper], packed[upper + 1u], packed[lower], packed[lower + 1u]);
}

// The samples of four channels.
fn samples_of(corners: Corners, weight: vec4<f32>, quad: u32, ci: vec4<u32>) -> vec4<f32> {
    let v = corners_of(corners, quad, ci);
    return weight.x * v[0] + weight.y * v[1] + weight.z * v[2] + weight.w * v[3];
}
