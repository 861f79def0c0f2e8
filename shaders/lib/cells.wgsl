// needs: nothing
// The bilinear cells of an image: cell (y + 1, x + 1) has its first corner at row y, column x, from -1 on, so that every
// point with a sample has one. Points are numbered tap·positions + position; a list of points sorted by cell is cut into
// chunks, and every (cell, chunk) that share a point has a slot of its own: both grow along the list, one of them at
// every step from slot to slot, so that their sum numbers the slots.

const CHUNK: u32 = 256u;
// Counting: cells of a block that one workgroup scans, and places of a list that one brings into order.
const CELL_BLOCK: u32 = 1024u;
const LIST_RUN: u32 = 256u;

fn n_cells() -> u32 {
    return (params.input_size.y + 1u) * (params.input_size.z + 1u);
}

fn cell_ix(y: u32, x: u32) -> u32 {
    return y * (params.input_size.z + 1u) + x;
}

fn n_points() -> u32 {
    return params.kernel_size.y * params.kernel_size.z * params.output_size.y * params.output_size.z;
}

fn n_slots() -> u32 {
    return n_cells() + (n_points() + CHUNK - 1u) / CHUNK;
}

fn n_cell_blocks() -> u32 {
    return (n_cells() + CELL_BLOCK - 1u) / CELL_BLOCK;
}
