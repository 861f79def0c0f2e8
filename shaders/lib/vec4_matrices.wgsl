// needs: panel_tile
// Two stored matrices as the part panel_tile wants them, each in vec4s: a of four neighbouring rows, b of four neighbouring columns.
//
// MERGED says that all of a batch have the same a, and counts the columns through them; else each is a product of its own. SPLIT_K,
// with MERGED, cuts the sums into slices of `slice` products, a multiple of BLOCK_K; part s holds those of slice s. WHOLE_K says
// that k is a multiple of BLOCK_K.
// Wants the bindings a and b of vec4s, SPLIT_K and WHOLE_K in the prelude, MERGED there or in the kernel, and of the kernel
// `write_rows`, which stores four rows of a vec4 of columns.

// Vec4s of a row of b.
fn n_column_quads() -> u32 {
    return (params.n + 3u) / 4u;
}

fn n_row_quads() -> u32 {
    return (params.m + 3u) / 4u;
}

fn n_columns_in_all() -> u32 {
    return select(1u, params.batch, MERGED) * n_column_quads();
}

// Tiles of the same columns are neighbours: they share what they read of b.
fn tile_at(ix: u32) -> Tile {
    let n_row_tiles = (n_row_quads() + ROW_QUADS - 1u) / ROW_QUADS;
    let n_column_tiles = (n_columns_in_all() + COLUMN_QUADS - 1u) / COLUMN_QUADS;
    let rest = ix / n_row_tiles / n_column_tiles;
    let panels = (params.k + BLOCK_K - 1u) / BLOCK_K;
    var tile: Tile;
    tile.row = ix % n_row_tiles * ROW_QUADS;
    tile.column = ix / n_row_tiles % n_column_tiles * COLUMN_QUADS;
    tile.group = rest % params.groups;
    tile.part = rest / params.groups;
    let each = params.slice / BLOCK_K;
    tile.begin = select(0u, tile.part * each, SPLIT_K);
    tile.end = select(panels, min(tile.begin + each, panels), SPLIT_K);
    tile.exists = select(tile.part < select(params.batch, 1u, MERGED), tile.begin < tile.end, SPLIT_K);
    return tile;
}

fn prepare(tile: Tile, local_ix: u32) {}

// Where a vec4 lies, and the product that it belongs to.
struct Rows {
    at: u32,
    k: u32,
}

struct Columns {
    at: u32,
    k: u32,
}

fn rows_at(tile: Tile, k: u32, quad: u32) -> Rows {
    let first = tile.begin * BLOCK_K + k;
    let part = select(tile.part, 0u, MERGED);
    let start = (params.a_base + part * params.a_batch + tile.group * params.a_group) / 4u;
    return Rows(start + first * (params.a_column / 4u) + min(tile.row + quad, n_row_quads() - 1u), first);
}

fn advance_rows(rows: Rows) -> Rows {
    return Rows(rows.at + BLOCK_K * (params.a_column / 4u), rows.k + BLOCK_K);
}

fn fetch_rows(rows: Rows, j: u32) -> vec4<f32> {
    let at = rows.at + j * ROW_KS * (params.a_column / 4u);
    if WHOLE_K {
        return load_a(at);
    }
    let exists = rows.k + j * ROW_KS < params.k;
    return select(vec4<f32>(), load_a(select(params.a_base / 4u, at, exists)), exists);
}

// Image and vec4 in it of a vec4 of columns, for those behind the last the last.
fn column_place(tile: Tile, quad: u32) -> vec2<u32> {
    let place = min(quad, n_columns_in_all() - 1u);
    if MERGED {
        return vec2<u32>(place / n_column_quads(), place % n_column_quads());
    }
    return vec2<u32>(tile.part, place);
}

fn columns_at(tile: Tile, k: u32, quad: u32) -> Columns {
    let first = tile.begin * BLOCK_K + k;
    let place = column_place(tile, tile.column + quad);
    let start = (params.b_base + place.x * params.b_batch + tile.group * params.b_group) / 4u;
    return Columns(start + first * (params.b_row / 4u) + place.y, first);
}

fn advance_columns(columns: Columns) -> Columns {
    return Columns(columns.at + BLOCK_K * (params.b_row / 4u), columns.k + BLOCK_K);
}

fn fetch_columns(columns: Columns, j: u32) -> vec4<f32> {
    let at = columns.at + j * COLUMN_KS * (params.b_row / 4u);
    if WHOLE_K {
        return load_b(at);
    }
    let exists = columns.k + j * COLUMN_KS < params.k;
    return select(vec4<f32>(), load_b(select(params.b_base / 4u, at, exists)), exists);
}

fn write_sums(tile: Tile, thread_row: u32, thread_column: u32, sums: Sums) {
    let row = tile.row + thread_row;
    let column = tile.column + thread_column;
    write_rows(tile, row, column, sums.low_low);
    if ROW_VEC4S > 1u {
        write_rows(tile, row + ROW_THREADS, column, sums.high_low);
    }
    if COLUMN_VEC4S > 1u {
        write_rows(tile, row, column + COLUMN_THREADS, sums.low_high);
        if ROW_VEC4S > 1u {
            write_rows(tile, row + ROW_THREADS, column + COLUMN_THREADS, sums.high_high);
        }
    }
}
