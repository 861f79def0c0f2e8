// needs: nothing
// Tiles of a matrix product: a workgroup of ROW_THREADS x COLUMN_THREADS invocations computes BLOCK_ROWS x BLOCK_COLUMNS elements, eight
// times as many each way, and an invocation 8 x 8 of them. `tile_shape` of src/kernels/implicit_tile.rs picks the shape.
//
// Wants ROW_THREADS and COLUMN_THREADS, multiples of 4 and 8, in the prelude, and of the kernel or its main `Tile`, with the members
// `row` and `column` where it starts, and `write_column`.

// Products that are staged at once.
const BLOCK_K: u32 = 8u;
const BLOCK_ROWS: u32 = 8u * ROW_THREADS;
const BLOCK_COLUMNS: u32 = 8u * COLUMN_THREADS;
const ROW_QUARTER: u32 = 2u * ROW_THREADS;
const COLUMN_QUARTER: u32 = 2u * COLUMN_THREADS;
const N_INVOCATIONS: u32 = ROW_THREADS * COLUMN_THREADS;

// Where the sums of an invocation start in a tile.
struct Thread {
    row: u32,
    column: u32,
}

// 32 neighbours share four rows and eight columns, and load the fewest different vec4s.
fn thread_place(local_ix: u32) -> Thread {
    let patch_ix = local_ix / 32u;
    return Thread(
        patch_ix / (COLUMN_THREADS / 8u) * 4u + local_ix % 32u / 8u,
        patch_ix % (COLUMN_THREADS / 8u) * 8u + local_ix % 8u,
    );
}

// The 8 x 8 sums of an invocation: rows 0 to 3 lie a quarter of the tile apart, 4 to 7 ROW_THREADS behind those; low columns and high
// ones likewise.
struct Sums {
    row_0_low: vec4<f32>,
    row_0_high: vec4<f32>,
    row_1_low: vec4<f32>,
    row_1_high: vec4<f32>,
    row_2_low: vec4<f32>,
    row_2_high: vec4<f32>,
    row_3_low: vec4<f32>,
    row_3_high: vec4<f32>,
    row_4_low: vec4<f32>,
    row_4_high: vec4<f32>,
    row_5_low: vec4<f32>,
    row_5_high: vec4<f32>,
    row_6_low: vec4<f32>,
    row_6_high: vec4<f32>,
    row_7_low: vec4<f32>,
    row_7_high: vec4<f32>,
}

// Hands every column on, with its low rows and its high ones.
fn write_sums(tile: Tile, sums: Sums, thread: Thread) {
    let row = tile.row + thread.row;
    let column = tile.column + thread.column;
    let low = transpose(mat4x4<f32>(sums.row_0_low, sums.row_1_low, sums.row_2_low, sums.row_3_low));
    let high = transpose(mat4x4<f32>(sums.row_4_low, sums.row_5_low, sums.row_6_low, sums.row_7_low));
    let far_low = transpose(mat4x4<f32>(sums.row_0_high, sums.row_1_high, sums.row_2_high, sums.row_3_high));
    let far_high = transpose(mat4x4<f32>(sums.row_4_high, sums.row_5_high, sums.row_6_high, sums.row_7_high));
    write_column(tile, row, column, low[0], high[0]);
    write_column(tile, row, column + COLUMN_QUARTER, low[1], high[1]);
    write_column(tile, row, column + 2u * COLUMN_QUARTER, low[2], high[2]);
    write_column(tile, row, column + 3u * COLUMN_QUARTER, low[3], high[3]);
    write_column(tile, row, column + COLUMN_THREADS, far_low[0], far_high[0]);
    write_column(tile, row, column + COLUMN_QUARTER + COLUMN_THREADS, far_low[1], far_high[1]);
    write_column(tile, row, column + 2u * COLUMN_QUARTER + COLUMN_THREADS, far_low[2], far_high[2]);
    write_column(tile, row, column + 3u * COLUMN_QUARTER + COLUMN_THREADS, far_low[3], far_high[3]);
}
