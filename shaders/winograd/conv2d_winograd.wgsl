// needs: view window_params grid padding winograd winograd_outputs winograd_patch winograd_tiles
// output[n,co,o] = epilogue((A^T m A)[o]), m[point] = sum_ci filters[g, point, ci, co] * (B^T d B)[point] of the 4 x 4
// elements d of channel ci that the 2 x 2 tile of o reads: Winograd's F(2x2, 3x3) in one pass.
//
// A workgroup computes BLOCK output channels x BLOCK tiles for all 16 points; an invocation sums 8 x 8 of them for one
// point. Per panel of BLOCK_K channels half of the invocations transform a patch each on its way into workgroup memory, and all
// copy filters; the next panel is on its way into registers while the staged one is multiplied. At the end the products of 4
// channels at a time meet in workgroup memory, where an invocation finishes one tile of one channel.
// Row `point` of the staged patches is turned by 4 * point places, that of the filters by 4 * point vec4s, so that the two points
// of 32 lanes read different banks. Tiles count through all images.
// Dispatch: groups * ceil(c_out_per_group / BLOCK) * ceil(tiles / BLOCK) workgroups, folded.
// Prelude: PADDING_MODE.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> filters: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const TILE: u32 = 2u;
const POINTS: u32 = 16u;
const BLOCK: u32 = 32u;
const QUADS: u32 = BLOCK / 4u;
const BLOCK_K: u32 = 4u;
const N_INVOCATIONS: u32 = 256u;
const_assert 2u * BLOCK_K * POINTS * BLOCK * 4u <= 16384u;
const_assert 2u * BLOCK * BLOCK_K == N_INVOCATIONS;
// Filters that an invocation copies: as many vec4s as there are.
const_assert 2u * N_INVOCATIONS == BLOCK_K * POINTS * QUADS;

// Filters [k][point][quad of channels]; at the end products [point][one of 4 channels][quad of tiles 4 apart].
var<workgroup> sh_filters: array<vec4<f32>, BLOCK_K * POINTS * QUADS>;
// [k][point][tile]
var<workgroup> sh_patches: array<f32, BLOCK_K * POINTS * BLOCK>;

// Stores four points of a row of a patch, for a tile at `place`.
fn stage4(panel: u32, point: u32, place: u32, values: vec4<f32>) {
    let at = panel + point * BLOCK;
    sh_patches[at + (place + 4u * point) % BLOCK] = values.x;
    sh_patches[at + BLOCK + (place + 4u * point + 4u) % BLOCK] = values.y;
    sh_patches[at + 2u * BLOCK + (place + 4u * point + 8u) % BLOCK] = values.z;
    sh_patches[at + 3u * BLOCK + (place + 4u * point + 12u) % BLOCK] = values.w;
}

// Every fourth place from `at` on.
fn load_places(at: u32) -> vec4<f32> {
    return vec4<f32>(sh_patches[at], sh_patches[at + 4u], sh_patches[at + 8u], sh_patches[at + 12u]);
}

