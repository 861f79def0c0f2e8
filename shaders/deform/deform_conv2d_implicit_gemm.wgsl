// needs: view window_params grid bilinear four_products sampling_point tile_shape write_rows
// output[n,co,oy,ox] = epilogue(sum_{ci,t} weight[co,ci,t] * mask[n,og(ci),t,oy,ox] * sample(input[n,ci], y_t, x_t))
// with the sampling points of deform_conv2d_direct.
//
// A matrix product whose right-hand matrix is sampled as it is staged: rows are the output channels of a group, columns the
// positions of all images, in tiles of the part tile_shape. The sum goes over blocks of CHANNELS input channels, all of one offset group, in each over the
// taps, and in each over panels of BLOCK_K channels. An invocation stages one column, so that it finds the four corners of
// one point once for a whole block; the taps of a block read the same pixels and the same lines of the weight, which a
// cache holds meanwhile. It loads its part of the next panels, and the offsets of the next points, before it computes with
// the staged ones, and weighs the corners when it stores them.
//
// A staged vec4 holds four channels of one row (column); neighbouring invocations store and load neighbouring ones. The main is not that
// of implicit_tile, which stages a place of the sum of four columns: here what a place reads depends on a point that a column keeps
// for a whole block of channels.
// Dispatch: groups * ceil(c_out_per_group / BLOCK_ROWS) * ceil(batch * positions / BLOCK_COLUMNS) workgroups, folded.
// Prelude: ROW_THREADS, COLUMN_THREADS, HAS_MASK.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> offset: array<f32>;
@group(0) @binding(4) var<storage, read> mask: array<f32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> output: array<f32>;

const QUADS: u32 = BLOCK_K / 4u;
const CHANNELS: u32 = 16u;
// Quads of a panel that are staged at once, of rows and of columns.
const ROW_QUADS_AT_ONCE: u32 = N_INVOCATIONS / BLOCK_ROWS;
const COLUMN_QUADS_AT_ONCE: u32 = N_INVOCATIONS / BLOCK_COLUMNS;
const_assert 16u * QUADS * (BLOCK_ROWS + BLOCK_COLUMNS) <= 16384u;
const_assert CHANNELS % BLOCK_K == 0u;
const_assert QUADS == 2u;
const_assert ROW_QUADS_AT_ONCE == 1u || ROW_QUADS_AT_ONCE == QUADS;
const_assert COLUMN_QUADS_AT_ONCE == 1u || COLUMN_QUADS_AT_ONCE == QUADS;

var<workgroup> sh_weight: array<vec4<f32>, QUADS * BLOCK_ROWS>;
var<workgroup> sh_input: array<vec4<f32>, QUADS * BLOCK_COLUMNS>;

struct Tile {
    exists: bool,
    row: u32,
    column: u32,
    group: u32,
}

fn n_positions() -> u32 {
    return params.output_size.y * params.output_size.z;
}

fn n_taps() -> u32 {
    return params.kernel_size.y * params.kernel_size.z;
}

// A panel: channels `ci` to ci + BLOCK_K of the group, at a tap, of the block `first` to `end`.
struct Place {
    first: u32,
    end: u32,
    tap: u32,
    ci: u32,
}

// The block that begins at a channel of the group: it ends with its offset group.
fn block_at(first: u32, group: u32) -> Place {
    let channels = params.c_in / params.groups;
    let per_offset_group = params.c_in / params.offset_groups;
    let left = per_offset_group - (group * channels + first) % per_offset_group;
    return Place(first, min(first + min(left, CHANNELS), channels), 0u, first);
}

fn advance(place: Place, group: u32) -> Place {
    if place.ci + BLOCK_K < place.end {
        return Place(place.first, place.end, place.tap, place.ci + BLOCK_K);
    }
    return next_point(place, group);
}

// The first panel with other points: of the next tap, or of the next block.
fn next_point(place: Place, group: u32) -> Place {
    if place.tap + 1u < n_taps() {
        return Place(place.first, place.end, place.tap + 1u, place.first);
    }
    return block_at(place.end, group);
}

// Where a column samples: corners relative to channel 0 of an image.
struct Point {
    corners: vec4<u32>,
    weight: vec4<f32>,
    counts: vec4<bool>,
    modulation: f32,
}

// What a point is computed from. It is loaded a panel before it is needed.
struct Sampling {
    offset: vec2<f32>,
    modulation: f32,
}

// The output position of a column.
struct Position {
    exists: bool,
    n: u32,
    o: vec3<u32>,
}

fn offset_group_of(place: Place, group: u32) -> u32 {
    let first = group * (params.c_in / params.groups) + place.first;
    // Beyond the last channel something is loaded that nobody uses.
    return min(first / (params.c_in / params.offset_groups), params.offset_groups - 1u);
}

