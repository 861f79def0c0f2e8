// needs: grid lane_place
// Of the part lane_tile, for a convolution without phases: all positions of the output, and rows of the weight one behind the other.

fn n_phases() -> u32 {
    return 1u;
}

fn n_positions() -> u32 {
    return params.output_size.x * params.output_size.y * params.output_size.z;
}

fn output_at(tile: LaneTile, position: u32) -> vec3<u32> {
    return unravel(position, params.output_size);
}

fn n_taps() -> u32 {
    return params.kernel_size.x * params.kernel_size.y * params.kernel_size.z;
}

fn row_pitch() -> u32 {
    return params.c_in / params.groups * n_taps();
}

fn first_row(tile: LaneTile) -> u32 {
    return (tile.group * (params.c_out / params.groups) + tile.first_co) * row_pitch();
}
