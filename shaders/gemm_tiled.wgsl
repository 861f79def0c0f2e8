// c[batch,group][i,j] = epilogue(sum_k a[group][i,k] * b[batch,group][k,j])
//
// A workgroup of THREADS x THREADS invocations computes a BLOCK x BLOCK tile, BLOCK = 8 * THREADS: it stages BLOCK x
// BLOCK_K panels of a and b in workgroup memory, and each invocation sums an 8 x 8 tile in registers, so one staged
// value serves 8 multiply-adds. The tile is written out because no WGSL compiler promises to unroll.
// The staged a is transposed: a column of the panel is contiguous, and rows are padded by one vec4 against bank conflicts.
// Dispatch: batch * groups * ceil(m / BLOCK) * ceil(n / BLOCK) workgroups, folded.
// Prelude: THREADS, BLOCK_K, SLICED.

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const BLOCK: u32 = 8u * THREADS;
const N_INVOCATIONS: u32 = THREADS * THREADS;
// Row length of a staged panel in scalars.
const PITCH: u32 = BLOCK + 4u;
const_assert 2u * BLOCK_K * PITCH * 4u <= 16384u;
const_assert BLOCK % 4u == 0u;

var<workgroup> sh_a: array<f32, BLOCK_K * PITCH>;
var<workgroup> sh_b: array<f32, BLOCK_K * PITCH>;

fn staged_a(ix: u32) -> vec4<f32> {
    return vec4<f32>(sh_a[ix], sh_a[ix + 1u], sh_a[ix + 2u], sh_a[ix + 3u]);
}

fn staged_b(ix: u32) -> vec4<f32> {
    return vec4<f32>(sh_b[ix], sh_b[ix + 1u], sh_b[ix + 2u], sh_b[ix + 3u]);
}

// Where element k of a row of a, of a column of b lies.
fn a_place(k: u32) -> u32 {
    if SLICED {
        return k / params.run * params.a_run + k % params.run * params.a_column;
    }
    return k * params.a_column;
}

fn b_place(k: u32) -> u32 {
    if SLICED {
        return k / params.run * params.b_run + k % params.run * params.b_row;
    }
    return k * params.b_row;
}

fn write_element(batch: u32, group: u32, row: u32, column: u32, sum: f32) {
    if column < params.n {
        write_output(batch, group * params.m + row, unravel(column, params.output_size), sum);
    }
}

fn write_row(batch: u32, group: u32, row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
    if row >= params.m {
        return;
    }
    write_element(batch, group, row, column, low.x);
    write_element(batch, group, row, column + 1u, low.y);
    write_element(batch, group, row, column + 2u, low.z);
    write_element(batch, group, row, column + 3u, low.w);
    write_element(batch, group, row, column + BLOCK / 2u, high.x);
    write_element(batch, group, row, column + BLOCK / 2u + 1u, high.y);
    write_element(batch, group, row, column + BLOCK / 2u + 2u, high.z);
    write_element(batch, group, row, column + BLOCK / 2u + 3u, high.w);
}

@compute @workgroup_size(N_INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let n_column_tiles = (params.n + BLOCK - 1u) / BLOCK;
    let n_row_tiles = (params.m + BLOCK - 1u) / BLOCK;
    // Uniform per workgroup, so the barriers below are reached by all or none.
    var tile = linear_workgroup(workgroup, grid);
    let column_start = tile % n_column_tiles * BLOCK;
    tile /= n_column_tiles;
    let row_start = tile % n_row_tiles * BLOCK;
    tile /= n_row_tiles;
    let group = tile % params.groups;
    let batch = tile / params.groups;
    if batch >= params.batch {
        return;
    }
    // A slice of the sum has its place in the grid instead of an image.
    let k_first = select(0u, batch * params.slice, SLICED);
    let k_end = select(params.k, min(k_first + params.slice, params.k), SLICED);
    let a_start = params.a_base + batch * params.a_batch + group * params.a_group;
    let b_start = params.b_base + batch * params.b_batch + group * params.b_group;
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
    for (var k_start = k_first; k_start < k_end; k_start += BLOCK_K) {
        for (var i = local_ix; i < BLOCK * BLOCK_K; i += N_INVOCATIONS) {
            let k = k_start + i % BLOCK_K;
            let row = row_start + i / BLOCK_K;
            var value = 0.0;
            if k < k_end && row < params.m {
                value = load_a(a_start + row * params.a_row + a_place(k));
            }
            sh_a[i % BLOCK_K * PITCH + i / BLOCK_K] = value;
        }
        for (var i = local_ix; i < BLOCK * BLOCK_K; i += N_INVOCATIONS) {
            let k = k_start + i / BLOCK;
            let column = column_start + i % BLOCK;
            var value = 0.0;
            if k < k_end && column < params.n {
                value = load_b(b_start + b_place(k) + column * params.b_column);
            }
            sh_b[i / BLOCK * PITCH + i % BLOCK] = value;
        }
        workgroupBarrier();
        for (var k = 0u; k < BLOCK_K; k++) {
            // Two runs of four, half a tile apart: the lanes of a subgroup read neighbouring vec4s.
            let a_low = staged_a(k * PITCH + 4u * thread_row);
            let a_high = staged_a(k * PITCH + 4u * thread_row + BLOCK / 2u);
            let b_low = staged_b(k * PITCH + 4u * thread_column);
            let b_high = staged_b(k * PITCH + 4u * thread_column + BLOCK / 2u);
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

    let row = row_start + 4u * thread_row;
    let column = column_start + 4u * thread_column;
    write_row(batch, group, row + 0u, column, sum_0_low, sum_0_high);
    write_row(batch, group, row + 1u, column, sum_1_low, sum_1_high);
    write_row(batch, group, row + 2u, column, sum_2_low, sum_2_high);
    write_row(batch, group, row + 3u, column, sum_3_low, sum_3_high);
    write_row(batch, group, row + 0u + BLOCK / 2u, column, sum_4_low, sum_4_high);
    write_row(batch, group, row + 1u + BLOCK / 2u, column, sum_5_low, sum_5_high);
    write_row(batch, group, row + 2u + BLOCK / 2u, column, sum_6_low, sum_6_high);
    write_row(batch, group, row + 3u + BLOCK / 2u, column, sum_7_low, sum_7_high);
}
