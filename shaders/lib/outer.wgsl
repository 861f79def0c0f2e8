// Register tiles of four rows by four columns: column i of the matrix holds the sums of row i.

// sum + the outer product of four row factors and four column factors.
fn outer_add(sum: mat4x4<f32>, columns: vec4<f32>, rows: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        fma(columns, vec4<f32>(rows.x), sum[0]),
        fma(columns, vec4<f32>(rows.y), sum[1]),
        fma(columns, vec4<f32>(rows.z), sum[2]),
        fma(columns, vec4<f32>(rows.w), sum[3]),
    );
}

// The sums of four rows in column i.
fn tile_column(sum: mat4x4<f32>, i: u32) -> vec4<f32> {
    let turned = transpose(sum);
    return select(select(turned[0], turned[1], i == 1u), select(turned[2], turned[3], i == 3u), i >= 2u);
}
