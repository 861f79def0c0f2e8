// grad_weight[co,ci,k] = sum_{n,o} grad_output[n,co,o] * input[n, g*CPG + ci, o*stride - pad + k*dilation] + beta * grad_weight
// with CPG = c_in / groups and g = co / (c_out / groups); tap k is stored mirrored when FLIP_KERNEL.
//
// A matrix product whose columns are gathered as they are staged: rows are the output channels of a group, columns the
// CPG * prod(kernel) weights of each, and the sum goes over the positions of all images, cut into slices of `count`, which lie
// one behind the other, to be added by `sum_slices`. The tiles are those of the part implicit_tile; neighbours of the sum lie
// together in both tensors. Of a column an invocation keeps its channel and where its tap lies in a window.
// Dispatch: slices * groups * ceil(c_out_per_group / BLOCK) * ceil(CPG * prod(kernel) / BLOCK) workgroups, folded.
// Prelude: THREADS, BLOCK_K, PADDING_MODE, FLIP_KERNEL.

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
    let n_row_tiles = (params.c_out / params.groups + BLOCK - 1u) / BLOCK;
    let n_column_tiles = (n_columns() + BLOCK - 1u) / BLOCK;
    let part = ix / n_row_tiles / n_column_tiles;
    let n_positions = params.batch * params.output_size.x * params.output_size.y * params.output_size.z;
    var tile: Tile;
    tile.row = ix % n_row_tiles * BLOCK;
    tile.column = ix / n_row_tiles % n_column_tiles * BLOCK;
    tile.group = part % params.groups;
    tile.part = vec3<u32>(part / params.groups, 0u, 0u);
    tile.k_begin = tile.part.x * params.count;
    tile.k_end = min(tile.k_begin + params.count, n_positions);
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

fn fetch(column: Column, image: u32, origin: vec3<i32>) -> f32 {
    let p = origin + column.tap_offset;
    let d = padded_coordinate(p.x, i32(params.input_size.x));
    let h = padded_coordinate(p.y, i32(params.input_size.y));
    let w = padded_coordinate(p.z, i32(params.input_size.z));
    if !column.exists || d == OUTSIDE || h == OUTSIDE || w == OUTSIDE {
        return 0.0;
    }
    return load_input(column.channel + image + u32(d) * params.input.d + u32(h) * params.input.h + u32(w) * params.input.w);
}

// What the windows at a position hold of four columns' taps.
fn fetch_columns(tile: Tile, k: u32, place: Place, c_0: Column, c_1: Column, c_2: Column, c_3: Column) -> vec4<f32> {
    if k >= tile.k_end {
        return vec4<f32>();
    }
    let origin = vec3<i32>(place.inner * params.stride);
    let image = place.outer * params.input.n;
    return vec4<f32>(
        fetch(c_0, image, origin), fetch(c_1, image, origin), fetch(c_2, image, origin), fetch(c_3, image, origin),
    );
}

// The gradients at a position, of four output channels QUARTER apart. Those beyond the last are zero.
fn fetch_rows(tile: Tile, k: u32, place: Place, row: u32) -> vec4<f32> {
    if k >= tile.k_end {
        return vec4<f32>();
    }
    let n_rows = params.c_out / params.groups;
    let start = view_index(params.grad_output, place.outer, tile.group * n_rows + row, place.inner);
    let quarter = QUARTER * params.grad_output.c;
    var rows = vec4<f32>();
    if row < n_rows { rows.x = load_grad_output(start); }
    if row + QUARTER < n_rows { rows.y = load_grad_output(start + quarter); }
    if row + 2u * QUARTER < n_rows { rows.z = load_grad_output(start + 2u * quarter); }
    if row + 3u * QUARTER < n_rows { rows.w = load_grad_output(start + 3u * quarter); }
    return rows;
}

// The sums of one column: rows QUARTER apart from `row` on, and those THREADS further.
fn write_column(tile: Tile, row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
    if column >= n_columns() {
        return;
    }
    let n_rows = params.c_out / params.groups;
    for (var i = 0u; i < 8u; i++) {
        let place = row + i / 2u * QUARTER + i % 2u * THREADS;
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
