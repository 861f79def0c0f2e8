// Register tiles of four rows by four columns: column i of a matrix holds the sums of row i. Lane j of a subgroup holds the
// rows' factors of product j, and all lanes have the columns' factors of every product: products 0..3 in x_low, 4..7 in
// x_high. Wants STEP, the number of products, 4 or 8.

fn four_products(sum: vec4<f32>, x: mat4x4<f32>, factors: vec4<f32>) -> vec4<f32> {
    let three = fma(x[2], vec4<f32>(factors.z), fma(x[1], vec4<f32>(factors.y), fma(x[0], vec4<f32>(factors.x), sum)));
    return fma(x[3], vec4<f32>(factors.w), three);
}

// One row after the other, so that a row's sums stay in registers over all products.
fn outer_add(sum: mat4x4<f32>, x_low: mat4x4<f32>, x_high: mat4x4<f32>, rows: vec4<f32>) -> mat4x4<f32> {
    let low = transpose(mat4x4<f32>(
        subgroupBroadcast(rows, 0u), subgroupBroadcast(rows, 1u), subgroupBroadcast(rows, 2u), subgroupBroadcast(rows, 3u),
    ));
    if STEP < 8u {
        return mat4x4<f32>(
            four_products(sum[0], x_low, low[0]),
            four_products(sum[1], x_low, low[1]),
            four_products(sum[2], x_low, low[2]),
            four_products(sum[3], x_low, low[3]),
        );
    }
    let high = transpose(mat4x4<f32>(
        subgroupBroadcast(rows, 4u), subgroupBroadcast(rows, 5u), subgroupBroadcast(rows, 6u), subgroupBroadcast(rows, 7u),
    ));
    return mat4x4<f32>(
        four_products(four_products(sum[0], x_low, low[0]), x_high, high[0]),
        four_products(four_products(sum[1], x_low, low[1]), x_high, high[1]),
        four_products(four_products(sum[2], x_low, low[2]), x_high, high[2]),
        four_products(four_products(sum[3], x_low, low[3]), x_high, high[3]),
    );
}

// The sums of four rows in column i.
fn tile_column(sum: mat4x4<f32>, i: u32) -> vec4<f32> {
    let turned = transpose(sum);
    return select(select(turned[0], turned[1], i == 1u), select(turned[2], turned[3], i == 3u), i >= 2u);
}

// Column i of a tile that is eight columns wide: the right half lies in a matrix of its own.
fn wide_column(left: mat4x4<f32>, right: mat4x4<f32>, i: u32) -> vec4<f32> {
    return select(tile_column(left, i), tile_column(right, i - 4u), i >= 4u);
}

// One of eight, by a tree of selections: an array would live in memory.
fn pick(
    i: u32,
    q_0: vec4<f32>,
    q_1: vec4<f32>,
    q_2: vec4<f32>,
    q_3: vec4<f32>,
    q_4: vec4<f32>,
    q_5: vec4<f32>,
    q_6: vec4<f32>,
    q_7: vec4<f32>,
) -> vec4<f32> {
    let odd = i % 2u == 1u;
    let low = select(select(q_0, q_1, odd), select(q_2, q_3, odd), i % 4u >= 2u);
    let high = select(select(q_4, q_5, odd), select(q_6, q_7, odd), i % 4u >= 2u);
    return select(low, high, i >= 4u);
}
