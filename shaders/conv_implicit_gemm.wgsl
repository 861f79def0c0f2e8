// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// A matrix product whose right-hand matrix is never stored: rows are the output channels of a group, columns the positions
// of all images, and k counts (ci, kd, kh, kw) as the weight does. The tiles are those of the part implicit_tile; of a column
// an invocation keeps where its window begins: one bounds check per element and no division.
// SLICED cuts the sums into slices of `count` products, a multiple of BLOCK_K; those of slice s are stored as images s * batch
// and following, for `conv_sum_slices`.
// Dispatch: slices * groups * ceil(c_out_per_group / BLOCK) * ceil(batch * positions / BLOCK) workgroups, folded.
// Prelude: THREADS, BLOCK_K, PADDING_MODE, FLIP_KERNEL, SLICED.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// Neighbouring positions lie together.
const K_FASTEST: bool = false;

// Where the window of a column begins.
struct Column {
    plane: u32,
    origin: vec3<i32>,
    exists: bool,
}

fn n_positions() -> u32 {
    return params.output_size.x * params.output_size.y * params.output_size.z;
}

// Products of a sum.
fn n_products() -> u32 {
    let kernel = params.kernel_size;
    return params.c_in / params.groups * kernel.x * kernel.y * kernel.z;
}

// Tiles of the same columns are neighbours: they share what they read of the input.
fn tile_at(ix: u32) -> Tile {
    let n_row_tiles = (params.c_out / params.groups + BLOCK - 1u) / BLOCK;
    let n_column_tiles = (params.batch * n_positions() + BLOCK - 1u) / BLOCK;
    let n_groups = params.groups;
    var tile: Tile;
    tile.row = ix % n_row_tiles * BLOCK;
    tile.column = ix / n_row_tiles % n_column_tiles * BLOCK;
    tile.group = ix / n_row_tiles / n_column_tiles % n_groups;
    let slice = ix / n_row_tiles / n_column_tiles / n_groups;
    tile.part.x = slice;
    tile.k_begin = select(0u, slice * params.count, SLICED);
    tile.k_end = select(n_products(), min(tile.k_begin + params.count, n_products()), SLICED);
    tile.exists = select(slice == 0u, tile.k_begin < tile.k_end, SLICED);
    tile.extents = params.kernel_size;
    return tile;
}

fn column_at(tile: Tile, ix: u32) -> Column {
    let exists = ix < params.batch * n_positions();
    let place = select(0u, ix, exists);
    let n = place / n_positions();
    let o = unravel(place % n_positions(), params.output_size);
    let plane = view_index(params.input, n, tile.group * (params.c_in / params.groups), vec3<u32>(0u));
    return Column(plane, vec3<i32>(o * params.stride) - vec3<i32>(params.pad_begin), exists);
}

fn fetch(column: Column, channel: u32, tap_offset: vec3<i32>) -> f32 {
    let p = column.origin + tap_offset;
    let d = padded_coordinate(p.x, i32(params.input_size.x));
    let h = padded_coordinate(p.y, i32(params.input_size.y));
    let w = padded_coordinate(p.z, i32(params.input_size.z));
    if !column.exists || d == OUTSIDE || h == OUTSIDE || w == OUTSIDE {
        return 0.0;
    }
    return load_input(column.plane + channel + u32(d) * params.input.d + u32(h) * params.input.h + u32(w) * params.input.w);
}

// A row of the input's matrix, at four columns.
fn fetch_columns(tile: Tile, k: u32, place: Place, c_0: Column, c_1: Column, c_2: Column, c_3: Column) -> vec4<f32> {
    if k >= tile.k_end {
        return vec4<f32>();
    }
    var tap = place.inner;
    if FLIP_KERNEL {
        tap = params.kernel_size - 1u - tap;
    }
    let offset = vec3<i32>(tap * params.dilation);
    let channel = place.outer * params.input.c;
    return vec4<f32>(
        fetch(c_0, channel, offset), fetch(c_1, channel, offset), fetch(c_2, channel, offset), fetch(c_3, channel, offset),
    );
}

// Column k of the weight's matrix, at four rows QUARTER apart. Rows beyond the last are zero.
fn fetch_rows(tile: Tile, k: u32, place: Place, row: u32) -> vec4<f32> {
    if k >= tile.k_end {
        return vec4<f32>();
    }
    let n_rows = params.c_out / params.groups;
    let pitch = n_products();
    var rows = vec4<f32>();
    let start = (tile.group * n_rows + row) * pitch + k;
    if row < n_rows { rows.x = load_weight(start); }
    if row + QUARTER < n_rows { rows.y = load_weight(start + QUARTER * pitch); }
    if row + 2u * QUARTER < n_rows { rows.z = load_weight(start + 2u * QUARTER * pitch); }
    if row + 3u * QUARTER < n_rows { rows.w = load_weight(start + 3u * QUARTER * pitch); }
    return rows;
}

// The sums of one column: rows QUARTER apart from `row` on, and those THREADS further.
fn write_column(tile: Tile, row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
    if column >= params.batch * n_positions() {
        return;
    }
    let n_rows = params.c_out / params.groups;
    let n = tile.part.x * params.batch + column / n_positions();
    let p = unravel(column % n_positions(), params.output_size);
    for (var i = 0u; i < 8u; i++) {
        let place = row + i / 2u * QUARTER + i % 2u * THREADS;
        if place < n_rows {
            write_output(n, tile.group * n_rows + place, p, select(low, high, i % 2u == 1u)[i / 2u]);
        }
    }
}
