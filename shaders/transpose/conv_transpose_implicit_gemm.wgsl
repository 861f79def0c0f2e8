// needs: view window_params grid implicit_tile phase_taps tap_mask write_rows tile_shape
// output[n,co,o] = epilogue(sum_{ci,k : k*dilation = o + pad (mod stride)} input[n, ci, (o + pad - k*dilation) / stride] * weight[ci, co mod OPG, k])
//
// The phases of `conv_transpose_phases`, each a matrix product as in `conv_implicit_gemm`: rows are the output channels of a
// group, columns the outputs of one phase of all images, and the sum goes over channels and the taps of the phase, every
// tap_step-th of each axis from a first one on. A workgroup stays in one phase, and all phases are one dispatch. At stride 1
// there is one: the convolution with the turned kernel. MASKED for at most 32 taps, as there.
// Dispatch: groups * prod(stride) * ceil(OPG / BLOCK_ROWS) * ceil(batch * prod(ceil(out / stride)) / BLOCK_COLUMNS) workgroups,
// folded.
// Prelude: ROW_THREADS, COLUMN_THREADS, MASKED, FLIP_KERNEL.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// Neighbouring outputs of a phase read neighbours.
const K_FASTEST: bool = false;

// What the first taps of an output read, as an index that may wrap and as a place that may lie outside.
struct Column {
    start: u32,
    mask: u32,
    newest: vec3<i32>,
    exists: bool,
}

fn lattice_size() -> vec3<u32> {
    return (params.output_size + params.stride - 1u) / params.stride;
}

fn n_lattice() -> u32 {
    let lattice = lattice_size();
    return lattice.x * lattice.y * lattice.z;
}

// Tiles of the same columns are neighbours: they share what they read of the input.
fn tile_at(ix: u32) -> Tile {
    let n_row_tiles = (params.c_out / params.groups + BLOCK_ROWS - 1u) / BLOCK_ROWS;
    let n_column_tiles = (params.batch * n_lattice() + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS;
    let n_phases = params.stride.x * params.stride.y * params.stride.z;
    let part = ix / n_row_tiles / n_column_tiles;
    var tile: Tile;
    tile.row = ix % n_row_tiles * BLOCK_ROWS;
    tile.column = ix / n_row_tiles % n_column_tiles * BLOCK_COLUMNS;
    tile.group = part / n_phases;
    tile.exists = tile.group < params.groups;
    tile.part = unravel(part % n_phases, params.stride);
    tile.first = first_taps(tile.part);
    tile.step = tap_steps();
    let taps = (params.kernel_size - tile.first + tile.step - 1u) / tile.step;
    tile.k_end = params.c_in / params.groups * taps.x * taps.y * taps.z;
    // A phase without taps has an empty sum; its places are not used.
    tile.extents = max(taps, vec3<u32>(1u));
    return tile;
}

fn column_at(tile: Tile, ix: u32) -> Column {
    let exists = ix < params.batch * n_lattice();
    let place = select(0u, ix, exists);
    let plane = view_index(params.input, place / n_lattice(), tile.group * (params.c_in / params.groups), vec3<u32>(0u));
    // Exact where the tap exists: it was chosen so.
    let reach = vec3<i32>(tile.part + params.pad_begin) - vec3<i32>(tile.first * params.dilation);
    let newest = vec3<i32>(unravel(place % n_lattice(), lattice_size())) + reach / vec3<i32>(params.stride);
    let at = bitcast<vec3<u32>>(newest);
    var column: Column;
    column.start = plane + at.x * params.input.d + at.y * params.input.h + at.z * params.input.w;
    column.newest = newest;
    column.exists = exists;
    if MASKED {
        let mask = tap_mask(newest, -vec3<i32>(inputs_between(tile)), tile.extents, params.input_size);
        column.mask = select(0u, mask, exists);
    }
    return column;
}

// Inputs between one tap of the phase and the next: dilation / gcd(stride, dilation).
fn inputs_between(tile: Tile) -> vec3<u32> {
    return params.dilation / (params.stride / tile.step);
}

// The place of an element of the sum: its channel, and how far before the first one its tap reads.
struct Tap {
    inside: bool,
    before: vec3<i32>,
    // Of both, as an index.
    step: u32,
    bit: u32,
}

fn fetch(column: Column, tap: Tap) -> f32 {
    var exists = (column.mask & tap.bit) != 0u;
    if !MASKED {
        let p = bitcast<vec3<u32>>(column.newest - tap.before);
        exists = tap.inside & column.exists & all(p < params.input_size);
    }
    return select(0.0, load_input(select(0u, column.start + tap.step, exists)), exists);
}

// A row of the input's matrix, at four columns.
fn fetch_columns(tile: Tile, k: u32, place: Place, c_0: Column, c_1: Column, c_2: Column, c_3: Column) -> vec4<f32> {
    let before = place.inner * inputs_between(tile);
    var tap: Tap;
    tap.inside = k < tile.k_end;
    tap.before = vec3<i32>(before);
    tap.step = place.outer * params.input.c
        - before.x * params.input.d - before.y * params.input.h - before.z * params.input.w;
    if MASKED {
        let at = place.inner;
        tap.bit = select(0u, 1u << ((at.x * tile.extents.y + at.y) * tile.extents.z + at.z), tap.inside);
    }
    return vec4<f32>(fetch(c_0, tap), fetch(c_1, tap), fetch(c_2, tap), fetch(c_3, tap));
}

// A column of the weight's matrix, at four rows a quarter of the tile apart.
fn fetch_rows(tile: Tile, k: u32, place: Place, row: u32) -> vec4<f32> {
    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let n_rows = params.c_out / params.groups;
    let at = tile.first + place.inner * tile.step;
    var tap = (at.x * kernel.y + at.y) * kernel.z + at.z;
    if FLIP_KERNEL {
        tap = n_taps - 1u - tap;
    }
    let rows = rows_at(row, n_rows);
    let ci = tile.group * (params.c_in / params.groups) + place.outer;
    let inside = k < tile.k_end;
    let ix = select(vec4<u32>(), (ci * n_rows + rows) * n_taps + tap, inside);
    let weights = vec4<f32>(load_weight(ix.x), load_weight(ix.y), load_weight(ix.z), load_weight(ix.w));
    return select(vec4<f32>(), weights, inside);
}

fn write_column(tile: Tile, row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
    if column >= params.batch * n_lattice() {
        return;
    }
    let n = column / n_lattice();
    let p = unravel(column % n_lattice(), lattice_size()) * params.stride + tile.part;
    // The lattice covers more than the outputs where these are no multiple of the stride.
    if any(p >= params.output_size) {
        return;
    }
    write_rows(n, tile.group, params.c_out / params.groups, row, p, low, high);
}
