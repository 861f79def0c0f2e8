// output[n,co,o] = epilogue((A^T m A)[o]), m[point] = sum_ci filters[g, point, ci, co] * (B^T d B)[point] of the 4 x 4
// elements d of channel ci that the 2 x 2 tile of o reads: Winograd's F(2x2, 3x3) in one pass.
//
// A workgroup computes BLOCK output channels x BLOCK tiles for all 16 points; an invocation sums 8 x 8 of them for one
// point. Per panel of BLOCK_K channels half of the invocations transform a patch each on its way into workgroup memory and
// half copy filters; the next panel is on its way into registers while the staged one is multiplied. At the end the products
// of 8 channels at a time meet in workgroup memory, where each invocation finishes one tile of one channel.
// Row `point` of a panel is turned by 4 * point places, so that the two points of 32 lanes read different banks. Tiles count
// through all images.
// Dispatch: groups * ceil(c_out_per_group / BLOCK) * ceil(tiles / BLOCK) workgroups, folded.
// Prelude: PADDING_MODE.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> filters: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const TILE: u32 = 2u;
const POINTS: u32 = 16u;
const BLOCK: u32 = 32u;
const BLOCK_K: u32 = 4u;
const N_INVOCATIONS: u32 = 256u;
const PANEL: u32 = BLOCK_K * POINTS * BLOCK;
const_assert 2u * PANEL * 4u <= 16384u;
const_assert 2u * BLOCK * BLOCK_K == N_INVOCATIONS;

// Filters [k][point][channel], then patches [k][point][tile]; at the end products [point][one of 8 channels][tile].
var<workgroup> staged: array<f32, 2u * PANEL>;

// Stores four points of a row of a tile, for a channel or tile at `place`.
fn stage4(panel: u32, point: u32, place: u32, values: vec4<f32>) {
    let at = panel + point * BLOCK;
    staged[at + (place + 4u * point) % BLOCK] = values.x;
    staged[at + BLOCK + (place + 4u * point + 4u) % BLOCK] = values.y;
    staged[at + 2u * BLOCK + (place + 4u * point + 8u) % BLOCK] = values.z;
    staged[at + 3u * BLOCK + (place + 4u * point + 12u) % BLOCK] = values.w;
}

// Every fourth place from `at` on.
fn load_places(at: u32) -> vec4<f32> {
    return vec4<f32>(staged[at], staged[at + 4u], staged[at + 8u], staged[at + 12u]);
}

// Puts the products of one channel where a pass finishes them, if it is a channel of that pass.
fn put_row(pass_ix: u32, j: u32, point: u32, row: u32, column: u32, low: vec4<f32>, high: vec4<f32>) {
    let turned = (j + POINTS - point) % 8u;
    if turned / 2u != pass_ix {
        return;
    }
    let at = point * N_INVOCATIONS + (turned % 2u * 4u + row) * BLOCK + column;
    let first = POINTS - point;
    staged[at + 4u * (first % 8u)] = low.x;
    staged[at + 4u * ((first + 1u) % 8u)] = low.y;
    staged[at + 4u * ((first + 2u) % 8u)] = low.z;
    staged[at + 4u * ((first + 3u) % 8u)] = low.w;
    staged[at + 4u * ((first + 4u) % 8u)] = high.x;
    staged[at + 4u * ((first + 5u) % 8u)] = high.y;
    staged[at + 4u * ((first + 6u) % 8u)] = high.z;
    staged[at + 4u * ((first + 7u) % 8u)] = high.w;
}

fn load_points(at: u32, stride: u32, exists: bool) -> vec4<f32> {
    return select(
        vec4<f32>(),
        vec4<f32>(filters[at], filters[at + stride], filters[at + 2u * stride], filters[at + 3u * stride]),
        exists,
    );
}

fn finished(point: u32, local_ix: u32) -> vec4<f32> {
    let at = point * N_INVOCATIONS + local_ix;
    return vec4<f32>(
        staged[at],
        staged[at + N_INVOCATIONS],
        staged[at + 2u * N_INVOCATIONS],
        staged[at + 3u * N_INVOCATIONS],
    );
}

