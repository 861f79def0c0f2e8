// The interpolated value of one channel plane of `input`. A corner outside the image is dropped, not multiplied by zero:
// an infinity at the edge that stands in for it must not turn into a NaN.

fn sample_plane(plane: u32, taps: BilinearTaps) -> f32 {
    let ix = plane + taps.y * params.input.h + taps.x * params.input.w;
    let corners = taps.weight * vec4<f32>(input[ix.x], input[ix.y], input[ix.z], input[ix.w]);
    let counted = select(vec4<f32>(), corners, taps.valid);
    return counted.x + counted.y + counted.z + counted.w;
}
