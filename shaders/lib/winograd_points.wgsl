// Stores a row of a transformed tile, point by point, from the first point at `ix` on. Wants the binding `output`.

fn store4(ix: u32, row: u32, values: vec4<f32>) {
    let stride = params.output.n;
    let at = ix + 4u * row * stride;
    output[at] = values.x;
    output[at + stride] = values.y;
    output[at + 2u * stride] = values.z;
    output[at + 3u * stride] = values.w;
}

fn store6(ix: u32, row: u32, values: mat2x3<f32>) {
    let stride = params.output.n;
    let at = ix + 6u * row * stride;
    output[at] = values[0].x;
    output[at + stride] = values[0].y;
    output[at + 2u * stride] = values[0].z;
    output[at + 3u * stride] = values[1].x;
    output[at + 4u * stride] = values[1].y;
    output[at + 5u * stride] = values[1].z;
}