// The product of a tile at four points of a row.
fn finished(point: u32, channel: u32, tile: u32) -> vec4<f32> {
    let turned = (vec4<u32>(tile / 4u + point) + vec4<u32>(0u, 1u, 2u, 3u)) % QUADS;
    let at = (vec4<u32>(point) + vec4<u32>(0u, 1u, 2u, 3u)) * 4u * QUADS + channel * QUADS + turned / 4u * 4u + tile % 4u;
    let i = turned % 4u;
    return vec4<f32>(sh_filters[at.x][i.x], sh_filters[at.y][i.y], sh_filters[at.z][i.z], sh_filters[at.w][i.w]);
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

    // Half of the invocations bring patches.
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
    // All bring filters, of two channels: a quad each. Those behind the last one repeat it, too.
    let filter_point = local_ix / QUADS % POINTS;
    let filter_k = local_ix / QUADS / POINTS;
    let pitch = (co_per_group + 3u) / 4u;
    let filter_quad = min(first_co / 4u + local_ix % QUADS, pitch - 1u);
    let filter_at = (group * POINTS + filter_point) * channels * pitch + filter_quad;
    let filter_place = (filter_k * POINTS + filter_point) * QUADS + (local_ix + 4u * filter_point) % QUADS;

    // What this invocation multiplies: one point, every fourth place from two starts on.
    let point = local_ix / 16u;
    let row = local_ix % 16u / 4u;
    let column = local_ix % 4u;
    let low_quad = (row + 4u * point) % QUADS;
    let high_quad = (row + 4u * point + 4u) % QUADS;

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
    var patch_rows = mat4x4<f32>();
    var near_filters = vec4<f32>();
    var far_filters = vec4<f32>();
    // The first turn only loads, the last one only multiplies.
    for (var k_start = 0u; k_start < channels + BLOCK_K; k_start += BLOCK_K) {
        if k_start > 0u {
            workgroupBarrier();
            if brings_patch {
                // Only now: nothing waits for what was loaded until the panel before has been multiplied.
                let transformed = input_tile4(patch_rows);
                let panel = k_share * POINTS * BLOCK;
                stage4(panel, 0u, place, transformed[0]);
                stage4(panel, 4u, place, transformed[1]);
                stage4(panel, 8u, place, transformed[2]);
                stage4(panel, 12u, place, transformed[3]);
            }
            sh_filters[filter_place] = near_filters;
            sh_filters[filter_place + N_INVOCATIONS] = far_filters;
            workgroupBarrier();
        }
        // Beyond the last channel there are zeros.
        let near = k_start + filter_k;
        let far = near + BLOCK_K / 2u;
        near_filters = select(vec4<f32>(), filters[filter_at + select(0u, near * pitch, near < channels)], near < channels);
        far_filters = select(vec4<f32>(), filters[filter_at + select(0u, far * pitch, far < channels)], far < channels);
        if brings_patch {
            let ci = k_start + k_share;
            let exists = ci < channels;
            let at = row_at + select(0u, ci * params.input.c, exists);
            let row_counts = row_exists & vec4<bool>(exists);
            patch_rows = mat4x4<f32>(
                load4(at.x, row_counts.x, columns),
                load4(at.y, row_counts.y, columns),
                load4(at.z, row_counts.z, columns),
                load4(at.w, row_counts.w, columns),
            );
        }
        if k_start > 0u {
            for (var k = 0u; k < BLOCK_K; k++) {
                let at = k * POINTS + point;
                let u_low = sh_filters[at * QUADS + low_quad];
                let u_high = sh_filters[at * QUADS + high_quad];
                let v_low = load_places(at * BLOCK + column);
                let v_high = load_places(at * BLOCK + column + 16u);
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

    // Row j of the sums is channel 4 * row + j % 4 of a half of the block.
    let tile = first_tile + place;
    let to = tile_place(min(tile, n_tiles - 1u), tiles);
    for (var pass_ix = 0u; pass_ix < 8u; pass_ix++) {
        workgroupBarrier();
        let product_at = (point * 4u + row) * QUADS + column;
        sh_filters[product_at] = sum_0_low;
        sh_filters[product_at + 4u] = sum_0_high;
        workgroupBarrier();
        let co = first_co + pass_ix / 4u * 16u + 4u * k_share + pass_ix % 4u;
        if brings_patch && tile < n_tiles && co < co_per_group {
            let y = output_tile4(mat4x4<f32>(
                finished(0u, k_share, place),
                finished(4u, k_share, place),
                finished(8u, k_share, place),
                finished(12u, k_share, place),
            ));
            write_outputs(to, group * co_per_group + co, mat4x4<f32>(vec4<f32>(y[0], y[1]), vec4<f32>(), vec4<f32>(), vec4<f32>()));
        }
        // A loop, not eight copies of the epilogue: the next row moves up.
        sum_0_low = sum_1_low;
        sum_0_high = sum_1_high;
        sum_1_low = sum_2_low;
        sum_1_high = sum_2_high;
        sum_2_low = sum_3_low;
        sum_2_high = sum_3_high;
        sum_3_low = sum_4_low;
        sum_3_high = sum_4_high;
        sum_4_low = sum_5_low;
        sum_4_high = sum_5_high;
        sum_5_low = sum_6_low;
        sum_5_high = sum_6_high;
        sum_6_low = sum_7_low;
        sum_6_high = sum_7_high;
    }
}
