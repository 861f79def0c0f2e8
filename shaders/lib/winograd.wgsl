// needs: nothing
// The transforms of Winograd's minimal filtering F(m x m, 3 x 3) (S. Winograd 1980; A. Lavin and S. Gray 2016), which yields
// m x m outputs of a 3 x 3 window by (m + 2)^2 products: m = 2 with the points 0, 1, -1 and infinity, m = 4 with
// 0, 1, -1, 2, -1/2 and infinity, whose error is smaller than with -2 for -1/2 (B. Barabasz et al. 2020). A transform acts
// on the columns of a tile, is turned, and acts on what were its rows. The rows of a 6 x 6 tile are halves of three.

struct Tile6 {
    r0: mat2x3<f32>,
    r1: mat2x3<f32>,
    r2: mat2x3<f32>,
    r3: mat2x3<f32>,
    r4: mat2x3<f32>,
    r5: mat2x3<f32>,
}

fn turn6(t: Tile6) -> Tile6 {
    return Tile6(
        mat2x3<f32>(t.r0[0].x, t.r1[0].x, t.r2[0].x, t.r3[0].x, t.r4[0].x, t.r5[0].x),
        mat2x3<f32>(t.r0[0].y, t.r1[0].y, t.r2[0].y, t.r3[0].y, t.r4[0].y, t.r5[0].y),
        mat2x3<f32>(t.r0[0].z, t.r1[0].z, t.r2[0].z, t.r3[0].z, t.r4[0].z, t.r5[0].z),
        mat2x3<f32>(t.r0[1].x, t.r1[1].x, t.r2[1].x, t.r3[1].x, t.r4[1].x, t.r5[1].x),
        mat2x3<f32>(t.r0[1].y, t.r1[1].y, t.r2[1].y, t.r3[1].y, t.r4[1].y, t.r5[1].y),
        mat2x3<f32>(t.r0[1].z, t.r1[1].z, t.r2[1].z, t.r3[1].z, t.r4[1].z, t.r5[1].z),
    );
}

fn input_columns4(t: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(t[0] - t[2], t[1] + t[2], t[2] - t[1], t[3] - t[1]);
}

fn input_tile4(t: mat4x4<f32>) -> mat4x4<f32> {
    return transpose(input_columns4(transpose(input_columns4(t))));
}

fn input_columns6(t: Tile6) -> Tile6 {
    let odd = 1.5 * (t.r1 - t.r3);
    return Tile6(
        t.r0 + odd - 2.0 * t.r2 + t.r4,
        t.r4 - t.r1 - 2.5 * t.r2 - 0.5 * t.r3,
        t.r4 + t.r1 + 0.5 * t.r2 - 2.5 * t.r3,
        t.r4 - t.r2 + 0.5 * (t.r3 - t.r1),
        t.r4 - t.r2 + 2.0 * (t.r1 - t.r3),
        t.r1 + t.r5 + 1.5 * (t.r2 - t.r4) - 2.0 * t.r3,
    );
}

fn input_tile6(t: Tile6) -> Tile6 {
    return turn6(input_columns6(turn6(input_columns6(t))));
}

fn weight_columns4(t: mat3x3<f32>) -> mat4x3<f32> {
    let even = 0.5 * (t[0] + t[2]);
    let odd = 0.5 * t[1];
    return mat4x3<f32>(t[0], even + odd, even - odd, t[2]);
}

// Of a filter whose rows are the columns of `t`.
fn weight_tile4(t: mat3x3<f32>) -> mat4x4<f32> {
    let turned = transpose(weight_columns4(t));
    let even = 0.5 * (turned[0] + turned[2]);
    let odd = 0.5 * turned[1];
    return transpose(mat4x4<f32>(turned[0], even + odd, even - odd, turned[2]));
}

struct Weight6 {
    r0: vec3<f32>,
    r1: vec3<f32>,
    r2: vec3<f32>,
    r3: vec3<f32>,
    r4: vec3<f32>,
    r5: vec3<f32>,
}

fn weight_columns6(t0: vec3<f32>, t1: vec3<f32>, t2: vec3<f32>) -> Weight6 {
    let third = (t0 + t2) / 3.0;
    return Weight6(
        t0,
        -third - t1 / 3.0,
        third - t1 / 3.0,
        (t0 + 2.0 * t1 + 4.0 * t2) / 15.0,
        (8.0 * t1 - 16.0 * t0 - 4.0 * t2) / 15.0,
        t2,
    );
}

fn weight_tile6(t: mat3x3<f32>) -> Tile6 {
    let down = weight_columns6(t[0], t[1], t[2]);
    let low = transpose(mat3x3<f32>(down.r0, down.r1, down.r2));
    let high = transpose(mat3x3<f32>(down.r3, down.r4, down.r5));
    let across_low = weight_columns6(low[0], low[1], low[2]);
    let across_high = weight_columns6(high[0], high[1], high[2]);
    return turn6(Tile6(
        mat2x3<f32>(across_low.r0, across_high.r0),
        mat2x3<f32>(across_low.r1, across_high.r1),
        mat2x3<f32>(across_low.r2, across_high.r2),
        mat2x3<f32>(across_low.r3, across_high.r3),
        mat2x3<f32>(across_low.r4, across_high.r4),
        mat2x3<f32>(across_low.r5, across_high.r5),
    ));
}

// Rows of outputs are the columns of what these yield.
fn output_tile4(t: mat4x4<f32>) -> mat2x2<f32> {
    let turned = transpose(mat2x4<f32>(t[0] + t[1] + t[2], t[1] - t[2] + t[3]));
    return transpose(mat2x2<f32>(turned[0] + turned[1] + turned[2], turned[1] - turned[2] + turned[3]));
}

fn output_tile6(t: Tile6) -> mat4x4<f32> {
    let even = t.r1 + t.r2;
    let odd = t.r1 - t.r2;
    let d0 = t.r0 + even + t.r3 + t.r4;
    let d1 = odd + 2.0 * t.r3 - 0.5 * t.r4;
    let d2 = even + 4.0 * t.r3 + 0.25 * t.r4;
    let d3 = odd + 8.0 * t.r3 - 0.125 * t.r4 + t.r5;
    // What were rows, four at a time.
    let c0 = vec4<f32>(d0[0].x, d1[0].x, d2[0].x, d3[0].x);
    let c1 = vec4<f32>(d0[0].y, d1[0].y, d2[0].y, d3[0].y);
    let c2 = vec4<f32>(d0[0].z, d1[0].z, d2[0].z, d3[0].z);
    let c3 = vec4<f32>(d0[1].x, d1[1].x, d2[1].x, d3[1].x);
    let c4 = vec4<f32>(d0[1].y, d1[1].y, d2[1].y, d3[1].y);
    let c5 = vec4<f32>(d0[1].z, d1[1].z, d2[1].z, d3[1].z);
    let across_even = c1 + c2;
    let across_odd = c1 - c2;
    return transpose(mat4x4<f32>(
        c0 + across_even + c3 + c4,
        across_odd + 2.0 * c3 - 0.5 * c4,
        across_even + 4.0 * c3 + 0.25 * c4,
        across_odd + 8.0 * c3 - 0.125 * c4 + c5,
    ));
}
