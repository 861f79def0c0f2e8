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

// What an invocation of a transform takes: one tile of channels first_channel to end_channel.
struct Transform {
    exists: bool,
    tile: u32,
    place: TilePlace,
    first_channel: u32,
    end_channel: u32,
}

fn transform_at(workgroup_ix: u32, local_ix: u32, n_channels: u32, workgroup_size: u32, channels: u32) -> Transform {
    let tiles = winograd_tiles();
    let n_tiles = params.batch * tiles.x * tiles.y * tiles.z;
    let n_tile_blocks = (n_tiles + workgroup_size - 1u) / workgroup_size;
    let tile = workgroup_ix % n_tile_blocks * workgroup_size + local_ix;
    let first = workgroup_ix / n_tile_blocks * channels;
    let exists = tile < n_tiles && first < n_channels;
    return Transform(exists, tile, tile_place(tile, tiles), first, min(first + channels, n_channels));
}
