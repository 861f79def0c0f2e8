// needs: view window_params grid implicit_tile padding tap_mask write_rows tile_shape
// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// A matrix product whose right-hand matrix is never stored: rows are the output channels of a group, columns the positions
// of all images, and k counts (ci, kd, kh, kw) as the weight does. The tiles are those of the part implicit_tile; of a column
// an invocation keeps where its window begins, and which taps lie inside if MASKED, for zeros around at most 32 taps:
// otherwise it compares coordinates. SPLIT_K cuts the sums into slices of `slice` products, a multiple of BLOCK_K; those of slice
// s are stored as images s * batch and following, for `conv_sum_slices`. FLAT says that the positions of an output lie evenly
// spaced, `w` apart; POINTWISE that those of the input do, too, and that there is one tap at each: divisions are few then.
// Dispatch: slices * groups * ceil(c_out_per_group / BLOCK_ROWS) * ceil(batch * positions / BLOCK_COLUMNS) workgroups, folded.
// Prelude: ROW_THREADS, COLUMN_THREADS, PADDING_MODE, MASKED, POINTWISE, FLAT, FLIP_KERNEL, SPLIT_K.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// Neighbouring positions lie together.
const K_FASTEST: bool = false;

// Where the window of a column begins, as an index that may wrap and as a place that may lie outside.
struct Column {
    start: u32,
    mask: u32,
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
    let n_row_tiles = (params.c_out / params.groups + BLOCK_ROWS - 1u) / BLOCK_ROWS;
    let n_column_tiles = (params.batch * n_positions() + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS;
    let n_groups = params.groups;
    var tile: Tile;
    tile.row = ix % n_row_tiles * BLOCK_ROWS;
    tile.column = ix / n_row_tiles % n_column_tiles * BLOCK_COLUMNS;
    tile.group = ix / n_row_tiles / n_column_tiles % n_groups;
    let slice = ix / n_row_tiles / n_column_tiles / n_groups;
    tile.part.x = slice;
    tile.k_begin = select(0u, slice * params.slice, SPLIT_K);
    tile.k_end = select(n_products(), min(tile.k_begin + params.slice, n_products()), SPLIT_K);
    tile.exists = select(slice == 0u, tile.k_begin < tile.k_end, SPLIT_K);
    tile.extents = params.kernel_size;
    return tile;
}

fn column_at(tile: Tile, ix: u32) -> Column {
    let exists = ix < params.batch * n_positions();
    let place = select(0u, ix, exists);
    let n = place / n_positions();
    let position = place % n_positions();
    let plane = view_index(params.input, n, tile.group * (params.c_in / params.groups), vec3<u32>(0u));
    var column: Column;
    column.plane = plane;
    if POINTWISE {
        column.start = plane + position * params.input.w;
        column.mask = u32(exists);
        return column;
    }
    let o = unravel(position, params.output_size);
    column.origin = vec3<i32>(o * params.stride) - vec3<i32>(params.pad_begin);
    column.exists = exists;
    if MASKED {
        let origin = bitcast<vec3<u32>>(column.origin);
        column.start = plane + origin.x * params.input.d + origin.y * params.input.h + origin.z * params.input.w;
        let mask = tap_mask(column.origin, vec3<i32>(params.dilation), params.kernel_size, params.input_size);
        column.mask = select(0u, mask, exists);
    }
    return column;
}

// The place of an element of the sum: its channel, and the tap relative to the window's origin.
struct Tap {
    inside: bool,
    channel: u32,
    offset: vec3<u32>,
    // Of both, as an index.
    step: u32,
    bit: u32,
}

fn fetch(column: Column, tap: Tap) -> f32 {
    var ix = column.start + tap.step;
    var exists = (column.mask & tap.bit) != 0u;
    if !MASKED {
        let p = column.origin + vec3<i32>(tap.offset);
        let d = padded_coordinate(p.x, i32(params.input_size.x));
        let h = padded_coordinate(p.y, i32(params.input_size.y));
        let w = padded_coordinate(p.z, i32(params.input_size.z));
        ix = column.plane + tap.channel + u32(d) * params.input.d + u32(h) * params.input.h + u32(w) * params.input.w;
        exists = tap.inside & column.exists & (d != OUTSIDE) & (h != OUTSIDE) & (w != OUTSIDE);
    }
    return select(0.0, load_input(select(0u, ix, exists)), exists);
}

// A row of the input's matrix, at four columns.
fn fetch_columns(tile: Tile, k: u32, place: Place, c_0: Column, c_1: Column, c_2: Column, c_3: Column) -> vec4<f32> {
    let kernel = params.kernel_size;
    var at = place.inner;
    if FLIP_KERNEL {
        at = kernel - 1u - at;
    }
    var tap: Tap;
    tap.inside = k < tile.k_end;
    tap.channel = place.outer * params.input.c;
    tap.offset = at * params.dilation;
    if POINTWISE {
        tap.step = k * params.input.c;
        tap.bit = u32(tap.inside);
    } else if MASKED {
        tap.step =
            tap.channel + tap.offset.x * params.input.d + tap.offset.y * params.input.h + tap.offset.z * params.input.w;
        tap.bit = select(0u, 1u << ((at.x * kernel.y + at.y) * kernel.z + at.z), tap.inside);
    }
    return vec4<f32>(fetch(c_0, tap), fetch(c_1, tap), fetch(c_2, tap), fetch(c_3, tap));
}

// Column k of the weight's matrix, at four rows a quarter of the tile apart.
fn fetch_rows(tile: Tile, k: u32, place: Place, row: u32) -> vec4<f32> {
    let n_rows = params.c_out / params.groups;
    let rows = rows_at(row, n_rows);
    let inside = k < tile.k_end;
    let at = (tile.group * n_rows + rows) * n_products() + select(0u, k, inside);
    let weights = vec4<f32>(load_weight(at.x), load_weight(at.y), load_weight(at.z), load_weight(at.w));
    return select(vec4<f32>(), weights, inside);
}

fn write_column(tile: Tile, row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
    if column >= params.batch * n_positions() {
        return;
    }
    let n = tile.part.x * params.batch + column / n_positions();
    var p = vec3<u32>(0u, 0u, column % n_positions());
    if !FLAT {
        p = unravel(p.z, params.output_size);
    }
    write_rows(n, tile.group, params.c_out / params.groups, row, p, low, high);
}
