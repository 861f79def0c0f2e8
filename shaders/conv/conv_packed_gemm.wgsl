// needs: view window_params grid padding panel_tile write_output
// output[n,co,o] = epilogue(sum_{k,ci} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// A matrix product whose right-hand matrix is never stored: rows are the output channels of a group, columns the positions of all
// images. It is summed tap by tap over weights packed as weight[group][tap][ci][co], channels filled up with zeros to whole panels
// and rows to whole vec4s: an invocation finds the four elements that a tap reads for its columns once, and then walks the channels.
// The tiles are those of the part panel_tile. A staged vec4 of columns holds those a quarter of the tile apart, so that neighbouring
// invocations load neighbours. WHOLE_K says that the channels are a multiple of BLOCK_K. SPLIT_K cuts the sums into slices of
// `slice` panels; those of slice s are stored as images s * batch and following, for `conv_sum_slices`. FLAT says that the positions
// of an output lie evenly spaced, `w` apart.
// Dispatch: slices * groups * ceil(c_out_per_group / BLOCK_ROWS) * ceil(batch * positions / BLOCK_COLUMNS) workgroups, folded.
// Prelude: ROW_THREADS, COLUMN_THREADS, ROW_VEC4S, COLUMN_VEC4S, BLOCK_K, PADDING_MODE, WHOLE_K, FLAT, SPLIT_K.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// Of each column of the tile where its image begins, and where its window does, which may be outside.
var<workgroup> sh_windows: array<vec4<i32>, BLOCK_COLUMNS>;

fn n_positions() -> u32 {
    return params.output_size.x * params.output_size.y * params.output_size.z;
}

fn n_channels() -> u32 {
    return params.c_in / params.groups;
}

// Panels of a tap.
fn n_panels() -> u32 {
    return (n_channels() + BLOCK_K - 1u) / BLOCK_K;
}

fn n_taps() -> u32 {
    return params.kernel_size.x * params.kernel_size.y * params.kernel_size.z;
}

// Vec4s of packed rows.
fn row_pitch() -> u32 {
    return (params.c_out / params.groups + 3u) / 4u;
}

