// needs: winograd_tiles write_output
// Stores the outputs of a Winograd tile of a channel, in row-major order in `sums`, each through the epilogue. A tile may hang
// over the output.

fn write_outputs(tile: TilePlace, co: u32, sums: mat4x4<f32>) {
    for (var i = 0u; i < TILE * TILE; i++) {
        let o = tile.first + vec3<u32>(0u, i / TILE, i % TILE);
        if o.y < params.output_size.y && o.z < params.output_size.z {
            let quad = select(select(sums[0], sums[1], i / 4u == 1u), select(sums[2], sums[3], i / 4u == 3u), i >= 8u);
            write_output(tile.n, co, o, quad[i % 4u]);
        }
    }
}
