// output[n,co,o] = epilogue(sum_{ci,k : k*dilation = o + pad (mod stride)} input[n, ci, (o + pad - k*dilation) / stride] * weight[ci, co mod OPG, k])
//
// The phases of `conv_transpose_phases`, each a matrix product as in `conv_implicit_gemm`: rows are the output channels of a
// group, columns the outputs of one phase of all images, and the sum goes over channels and the taps of the phase, every
// tap_step-th of each axis from a first one on. A workgroup stays in one phase, and all phases are one dispatch. At stride 1
// there is one: the convolution with the turned kernel.
// Dispatch: groups * prod(stride) * ceil(OPG / BLOCK) * ceil(batch * prod(ceil(out / stride)) / BLOCK) workgroups, folded.
// Prelude: THREADS, BLOCK_K, FLIP_KERNEL.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// Neighbouring outputs of a phase read neighbours.
const K_FASTEST: bool = false;

// What the first taps of an output read, which may lie outside.
struct Column {
    plane: u32,
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
    let n_row_tiles = (params.c_out / params.groups + BLOCK - 1u) / BLOCK;
    let n_column_tiles = (params.batch * n_lattice() + BLOCK - 1u) / BLOCK;
    let n_phases = params.stride.x * params.stride.y * params.stride.z;
    let part = ix / n_row_tiles / n_column_tiles;
    var tile: Tile;
    tile.row = ix % n_row_tiles * BLOCK;
    tile.column = ix / n_row_tiles % n_column_tiles * BLOCK;
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
    return Column(plane, newest, exists);
}

fn fetch(column: Column, channel: u32, before: vec3<i32>) -> f32 {
    let p = bitcast<vec3<u32>>(column.newest - before);
    if !column.exists || any(p >= params.input_size) {
        return 0.0;
    }
    return load_input(column.plane + channel + p.x * params.input.d + p.y * params.input.h + p.z * params.input.w);
}

// A row of the input's matrix, at four columns.
fn fetch_columns(tile: Tile, k: u32, place: Place, c_0: Column, c_1: Column, c_2: Column, c_3: Column) -> vec4<f32> {
    if k >= tile.k_end {
        return vec4<f32>();
    }
    // Inputs between one tap of the phase and the next: dilation / gcd(stride, dilation).
    let before = vec3<i32>(place.inner * (params.dilation / (params.stride / tile.step)));
    let channel = place.outer * params.input.c;
    return vec4<f32>(
        fetch(c_0, channel, before), fetch(c_1, channel, before), fetch(c_2, channel, before), fetch(c_3, channel, before),
    );
}

// A column of the weight's matrix, at four rows QUARTER apart. Rows beyond the last are zero.
fn fetch_rows(tile: Tile, k: u32, place: Place, row: u32) -> vec4<f32> {
    if k >= tile.k_end {
        return vec4<f32>();
    }
    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let n_rows = params.c_out / params.groups;
    let at = tile.first + place.inner * tile.step;
    var tap = (at.x * kernel.y + at.y) * kernel.z + at.z;
    if FLIP_KERNEL {
        tap = n_taps - 1u - tap;
    }
    let ci = tile.group * (params.c_in / params.groups) + place.outer;
    let start = (ci * n_rows + row) * n_taps + tap;
    var rows = vec4<f32>();
    if row < n_rows { rows.x = load_weight(start); }
    if row + QUARTER < n_rows { rows.y = load_weight(start + QUARTER * n_taps); }
    if row + 2u * QUARTER < n_rows { rows.z = load_weight(start + 2u * QUARTER * n_taps); }
    if row + 3u * QUARTER < n_rows { rows.w = load_weight(start + 3u * QUARTER * n_taps); }
    return rows;
}

// The sums of one column: rows QUARTER apart from `row` on, and those THREADS further.
fn write_column(tile: Tile, row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
    if column >= params.batch * n_lattice() {
        return;
    }
    let n_rows = params.c_out / params.groups;
    let n = column / n_lattice();
    let p = unravel(column % n_lattice(), lattice_size()) * params.stride + tile.part;
    // The lattice covers more than the outputs where these are no multiple of the stride.
    if any(p >= params.output_size) {
        return;
    }
    for (var i = 0u; i < 8u; i++) {
        let place = row + i / 2u * QUARTER + i % 2u * THREADS;
        if place < n_rows {
            write_output(n, tile.group * n_rows + place, p, select(low, high, i % 2u == 1u)[i / 2u]);
        }
    }
}
