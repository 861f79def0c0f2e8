// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// A matrix product whose right-hand matrix is never stored: rows are the output channels of a group, columns the positions
// of all images, and k counts (ci, kd, kh, kw) as the weight does. A workgroup of THREADS x THREADS invocations computes a
// BLOCK x BLOCK tile, BLOCK = 8 * THREADS. An invocation keeps where its four columns' windows begin and which tap of which
// channel it stages, and steps the latter like a clock: one bounds check per element and no division. It loads its part of
// the next panels before it computes with the staged ones, and sums an 8 x 8 tile in registers.
//
// A staged vec4 holds rows (columns) QUARTER apart, so that neighbouring invocations load neighbouring positions of the
// input, store whole vec4s, and write neighbouring positions of the output.
// Dispatch: groups * ceil(c_out_per_group / BLOCK) * ceil(batch * positions / BLOCK) workgroups, folded.
// Prelude: THREADS, BLOCK_K, PADDING_MODE, FLIP_KERNEL.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const BLOCK: u32 = 8u * THREADS;
const QUARTER: u32 = 2u * THREADS;
const N_INVOCATIONS: u32 = THREADS * THREADS;
// In vec4s; the odd one keeps the invocations that stage a column of the weight in different banks.
const PITCH: u32 = QUARTER + 1u;
// Invocations that stage one row of a panel of the input, and the rows staged at once.
const ROWS_AT_ONCE: u32 = N_INVOCATIONS / QUARTER;
const_assert 32u * BLOCK_K * PITCH <= 16384u;
const_assert BLOCK_K == ROWS_AT_ONCE || BLOCK_K == 2u * ROWS_AT_ONCE;
const_assert N_INVOCATIONS % BLOCK_K == 0u;

var<workgroup> sh_weight: array<vec4<f32>, BLOCK_K * PITCH>;
var<workgroup> sh_input: array<vec4<f32>, BLOCK_K * PITCH>;

// Where the window of a column begins.
struct Column {
    plane: u32,
    origin: vec3<i32>,
    exists: bool,
}

fn n_positions() -> u32 {
    return params.output_size.x * params.output_size.y * params.output_size.z;
}

fn column_at(ix: u32, group: u32) -> Column {
    let exists = ix < params.batch * n_positions();
    let place = select(0u, ix, exists);
    let n = place / n_positions();
    let o = unravel(place % n_positions(), params.output_size);
    let plane = view_index(params.input, n, group * (params.c_in / params.groups), vec3<u32>(0u));
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
    return input[column.plane + channel + u32(d) * params.input.d + u32(h) * params.input.h + u32(w) * params.input.w];
}

// A place in the sum: k = ((channel * kernel_d + tap.x) * kernel_h + tap.y) * kernel_w + tap.z.
struct Place {
    channel: u32,
    tap: vec3<u32>,
}

fn place_of(k: u32) -> Place {
    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    return Place(k / n_taps, unravel(k % n_taps, kernel));
}

// The place `step` further, where the two differ by as much as place_of(0) and `step`: every digit carries once at most.
fn advance(place: Place, step: Place) -> Place {
    let kernel = params.kernel_size;
    var tap = place.tap + step.tap;
    var channel = place.channel + step.channel;
    if tap.z >= kernel.z {
        tap.z -= kernel.z;
        tap.y++;
    }
    if tap.y >= kernel.y {
        tap.y -= kernel.y;
        tap.x++;
    }
    if tap.x >= kernel.x {
        tap.x -= kernel.x;
        channel++;
    }
    return Place(channel, tap);
}

// A row of the input's matrix, at four columns.
fn fetch_columns(place: Place, c_0: Column, c_1: Column, c_2: Column, c_3: Column) -> vec4<f32> {
    if place.channel >= params.c_in / params.groups {
        return vec4<f32>();
    }
    var tap = place.tap;
    if FLIP_KERNEL {
        tap = params.kernel_size - 1u - tap;
    }
    let offset = vec3<i32>(tap * params.dilation);
    let channel = place.channel * params.input.c;
    return vec4<f32>(
        fetch(c_0, channel, offset), fetch(c_1, channel, offset), fetch(c_2, channel, offset), fetch(c_3, channel, offset),
    );
}

