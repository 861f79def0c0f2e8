// needs: nothing
// Stores a row of a transformed tile, point by point, from the first point at `ix` on. Wants the binding `points`.

fn store4(ix: u32, row: u32, values: vec4<f32>) {
    let stride = params.points.n;
    let at = ix + 4u * row * stride;
    store_points(at, values.x);
    store_points(at + stride, values.y);
    store_points(at + 2u * stride, values.z);
    store_points(at + 3u * stride, values.w);
}

fn store6(ix: u32, row: u32, values: mat2x3<f32>) {
    let stride = params.points.n;
    let at = ix + 6u * row * stride;
    store_points(at, values[0].x);
    store_points(at + stride, values[0].y);
    store_points(at + 2u * stride, values[0].z);
    store_points(at + 3u * stride, values[1].x);
    store_points(at + 4u * stride, values[1].y);
    store_points(at + 5u * stride, values[1].z);
}