fn sampling_at(place: Place, group: u32, position: Position) -> Sampling {
    let offset_group = offset_group_of(place, group);
    return Sampling(
        sampling_offset(position.n, offset_group, place.tap, position.o),
        modulation_at(position.n, offset_group, place.tap, position.o),
    );
}

// A column beyond the last one has no sample.
fn point_of(sampling: Sampling, tap: u32, position: Position) -> Point {
    let at = grid_point(tap, position.o) + sampling.offset;
    let taps = bilinear_taps(at.x, at.y, params.input_size.y, params.input_size.z);
    let counts = taps.inside && position.exists;
    var point: Point;
    point.corners = select(vec4<u32>(), taps.y * params.input.h + taps.x * params.input.w, counts);
    point.weight = select(vec4<f32>(), taps.weight, counts);
    point.counts = taps.valid & vec4<bool>(counts);
    point.modulation = select(0.0, sampling.modulation, counts);
    return point;
}

// The corners of one channel. A corner outside the image is dropped. No load is behind a branch.
fn fetch_corners(point: Point, exists: bool, plane: u32) -> vec4<f32> {
    let at = select(vec4<u32>(), plane + point.corners, exists);
    let corners = vec4<f32>(load_input(at.x), load_input(at.y), load_input(at.z), load_input(at.w));
    return select(vec4<f32>(), corners, point.counts & vec4<bool>(exists));
}

// Those of the four channels of a quad, a column of the matrix each.
fn fetch_quad(place: Place, quad: u32, point: Point, plane: u32) -> mat4x4<f32> {
    let ci = place.ci + 4u * quad;
    let at = plane + ci * params.input.c;
    return mat4x4<f32>(
        fetch_corners(point, ci < place.end, at),
        fetch_corners(point, ci + 1u < place.end, at + params.input.c),
        fetch_corners(point, ci + 2u < place.end, at + 2u * params.input.c),
        fetch_corners(point, ci + 3u < place.end, at + 3u * params.input.c),
    );
}

// Their samples. What has no point is zero, whatever its mask.
fn samples(point: Point, corners: mat4x4<f32>) -> vec4<f32> {
    let turned = transpose(corners);
    let w = point.weight;
    return point.modulation * (w.x * turned[0] + w.y * turned[1] + w.z * turned[2] + w.w * turned[3]);
}

// Four channels of a row of the weight's matrix. What is fetched for rows beyond the last is never written.
fn fetch_weights(place: Place, quad: u32, group: u32, row: u32) -> vec4<f32> {
    let n_rows = params.c_out / params.groups;
    let ci = place.ci + 4u * quad;
    let at = ((group * n_rows + min(row, n_rows - 1u)) * (params.c_in / params.groups) + ci) * n_taps() + place.tap;
    let inside = vec4<u32>(ci) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(place.end);
    let ix = select(vec4<u32>(), vec4<u32>(at) + vec4<u32>(0u, 1u, 2u, 3u) * n_taps(), inside);
    let weights = vec4<f32>(load_weight(ix.x), load_weight(ix.y), load_weight(ix.z), load_weight(ix.w));
    return select(vec4<f32>(), weights, inside);
}

// Four staged columns, a quarter of the tile apart: column k of the result is their channel k.
fn staged_columns(at: u32) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        sh_input[at], sh_input[at + COLUMN_QUARTER], sh_input[at + 2u * COLUMN_QUARTER], sh_input[at + 3u * COLUMN_QUARTER],
    ));
}

// With the channels of a quad of the staged panels.
fn multiply_add(sums: Sums, thread: Thread, quad: u32) -> Sums {
    let b_low = staged_columns(quad * BLOCK_COLUMNS + thread.column);
    let b_high = staged_columns(quad * BLOCK_COLUMNS + thread.column + COLUMN_THREADS);
    let a = quad * BLOCK_ROWS + thread.row;
    var next = sums;
    let a_0 = sh_weight[a];
    next.row_0_low = four_products(next.row_0_low, b_low, a_0);
    next.row_0_high = four_products(next.row_0_high, b_high, a_0);
    let a_1 = sh_weight[a + ROW_QUARTER];
    next.row_1_low = four_products(next.row_1_low, b_low, a_1);
    next.row_1_high = four_products(next.row_1_high, b_high, a_1);
    let a_2 = sh_weight[a + 2u * ROW_QUARTER];
    next.row_2_low = four_products(next.row_2_low, b_low, a_2);
    next.row_2_high = four_products(next.row_2_high, b_high, a_2);
    let a_3 = sh_weight[a + 3u * ROW_QUARTER];
    next.row_3_low = four_products(next.row_3_low, b_low, a_3);
    next.row_3_high = four_products(next.row_3_high, b_high, a_3);
    let a_4 = sh_weight[a + ROW_THREADS];
    next.row_4_low = four_products(next.row_4_low, b_low, a_4);
    next.row_4_high = four_products(next.row_4_high, b_high, a_4);
    let a_5 = sh_weight[a + ROW_QUARTER + ROW_THREADS];
    next.row_5_low = four_products(next.row_5_low, b_low, a_5);
    next.row_5_high = four_products(next.row_5_high, b_high, a_5);
    let a_6 = sh_weight[a + 2u * ROW_QUARTER + ROW_THREADS];
    next.row_6_low = four_products(next.row_6_low, b_low, a_6);
    next.row_6_high = four_products(next.row_6_high, b_high, a_6);
    let a_7 = sh_weight[a + 3u * ROW_QUARTER + ROW_THREADS];
    next.row_7_low = four_products(next.row_7_low, b_low, a_7);
    next.row_7_high = four_products(next.row_7_high, b_high, a_7);
    return next;
}

