// needs: four_products
// Register tiles of four rows by four columns: column i of a matrix holds the sums of row i. Lane j of a subgroup holds the
// rows' factors of product j, and all lanes have the columns' factors of every product: products 0..3 in x_low, 4..7 in
// x_high. Wants STEP, the number of products, 4 or 8.

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

// A tile of four rows by eight columns: two of four.
struct Wide {
    left: mat4x4<f32>,
    right: mat4x4<f32>,
}

// What a row of such a tile is multiplied with: products 0 to 3 and 4 to 7 of its left and of its right half.
struct Factors {
    low_left: mat4x4<f32>,
    low_right: mat4x4<f32>,
    high_left: mat4x4<f32>,
    high_right: mat4x4<f32>,
}

struct WideRow {
    left: vec4<f32>,
    right: vec4<f32>,
}

fn add_product(sum: WideRow, left: vec4<f32>, right: vec4<f32>, factor: f32) -> WideRow {
    return WideRow(fma(left, vec4<f32>(factor), sum.left), fma(right, vec4<f32>(factor), sum.right));
}

// A row takes all products before the next, and a factor both halves before the next: neither waits in memory.
fn add_products(left: vec4<f32>, right: vec4<f32>, x: Factors, held: f32) -> WideRow {
    var sum = WideRow(left, right);
    sum = add_product(sum, x.low_left[0], x.low_right[0], subgroupBroadcast(held, 0u));
    sum = add_product(sum, x.low_left[1], x.low_right[1], subgroupBroadcast(held, 1u));
    sum = add_product(sum, x.low_left[2], x.low_right[2], subgroupBroadcast(held, 2u));
    sum = add_product(sum, x.low_left[3], x.low_right[3], subgroupBroadcast(held, 3u));
    if STEP > 4u {
        sum = add_product(sum, x.high_left[0], x.high_right[0], subgroupBroadcast(held, 4u));
        sum = add_product(sum, x.high_left[1], x.high_right[1], subgroupBroadcast(held, 5u));
        sum = add_product(sum, x.high_left[2], x.high_right[2], subgroupBroadcast(held, 6u));
        sum = add_product(sum, x.high_left[3], x.high_right[3], subgroupBroadcast(held, 7u));
    }
    return sum;
}

fn outer_add_wide(sum: Wide, x: Factors, rows: vec4<f32>) -> Wide {
    let row_0 = add_products(sum.left[0], sum.right[0], x, rows.x);
    let row_1 = add_products(sum.left[1], sum.right[1], x, rows.y);
    let row_2 = add_products(sum.left[2], sum.right[2], x, rows.z);
    let row_3 = add_products(sum.left[3], sum.right[3], x, rows.w);
    return Wide(
        mat4x4<f32>(row_0.left, row_1.left, row_2.left, row_3.left),
        mat4x4<f32>(row_0.right, row_1.right, row_2.right, row_3.right),
    );
}

// Likewise of a tile whose right half is not used where it is not wide.
fn outer_add_halves(sum: Wide, x: Factors, rows: vec4<f32>, wide: bool) -> Wide {
    if wide {
        return outer_add_wide(sum, x, rows);
    }
    return Wide(outer_add(sum.left, x.low_left, x.high_left, rows), sum.right);
}

// The sums of four rows in column i.
fn tile_column(sum: mat4x4<f32>, i: u32) -> vec4<f32> {
    let turned = transpose(sum);
    return select(select(turned[0], turned[1], i == 1u), select(turned[2], turned[3], i == 3u), i >= 2u);
}

fn wide_column(sum: Wide, i: u32) -> vec4<f32> {
    return select(tile_column(sum.left, i), tile_column(sum.right, i - 4u), i >= 4u);
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
