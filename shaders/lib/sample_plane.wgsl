// needs: bilinear
// The corners of a point in one channel plane of `input`, and the interpolated value. A corner outside the image is zero:
// what the clamped index reads in its place does not count.

fn corner_values(plane: u32, taps: BilinearTaps) -> vec4<f32> {
    let ix = plane + taps.y * params.input.h + taps.x * params.input.w;
    return select(vec4<f32>(), vec4<f32>(load_input(ix.x), load_input(ix.y), load_input(ix.z), load_input(ix.w)), taps.valid);
}

fn sample_plane(plane: u32, taps: BilinearTaps) -> f32 {
    let counted = taps.weight * corner_values(plane, taps);
    return counted.x + counted.y + counted.z + counted.w;
}