fn write_column(tile: Tile, row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
    if column < params.batch * n_positions() {
        let p = unravel(column % n_positions(), params.output_size);
        write_rows(column / n_positions(), tile.group, params.c_out / params.groups, row, p, low, high);
    }
}

// Tiles of the same columns are neighbours: they share what they read of the input.
fn tile_at(ix: u32) -> Tile {
    let n_row_tiles = (params.c_out / params.groups + BLOCK_ROWS - 1u) / BLOCK_ROWS;
    let n_column_tiles = (params.batch * n_positions() + BLOCK_COLUMNS - 1u) / BLOCK_COLUMNS;
    let group = ix / n_row_tiles / n_column_tiles;
    let column = ix / n_row_tiles % n_column_tiles * BLOCK_COLUMNS;
    return Tile(group < params.groups, ix % n_row_tiles * BLOCK_ROWS, column, group);
}

@compute @workgroup_size(N_INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    // Uniform per workgroup, so the barriers below are reached by all or none.
    let tile = tile_at(linear_workgroup(workgroup, grid));
    if !tile.exists {
        return;
    }
    let group = tile.group;
    let channels = params.c_in / params.groups;

    // What this invocation stages: a quad of one row and of one column, or both quads.
    let row_lane = local_ix % BLOCK_ROWS;
    let row_quad = local_ix / BLOCK_ROWS;
    let row = tile.row + row_lane;
    let column_lane = local_ix % BLOCK_COLUMNS;
    let column_quad = local_ix / BLOCK_COLUMNS;
    let column = tile.column + column_lane;
    let n_columns = params.batch * n_positions();
    let place_of_column = min(column, n_columns - 1u);
    let o = unravel(place_of_column % n_positions(), params.output_size);
    let position = Position(column < n_columns, place_of_column / n_positions(), o);
    let plane = view_index(params.input, position.n, group * channels, vec3<u32>(0u));

    let thread = thread_place(local_ix);
    var sums = Sums();
    var place = block_at(0u, group);
    var point = point_of(sampling_at(place, group, position), place.tap, position);
    var sampling = sampling_at(next_point(place, group), group, position);
    var next_weights = fetch_weights(place, row_quad, group, row);
    var next_corners = fetch_quad(place, column_quad, point, plane);
    var more_weights = vec4<f32>();
    var more_corners = mat4x4<f32>();
    if ROW_QUADS_AT_ONCE < QUADS {
        more_weights = fetch_weights(place, 1u, group, row);
    }
    if COLUMN_QUADS_AT_ONCE < QUADS {
        more_corners = fetch_quad(place, 1u, point, plane);
    }
    while place.first < channels {
        sh_weight[row_quad * BLOCK_ROWS + row_lane] = next_weights;
        sh_input[column_quad * BLOCK_COLUMNS + column_lane] = samples(point, next_corners);
        if ROW_QUADS_AT_ONCE < QUADS {
            sh_weight[BLOCK_ROWS + row_lane] = more_weights;
        }
        if COLUMN_QUADS_AT_ONCE < QUADS {
            sh_input[BLOCK_COLUMNS + column_lane] = samples(point, more_corners);
        }
        workgroupBarrier();
        let is_last = place.ci + BLOCK_K >= place.end;
        place = advance(place, group);
        // Beyond the last channel what is loaded is not used.
        if is_last {
            point = point_of(sampling, place.tap, position);
        }
        sampling = sampling_at(next_point(place, group), group, position);
        next_weights = fetch_weights(place, row_quad, group, row);
        next_corners = fetch_quad(place, column_quad, point, plane);
        if ROW_QUADS_AT_ONCE < QUADS {
            more_weights = fetch_weights(place, 1u, group, row);
        }
        if COLUMN_QUADS_AT_ONCE < QUADS {
            more_corners = fetch_quad(place, 1u, point, plane);
        }
        for (var quad = 0u; quad < QUADS; quad++) {
            sums = multiply_add(sums, thread, quad);
        }
        workgroupBarrier();
    }
    write_sums(tile, sums, thread);
}
