// needs: outer write_output
// The sums of a register tile through the epilogue. Wants the parts outer and write_output.

// Stores the sums of up to four rows.
fn write_quad(n: u32, co: u32, n_co: u32, p: vec3<u32>, quad: vec4<f32>) {
    write_output(n, co, p, quad.x);
    if n_co > 1u { write_output(n, co + 1u, p, quad.y); }
    if n_co > 2u { write_output(n, co + 2u, p, quad.z); }
    if n_co > 3u { write_output(n, co + 3u, p, quad.w); }
}

// Stores a column of a tile of up to 32 rows, each sum through the epilogue.
fn write_quads(
    n: u32,
    co: u32,
    n_co: u32,
    p: vec3<u32>,
    q_0: vec4<f32>,
    q_1: vec4<f32>,
    q_2: vec4<f32>,
    q_3: vec4<f32>,
    q_4: vec4<f32>,
    q_5: vec4<f32>,
    q_6: vec4<f32>,
    q_7: vec4<f32>,
) {
    for (var done = 0u; done < n_co; done += 4u) {
        let quad = pick(done / 4u, q_0, q_1, q_2, q_3, q_4, q_5, q_6, q_7);
        write_quad(n, co + done, n_co - done, p, quad);
    }
}

// Likewise column i of such a tile, four columns wide.
fn write_column(
    n: u32,
    co: u32,
    n_co: u32,
    p: vec3<u32>,
    i: u32,
    sum_0: mat4x4<f32>,
    sum_1: mat4x4<f32>,
    sum_2: mat4x4<f32>,
    sum_3: mat4x4<f32>,
    sum_4: mat4x4<f32>,
    sum_5: mat4x4<f32>,
    sum_6: mat4x4<f32>,
    sum_7: mat4x4<f32>,
) {
    write_quads(
        n,
        co,
        n_co,
        p,
        tile_column(sum_0, i),
        tile_column(sum_1, i),
        tile_column(sum_2, i),
        tile_column(sum_3, i),
        tile_column(sum_4, i),
        tile_column(sum_5, i),
        tile_column(sum_6, i),
        tile_column(sum_7, i),
    );
}
