// needs: grid
// Winograd tiles of TILE x TILE outputs, counted through all images, depths, rows and columns.

fn winograd_tiles() -> vec3<u32> {
    return (params.output_size + vec3<u32>(0u, TILE - 1u, TILE - 1u)) / vec3<u32>(1u, TILE, TILE);
}

// Image and first output of a tile.
struct TilePlace {
    n: u32,
    first: vec3<u32>,
}

fn tile_place(tile: u32, tiles: vec3<u32>) -> TilePlace {
    let per_image = tiles.x * tiles.y * tiles.z;
    return TilePlace(tile / per_image, unravel(tile % per_image, tiles) * vec3<u32>(1u, TILE, TILE));
}