// Column k of the weight's matrix, at four rows QUARTER apart. Rows beyond the last are zero.
fn fetch_rows(k: u32, k_end: u32, group: u32, row: u32) -> vec4<f32> {
    if k >= k_end {
        return vec4<f32>();
    }
    let n_rows = params.c_out / params.groups;
    var rows = vec4<f32>();
    let start = (group * n_rows + row) * k_end + k;
    if row < n_rows { rows.x = weight[start]; }
    if row + QUARTER < n_rows { rows.y = weight[start + QUARTER * k_end]; }
    if row + 2u * QUARTER < n_rows { rows.z = weight[start + 2u * QUARTER * k_end]; }
    if row + 3u * QUARTER < n_rows { rows.w = weight[start + 3u * QUARTER * k_end]; }
    return rows;
}

// The sums of one column: rows QUARTER apart from `row` on, and those THREADS further.
fn write_column(group: u32, row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
    if column >= params.batch * n_positions() {
        return;
    }
    let n_rows = params.c_out / params.groups;
    let n = column / n_positions();
    let p = unravel(column % n_positions(), params.output_size);
    for (var i = 0u; i < 8u; i++) {
        let place = row + i / 2u * QUARTER + i % 2u * THREADS;
        if place < n_rows {
            write_output(n, group * n_rows + place, p, select(low, high, i % 2u == 1u)[i / 2u]);
        }
    }
}

