// needs: view window_params grid implicit_tile padding tile_shape
// grad_weight[co,ci,k] = sum_{n,o} grad_output[n,co,o] * input[n, g*CPG + ci, o*stride - pad + k*dilation] + beta * grad_weight
// with CPG = c_in / groups and g = co / (c_out / groups); tap k is stored mirrored when FLIP_KERNEL.
//
// A matrix product whose columns are gathered as they are staged: rows are the output channels of a group, columns the
// CPG * prod(kernel) weights of each, and the sum goes over the positions of all images, cut into slices of `slice`, which lie
// one behind the other, to be added by `sum_slices`. The tiles are those of the part implicit_tile; neighbours of the sum lie
// together in both tensors. Of a column an invocation keeps its channel and where its tap lies in a window.
// Dispatch: slices * groups * ceil(c_out_per_group / BLOCK_ROWS) * ceil(CPG * prod(kernel) / BLOCK_COLUMNS) workgroups, folded.
// Prelude: ROW_THREADS, COLUMN_THREADS, PADDING_MODE, FLIP_KERNEL.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_weight: array<f32>;

const K_FASTEST: bool = true;

struct Column {
    channel: u32,
    tap_offset: vec3<i32>,
    exists: bool,
}

fn n_columns() -> u32 {
    let kernel = params.kernel_size;
    return params.c_in / params.groups * kernel.x * kernel.y * kernel.z;
}

// Tiles of the same positions are neighbours: they share what they read.
fn tile_at(ix: u32) -> Tile {
    let n_row_tiles = (params.c_out / params.groups + BLOCK_ROWS - 1u) / BLOCK_ROWS;
    let n_column_tiles = (n_columns() + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS;
    let part = ix / n_row_tiles / n_column_tiles;
    let n_positions = params.batch * params.output_size.x * params.output_size.y * params.output_size.z;
    var tile: Tile;
    tile.row = ix % n_row_tiles * BLOCK_ROWS;
    tile.column = ix / n_row_tiles % n_column_tiles * BLOCK_COLUMNS;
    tile.group = part % params.groups;
    tile.part = vec3<u32>(part / params.groups, 0u, 0u);
    tile.k_begin = tile.part.x * params.slice;
    tile.k_end = min(tile.k_begin + params.slice, n_positions);
    tile.exists = tile.k_begin < n_positions;
    tile.extents = params.output_size;
    return tile;
}

fn column_at(tile: Tile, ix: u32) -> Column {
    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let exists = ix < n_columns();
    let place = select(0u, ix, exists);
    let stored = place % n_taps;
    let tap = select(stored, n_taps - 1u - stored, FLIP_KERNEL);
    let ci = tile.group * (params.c_in / params.groups) + place / n_taps;
    let tap_offset = vec3<i32>(unravel(tap, kernel) * params.dilation) - vec3<i32>(params.pad_begin);
    return Column(params.input.base + ci * params.input.c, tap_offset, exists);
}

// A position of the sum: where the window begins, without the padding.
struct Position {
    inside: bool,
    image: u32,
    origin: vec3<i32>,
}

fn fetch(column: Column, position: Position) -> f32 {
    let p = position.origin + column.tap_offset;
    let d = padded_coordinate(p.x, i32(params.input_size.x));
    let h = padded_coordinate(p.y, i32(params.input_size.y));
    let w = padded_coordinate(p.z, i32(params.input_size.z));
    let exists = position.inside & column.exists & (d != OUTSIDE) & (h != OUTSIDE) & (w != OUTSIDE);
    let place = u32(d) * params.input.d + u32(h) * params.input.h + u32(w) * params.input.w;
    return select(0.0, load_input(select(0u, column.channel + position.image + place, exists)), exists);
}

// What the windows at a position hold of four columns' taps.
fn fetch_columns(tile: Tile, k: u32, place: Place, c_0: Column, c_1: Column, c_2: Column, c_3: Column) -> vec4<f32> {
    let at = Position(k < tile.k_end, place.outer * params.input.n, vec3<i32>(place.inner * params.stride));
    return vec4<f32>(fetch(c_0, at), fetch(c_1, at), fetch(c_2, at), fetch(c_3, at));
}

// The gradients at a position, of four output channels a quarter of the tile apart.
fn fetch_rows(tile: Tile, k: u32, place: Place, row: u32) -> vec4<f32> {
    let n_rows = params.c_out / params.groups;
    let rows = rows_at(row, n_rows);
    let inside = k < tile.k_end;
    let start = view_index(params.grad_output, place.outer, tile.group * n_rows, place.inner);
    let ix = select(vec4<u32>(), start + rows * params.grad_output.c, inside);
    let values =
        vec4<f32>(load_grad_output(ix.x), load_grad_output(ix.y), load_grad_output(ix.z), load_grad_output(ix.w));
    return select(vec4<f32>(), values, inside);
}

// The sums of one column: rows a quarter of the tile apart from `row` on, and those ROW_THREADS further.
fn write_column(tile: Tile, row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
    if column >= n_columns() {
        return;
    }
    let n_rows = params.c_out / params.groups;
    for (var i = 0u; i < 8u; i++) {
        let place = row + i / 2u * ROW_QUARTER + i % 2u * ROW_THREADS;
        if place < n_rows {
            let ix = (tile.part.x * params.c_out + tile.group * n_rows + place) * n_columns() + column;
            var value = select(low, high, i % 2u == 1u)[i / 2u];
            if params.beta != 0.0 {
                value += params.beta * load_grad_weight(ix);
            }
            store_grad_weight(ix, value);
        }
    }
}