@compute @workgroup_size(N_INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let tiles = winograd_tiles();
    let n_tiles = params.batch * tiles.x * tiles.y * tiles.z;
    let n_tile_blocks = (n_tiles + BLOCK - 1u) / BLOCK;
    let channels = params.c_in / params.groups;
    let co_per_group = params.c_out / params.groups;
    let n_co_blocks = (co_per_group + BLOCK - 1u) / BLOCK;
    var block = linear_workgroup(workgroup, grid);
    let first_tile = block % n_tile_blocks * BLOCK;
    block /= n_tile_blocks;
    let first_co = block % n_co_blocks * BLOCK;
    let group = block / n_co_blocks;
    if group >= params.groups {
        return;
    }

    // Half of the invocations bring patches, half bring filters.
    let brings_patch = local_ix < N_INVOCATIONS / 2u;
    let place = local_ix % BLOCK;
    let k_share = local_ix / BLOCK % BLOCK_K;
    // A tile behind the last one, like a channel, repeats it; what comes of it is never stored.
    let source = tile_place(min(first_tile + place, n_tiles - 1u), tiles);
    let depth = padded_coordinate(i32(source.first.x) - i32(params.pad_begin.x), i32(params.input_size.x));
    let rows = coordinates(i32(source.first.y) - i32(params.pad_begin.y), params.input_size.y, params.pad_end.y);
    let columns = coordinates(i32(source.first.z) - i32(params.pad_begin.z), params.input_size.z, params.pad_end.z);
    let row_exists = rows.inside & vec4<bool>(depth != OUTSIDE);
    let plane = view_index(params.input, source.n, group * channels, vec3<u32>(u32(max(depth, 0)), 0u, 0u));
    let row_at = plane + rows.at * params.input.h;
    let filter_stride = channels * co_per_group;
    let filter_at = group * POINTS * filter_stride + min(first_co + place, co_per_group - 1u);

    // What this invocation multiplies: one point, every fourth place from two starts on.
    let point = local_ix / 16u;
    let row = local_ix % 16u / 4u;
    let column = local_ix % 4u;

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
    var share = mat4x4<f32>();
    // The first turn only loads, the last one only multiplies.
    for (var k_start = 0u; k_start < channels + BLOCK_K; k_start += BLOCK_K) {
        if k_start > 0u {
            workgroupBarrier();
            let panel = select(0u, PANEL, brings_patch) + k_share * POINTS * BLOCK;
            // Only now: nothing waits for what was loaded until the staged panel is multiplied.
            if brings_patch {
                share = input_tile4(share);
            }
            stage4(panel, 0u, place, share[0]);
            stage4(panel, 4u, place, share[1]);
            stage4(panel, 8u, place, share[2]);
            stage4(panel, 12u, place, share[3]);
            workgroupBarrier();
        }
        if k_start < channels {
            let ci = k_start + k_share;
            let exists = ci < channels;
            if brings_patch {
                let at = row_at + select(0u, ci * params.input.c, exists);
                let row_counts = row_exists & vec4<bool>(exists);
                share = mat4x4<f32>(
                    load4(at.x, row_counts.x, columns),
                    load4(at.y, row_counts.y, columns),
                    load4(at.z, row_counts.z, columns),
                    load4(at.w, row_counts.w, columns),
                );
            } else {
                let at = filter_at + select(0u, ci * co_per_group, exists);
                share = mat4x4<f32>(
                    load_points(at, filter_stride, exists),
                    load_points(at + 4u * filter_stride, filter_stride, exists),
                    load_points(at + 8u * filter_stride, filter_stride, exists),
                    load_points(at + 12u * filter_stride, filter_stride, exists),
                );
            }
        }
        if k_start > 0u {
            for (var k = 0u; k < BLOCK_K; k++) {
                let at = (k * POINTS + point) * BLOCK;
                let u_low = load_places(at + row);
                let u_high = load_places(at + row + 16u);
                let v_low = load_places(PANEL + at + column);
                let v_high = load_places(PANEL + at + column + 16u);
                sum_0_low += u_low.x * v_low;
                sum_0_high += u_low.x * v_high;
                sum_1_low += u_low.y * v_low;
                sum_1_high += u_low.y * v_high;
                sum_2_low += u_low.z * v_low;
                sum_2_high += u_low.z * v_high;
                sum_3_low += u_low.w * v_low;
                sum_3_high += u_low.w * v_high;
                sum_4_low += u_high.x * v_low;
                sum_4_high += u_high.x * v_high;
                sum_5_low += u_high.y * v_low;
                sum_5_high += u_high.y * v_high;
                sum_6_low += u_high.z * v_low;
                sum_6_high += u_high.z * v_high;
                sum_7_low += u_high.w * v_low;
                sum_7_high += u_high.w * v_high;
            }
        }
    }

    let tile = first_tile + place;
    let to = tile_place(min(tile, n_tiles - 1u), tiles);
    for (var pass_ix = 0u; pass_ix < BLOCK / 8u; pass_ix++) {
        workgroupBarrier();
        put_row(pass_ix, 0u, point, row, column, sum_0_low, sum_0_high);
        put_row(pass_ix, 1u, point, row, column, sum_1_low, sum_1_high);
        put_row(pass_ix, 2u, point, row, column, sum_2_low, sum_2_high);
        put_row(pass_ix, 3u, point, row, column, sum_3_low, sum_3_high);
        put_row(pass_ix, 4u, point, row, column, sum_4_low, sum_4_high);
        put_row(pass_ix, 5u, point, row, column, sum_5_low, sum_5_high);
        put_row(pass_ix, 6u, point, row, column, sum_6_low, sum_6_high);
        put_row(pass_ix, 7u, point, row, column, sum_7_low, sum_7_high);
        workgroupBarrier();
        let co = first_co + 8u * pass_ix + local_ix / BLOCK;
        let y = output_tile4(mat4x4<f32>(
            finished(0u, local_ix),
            finished(4u, local_ix),
            finished(8u, local_ix),
            finished(12u, local_ix),
        ));
        if tile < n_tiles && co < co_per_group {
            write_outputs(to, group * co_per_group + co, mat4x4<f32>(vec4<f32>(y[0], y[1]), vec4<f32>(), vec4<f32>(), vec4<f32>()));
        }
    }
}