@compute @workgroup_size(N_INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let n_rows = params.c_out / params.groups;
    let n_columns = params.batch * n_positions();
    let n_row_tiles = (n_rows + BLOCK - 1u) / BLOCK;
    let n_column_tiles = (n_columns + BLOCK - 1u) / BLOCK;
    // Uniform per workgroup, so the barriers below are reached by all or none. Tiles of the same columns are neighbours:
    // they share what they read of the input.
    var tile = linear_workgroup(workgroup, grid);
    let row_start = tile % n_row_tiles * BLOCK;
    tile /= n_row_tiles;
    let column_start = tile % n_column_tiles * BLOCK;
    let group = tile / n_column_tiles;
    if group >= params.groups {
        return;
    }
    let k_end = params.c_in / params.groups * params.kernel_size.x * params.kernel_size.y * params.kernel_size.z;

    // What this invocation stages: one k of the weight and one of the input, or two.
    let weight_k = local_ix % BLOCK_K;
    let weight_lane = local_ix / BLOCK_K;
    let weight_row = row_start + weight_lane;
    let input_k = local_ix / QUARTER;
    let input_lane = local_ix % QUARTER;
    let c_0 = column_at(column_start + input_lane, group);
    let c_1 = column_at(column_start + input_lane + QUARTER, group);
    let c_2 = column_at(column_start + input_lane + 2u * QUARTER, group);
    let c_3 = column_at(column_start + input_lane + 3u * QUARTER, group);

    let thread_row = local_ix / THREADS;
    let thread_column = local_ix % THREADS;
    var sum_0_low = vec4<f32>();
    var sum_0_high = vec4<f32>();
    var sum_1_low = vec4<f32>();
    var sum_1_high = vec4<f32>();
    var sum_2_low = vec4<f32>();
    var sum_2_high = vec4<f32>();
    var sum_3_low = vec4<f32>();
    var sum_3_high = vec4<f32>();
    var sum_4_low = vec4<f32>();
    var sum_4_high = vec4<f32>();
    var sum_5_low = vec4<f32>();
    var sum_5_high = vec4<f32>();
    var sum_6_low = vec4<f32>();
    var sum_6_high = vec4<f32>();
    var sum_7_low = vec4<f32>();
    var sum_7_high = vec4<f32>();
    var next_rows = fetch_rows(weight_k, k_end, group, weight_row);
    var more_rows = vec4<f32>();
    let panel = place_of(BLOCK_K);
    var place = place_of(input_k);
    var more_place = place_of(input_k + ROWS_AT_ONCE);
    var next_columns = fetch_columns(place, c_0, c_1, c_2, c_3);
    var more_columns = vec4<f32>();
    if BLOCK_K > ROWS_AT_ONCE {
        more_rows = fetch_rows(weight_k, k_end, group, weight_row + THREADS);
        more_columns = fetch_columns(more_place, c_0, c_1, c_2, c_3);
    }
    for (var k_start = 0u; k_start < k_end; k_start += BLOCK_K) {
        sh_weight[weight_k * PITCH + weight_lane] = next_rows;
        sh_input[input_k * PITCH + input_lane] = next_columns;
        if BLOCK_K > ROWS_AT_ONCE {
            sh_weight[weight_k * PITCH + weight_lane + THREADS] = more_rows;
            sh_input[(input_k + ROWS_AT_ONCE) * PITCH + input_lane] = more_columns;
        }
        workgroupBarrier();
        // Beyond the last panel these are zero and not loaded.
        let k_next = k_start + BLOCK_K;
        next_rows = fetch_rows(k_next + weight_k, k_end, group, weight_row);
        place = advance(place, panel);
        next_columns = fetch_columns(place, c_0, c_1, c_2, c_3);
        if BLOCK_K > ROWS_AT_ONCE {
            more_rows = fetch_rows(k_next + weight_k, k_end, group, weight_row + THREADS);
            more_place = advance(more_place, panel);
            more_columns = fetch_columns(more_place, c_0, c_1, c_2, c_3);
        }
        for (var k = 0u; k < BLOCK_K; k++) {
            let a_low = sh_weight[k * PITCH + thread_row];
            let a_high = sh_weight[k * PITCH + thread_row + THREADS];
            let b_low = sh_input[k * PITCH + thread_column];
            let b_high = sh_input[k * PITCH + thread_column + THREADS];
            sum_0_low += a_low.x * b_low;
            sum_0_high += a_low.x * b_high;
            sum_1_low += a_low.y * b_low;
            sum_1_high += a_low.y * b_high;
            sum_2_low += a_low.z * b_low;
            sum_2_high += a_low.z * b_high;
            sum_3_low += a_low.w * b_low;
            sum_3_high += a_low.w * b_high;
            sum_4_low += a_high.x * b_low;
            sum_4_high += a_high.x * b_high;
            sum_5_low += a_high.y * b_low;
            sum_5_high += a_high.y * b_high;
            sum_6_low += a_high.z * b_low;
            sum_6_high += a_high.z * b_high;
            sum_7_low += a_high.w * b_low;
            sum_7_high += a_high.w * b_high;
        }
        workgroupBarrier();
    }

    let row = row_start + thread_row;
    let low = transpose(mat4x4<f32>(sum_0_low, sum_1_low, sum_2_low, sum_3_low));
    let high = transpose(mat4x4<f32>(sum_4_low, sum_5_low, sum_6_low, sum_7_low));
    let far_low = transpose(mat4x4<f32>(sum_0_high, sum_1_high, sum_2_high, sum_3_high));
    let far_high = transpose(mat4x4<f32>(sum_4_high, sum_5_high, sum_6_high, sum_7_high));
    let column = column_start + thread_column;
    write_column(group, row, column, low[0], high[0]);
    write_column(group, row, column + QUARTER, low[1], high[1]);
    write_column(group, row, column + 2u * QUARTER, low[2], high[2]);
    write_column(group, row, column + 3u * QUARTER, low[3], high[3]);
    write_column(group, row, column + THREADS, far_low[0], far_high[0]);
    write_column(group, row, column + QUARTER + THREADS, far_low[1], far_high[1]);
    write_column(group, row, column + 2u * QUARTER + THREADS, far_low[2], far_high[2]);
    write_column(group, row, column + 3u * QUARTER + THREADS, far_low[3], far_high[3]);
}
