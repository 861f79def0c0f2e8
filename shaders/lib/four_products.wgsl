// needs: nothing
// Adds four products to four sums: column k of `x` holds the factors of the sums in product k.

fn four_products(sum: vec4<f32>, x: mat4x4<f32>, factors: vec4<f32>) -> vec4<f32> {
    let three = fma(x[2], vec4<f32>(factors.z), fma(x[1], vec4<f32>(factors.y), fma(x[0], vec4<f32>(factors.x), sum)));
    return fma(x[3], vec4<f32>(factors.w), three);
}
