// needs: gemm_params grid implicit_tile tile_shape write_rows
// c[batch,group][i,j] = epilogue(sum_k a[group][i,k] * b[batch,group][k,j])
//
// The tiles are those of the part implicit_tile, between strided matrices. SPLIT_K cuts the sums into slices, whose places
// count as the batch, and the elements of a sum into runs of neighbours.
// Dispatch: batch * groups * ceil(m / BLOCK_ROWS) * ceil(n / BLOCK_COLUMNS) workgroups, folded.
// Prelude: ROW_THREADS, COLUMN_THREADS, SPLIT_K.

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// Columns of b lie together.
const K_FASTEST: bool = false;

struct Column {
    start: u32,
    exists: bool,
}

// Tiles of the same columns are neighbours: they share what they read of b.
fn tile_at(ix: u32) -> Tile {
    let n_row_tiles = (params.m + BLOCK_ROWS - 1u) / BLOCK_ROWS;
    let n_column_tiles = (params.n + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS;
    let part = ix / n_row_tiles / n_column_tiles;
    let batch = part / params.groups;
    var tile: Tile;
    tile.row = ix % n_row_tiles * BLOCK_ROWS;
    tile.column = ix / n_row_tiles % n_column_tiles * BLOCK_COLUMNS;
    tile.group = part % params.groups;
    tile.part.x = batch;
    tile.exists = batch < params.batch;
    tile.k_begin = select(0u, batch * params.slice, SPLIT_K);
    tile.k_end = select(params.k, min(tile.k_begin + params.slice, params.k), SPLIT_K);
    // Of runs, or one run.
    tile.extents = vec3<u32>(1u, 1u, select(params.k, params.run, SPLIT_K));
    return tile;
}

fn column_at(tile: Tile, ix: u32) -> Column {
    let start = params.b_base + tile.part.x * params.b_batch + tile.group * params.b_group;
    return Column(start + ix * params.b_column, ix < params.n);
}

fn fetch(column: Column, inside: bool, place: u32) -> f32 {
    let exists = inside & column.exists;
    return select(0.0, load_b(select(0u, column.start + place, exists)), exists);
}

// Row k of b, at four columns.
fn fetch_columns(tile: Tile, k: u32, place: Place, c_0: Column, c_1: Column, c_2: Column, c_3: Column) -> vec4<f32> {
    let inside = k < tile.k_end;
    let at = place.outer * params.b_run + place.inner.z * params.b_row;
    return vec4<f32>(fetch(c_0, inside, at), fetch(c_1, inside, at), fetch(c_2, inside, at), fetch(c_3, inside, at));
}

// Column k of a, at four rows a quarter of the tile apart.
fn fetch_rows(tile: Tile, k: u32, place: Place, row: u32) -> vec4<f32> {
    let rows = rows_at(row, params.m);
    let inside = k < tile.k_end;
    let start = params.a_base + tile.part.x * params.a_batch + tile.group * params.a_group;
    let at = start + place.outer * params.a_run + place.inner.z * params.a_column;
    let ix = select(vec4<u32>(), at + rows * params.a_row, inside);
    let values = vec4<f32>(load_a(ix.x), load_a(ix.y), load_a(ix.z), load_a(ix.w));
    return select(vec4<f32>(), values, inside);
}

fn write_column(tile: Tile, row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
    if column >= params.n {
        return;
    }
    let p = unravel(column, params.output_size);
    write_rows(tile.part.x, tile.group, params.m, row, p, low, high);
}
