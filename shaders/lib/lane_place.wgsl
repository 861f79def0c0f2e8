// needs: nothing
// Of the part lane_tile: which tile a workgroup computes, and a chunk of the sum. A kernel or another part defines `n_phases`,
// `n_positions` and `Reads`.

const TILE_POSITIONS: u32 = 4u;

// What a workgroup computes.
struct LaneTile {
    exists: bool,
    n: u32,
    group: u32,
    // Which part of the output.
    phase: u32,
    // Output channels, counted in the group.
    first_co: u32,
    n_co: u32,
    first_position: u32,
}

fn lane_tile(workgroup_ix: u32) -> LaneTile {
    let co_per_group = params.c_out / params.groups;
    let n_position_tiles = (n_positions() + WORKGROUP * TILE_POSITIONS - 1u) / (WORKGROUP * TILE_POSITIONS);
    let n_co_tiles = (co_per_group + TILE_CO - 1u) / TILE_CO;
    var tile = workgroup_ix;
    let first_position = tile % n_position_tiles * WORKGROUP * TILE_POSITIONS;
    tile /= n_position_tiles;
    let phase = tile % n_phases();
    tile /= n_phases();
    let first_co = tile % n_co_tiles * TILE_CO;
    tile /= n_co_tiles;
    let group = tile % params.groups;
    let n = tile / params.groups;
    return LaneTile(n < params.batch, n, group, phase, first_co, min(co_per_group - first_co, TILE_CO), first_position);
}

// Products 0 to 3 and 4 to 7 at four positions, and where the weights that this lane loads lie in a row. Of products behind the last one
// x is zero.
struct Chunk {
    x_low: mat4x4<f32>,
    x_high: mat4x4<f32>,
    weight_ix: u32,
    next: Reads,
}
