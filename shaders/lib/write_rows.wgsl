// needs: tile_shape write_output
// The sums of one column of a tile, each through the epilogue: rows a quarter of the tile apart from `row` of the group on, and those
// ROW_THREADS further.

fn write_rows(n: u32, group: u32, n_rows: u32, row: u32, p: vec3<u32>, low: vec4<f32>, high: vec4<f32>) {
    for (var i = 0u; i < 8u; i++) {
        let place = row + i / 2u * ROW_QUARTER + i % 2u * ROW_THREADS;
        if place < n_rows {
            write_output(n, group * n_rows + place, p, select(low, high, i % 2u == 1u)[i / 2u]);
        }
    }
}