// Tiles of the same columns are neighbours: they share what they read of the input.
fn tile_at(ix: u32) -> Tile {
    let n_row_tiles = (params.c_out / params.groups + BLOCK_ROWS - 1u) / BLOCK_ROWS;
    let n_column_tiles = (params.batch * n_positions() + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS;
    let n_groups = params.groups;
    var tile: Tile;
    tile.row = ix % n_row_tiles * ROW_QUADS;
    tile.column = ix / n_row_tiles % n_column_tiles * COLUMN_QUADS;
    tile.group = ix / n_row_tiles / n_column_tiles % n_groups;
    let slice = ix / n_row_tiles / n_column_tiles / n_groups;
    tile.part = slice;
    let panels = n_taps() * n_panels();
    tile.begin = select(0u, slice * params.slice, SPLIT_K);
    tile.end = select(panels, min(tile.begin + params.slice, panels), SPLIT_K);
    tile.exists = select(slice == 0u, tile.begin < tile.end, SPLIT_K);
    return tile;
}

fn prepare(tile: Tile, local_ix: u32) {
    for (var i = local_ix; i < BLOCK_COLUMNS; i += N_INVOCATIONS) {
        let column = 4u * tile.column + i;
        // Behind the last column it is taken again: what comes of it is not written.
        let place = min(column, params.batch * n_positions() - 1u);
        let n = place / n_positions();
        let o = unravel(place % n_positions(), params.output_size);
        let origin = vec3<i32>(o * params.stride) - vec3<i32>(params.pad_begin);
        let plane = view_index(params.input, n, tile.group * n_channels(), vec3<u32>(0u));
        sh_windows[i] = vec4<i32>(i32(plane), origin);
    }
}

struct Rows {
    at: u32,
}

fn rows_at(tile: Tile, k: u32, quad: u32) -> Rows {
    let first = tile.group * n_taps() * n_panels() * BLOCK_K + tile.begin * BLOCK_K + k;
    return Rows(first * row_pitch() + min(tile.row + quad, row_pitch() - 1u));
}

fn advance_rows(rows: Rows) -> Rows {
    return Rows(rows.at + BLOCK_K * row_pitch());
}

fn fetch_rows(rows: Rows, j: u32) -> vec4<f32> {
    return load_weight(rows.at + j * ROW_KS * row_pitch());
}

struct Columns {
    // Of the columns, as in sh_windows.
    lane: u32,
    // The product of a panel that the invocation stages first, and the first channel of the panel.
    k: u32,
    channel: u32,
    tap: vec3<u32>,
    // Of the tap in channel 0, a valid place where there is nothing.
    at: vec4<u32>,
    inside: vec4<bool>,
}

struct Element {
    at: u32,
    inside: bool,
}

fn element_at(column: u32, tap: vec3<i32>) -> Element {
    let window = sh_windows[column];
    let p = window.yzw + tap;
    let d = padded_coordinate(p.x, i32(params.input_size.x));
    let h = padded_coordinate(p.y, i32(params.input_size.y));
    let w = padded_coordinate(p.z, i32(params.input_size.z));
    let inside = (d != OUTSIDE) & (h != OUTSIDE) & (w != OUTSIDE);
    let step = u32(d) * params.input.d + u32(h) * params.input.h + u32(w) * params.input.w;
    return Element(u32(window.x) + select(0u, step, inside), inside);
}

fn with_tap(columns: Columns, tap: vec3<u32>) -> Columns {
    let offset = vec3<i32>(tap * params.dilation);
    let e_0 = element_at(columns.lane, offset);
    let e_1 = element_at(columns.lane + COLUMN_QUADS, offset);
    let e_2 = element_at(columns.lane + 2u * COLUMN_QUADS, offset);
    let e_3 = element_at(columns.lane + 3u * COLUMN_QUADS, offset);
    var next = columns;
    next.tap = tap;
    next.at = vec4<u32>(e_0.at, e_1.at, e_2.at, e_3.at);
    next.inside = vec4<bool>(e_0.inside, e_1.inside, e_2.inside, e_3.inside);
    return next;
}

fn columns_at(tile: Tile, k: u32, lane: u32) -> Columns {
    var columns: Columns;
    columns.lane = lane;
    columns.k = k;
    columns.channel = tile.begin % n_panels() * BLOCK_K;
    return with_tap(columns, unravel(tile.begin / n_panels(), params.kernel_size));
}

fn advance_columns(columns: Columns) -> Columns {
    var next = columns;
    next.channel += BLOCK_K;
    if next.channel >= n_channels() {
        next.channel = 0u;
        var tap = columns.tap;
        tap.z++;
        if tap.z == params.kernel_size.z {
            tap.z = 0u;
            tap.y++;
        }
        if tap.y == params.kernel_size.y {
            tap.y = 0u;
            tap.x++;
        }
        next = with_tap(next, tap);
    }
    return next;
}

fn fetch_columns(columns: Columns, j: u32) -> vec4<f32> {
    let channel = columns.channel + columns.k + j * COLUMN_KS;
    var inside = columns.inside;
    var step = channel * params.input.c;
    if !WHOLE_K {
        let exists = channel < n_channels();
        step = select(0u, step, exists);
        inside = inside & vec4<bool>(exists);
    }
    let at = columns.at + step;
    let values = vec4<f32>(load_input(at.x), load_input(at.y), load_input(at.z), load_input(at.w));
    return select(vec4<f32>(), values, inside);
}

// Eight rows of one column: four neighbours from vec4 `row` on, and four from ROW_THREADS vec4s further.
fn write_column(tile: Tile, row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
    if column >= params.batch * n_positions() {
        return;
    }
    let n_rows = params.c_out / params.groups;
    let n = tile.part * params.batch + column / n_positions();
    var p = vec3<u32>(0u, 0u, column % n_positions());
    if !FLAT {
        p = unravel(p.z, params.output_size);
    }
    for (var i = 0u; i < 4u * ROW_VEC4S; i++) {
        let place = 4u * (row + i / 4u * ROW_THREADS) + i % 4u;
        if place < n_rows {
            write_output(n, tile.group * n_rows + place, p, select(low, high, i >= 4u)[i % 4u]);
        }
    }
}

fn write_columns(tile: Tile, row: u32, column: u32, low: mat4x4<f32>, high: mat4x4<f32>) {
    let low_columns = transpose(low);
    let high_columns = transpose(high);
    write_column(tile, row, column, low_columns[0], high_columns[0]);
    write_column(tile, row, column + COLUMN_QUADS, low_columns[1], high_columns[1]);
    write_column(tile, row, column + 2u * COLUMN_QUADS, low_columns[2], high_columns[2]);
    write_column(tile, row, column + 3u * COLUMN_QUADS, low_columns[3], high_columns[3]);
}

fn write_sums(tile: Tile, thread_row: u32, thread_column: u32, sums: Sums) {
    let row = tile.row + thread_row;
    let column = 4u * tile.column + thread_column;
    write_columns(tile, row, column, sums.low_low, sums.high_low);
    if COLUMN_VEC4S > 1u {
        write_columns(tile, row, column + COLUMN_THREADS, sums.low_high, sums.high_high);
    }
}
