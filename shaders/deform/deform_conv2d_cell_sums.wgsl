// needs: window_params grid bilinear cells
// sums[n,ci,slot] = sum over the slot's points of mask * grad_columns[n, ci*T + tap, position] * (weights of the 4 corners)
//
// One invocation takes one slot, the points of one cell within one chunk of the sorted list, and 8 input channels of an
// offset group. Each point is read once for all four corners, and a cell that every point falls in is cut into chunks
// that are summed side by side. The order of the list fixes the order of the sum.
// Dispatch: ceil(batch * offset_groups * ceil(c_in / offset_groups / 8) * n_slots / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> starts: array<u32>;
@group(0) @binding(4) var<storage, read> points: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> grad_columns: array<f32>;
@group(0) @binding(6) var<storage, read_write> sums: array<vec4<f32>>;

const TILE_CI: u32 = 8u;

// What each corner gets. A corner without weight gets nothing, even of an infinity.
fn share(weight: vec4<f32>, grad: f32) -> vec4<f32> {
    return select(weight * grad, vec4<f32>(), weight == vec4<f32>());
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let slots = n_slots();
    let channels = params.c_in / params.offset_groups;
    let n_tiles = (channels + TILE_CI - 1u) / TILE_CI;
    var ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let slot = ix % slots;
    ix /= slots;
    let tile = ix % n_tiles;
    ix /= n_tiles;
    let offset_group = ix % params.offset_groups;
    let n = ix / params.offset_groups;
    if n >= params.batch {
        return;
    }
    let sequence = n * params.offset_groups + offset_group;
    let list = sequence * n_points();
    let cell_list = sequence * (n_cells() + 1u);
    let n_valid = starts[cell_list + n_cells()];
    // The last chunk whose first slot is not behind this one.
    var chunk = 0u;
    var beyond = (n_valid + CHUNK - 1u) / CHUNK;
    while beyond - chunk > 1u && chunk < beyond {
        let middle = (chunk + beyond) / 2u;
        if keys[list + order[list + middle * CHUNK]] + middle <= slot {
            chunk = middle;
        } else {
            beyond = middle;
        }
    }
    let cell = slot - min(chunk, slot);
    if n_valid == 0u || cell >= n_cells() {
        return;
    }
    let first = max(starts[cell_list + cell], chunk * CHUNK);
    let end = min(starts[cell_list + cell + 1u], (chunk + 1u) * CHUNK);
    // Nobody reads the slot of an empty cell.
    if first >= end {
        return;
    }
    let n_positions = params.output_size.y * params.output_size.z;
    let n_taps = params.kernel_size.y * params.kernel_size.z;
    let ci = offset_group * channels + tile * TILE_CI;
    let n_ci = min(channels - tile * TILE_CI, TILE_CI);
    // Channels beyond the last repeat it; their sums are never stored.
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let rows = (ci + min(four, vec4<u32>(n_ci - 1u))) * n_taps * params.grad_columns.c;
    let more_rows = (ci + min(four + 4u, vec4<u32>(n_ci - 1u))) * n_taps * params.grad_columns.c;
    let base = n * params.grad_columns.n;

    var sum_0 = vec4<f32>();
    var sum_1 = vec4<f32>();
    var sum_2 = vec4<f32>();
    var sum_3 = vec4<f32>();
    var sum_4 = vec4<f32>();
    var sum_5 = vec4<f32>();
    var sum_6 = vec4<f32>();
    var sum_7 = vec4<f32>();
    for (var i = first; i < end; i++) {
        let point_ix = order[list + i];
        let point = points[list + point_ix];
        let modulation = point.z;
        let weight = corner_weights(point.x, point.y);
        let column = base + point_ix / n_positions * params.grad_columns.c + point_ix % n_positions * params.grad_columns.w;
        sum_0 += share(weight, modulation * grad_columns[column + rows.x]);
        sum_1 += share(weight, modulation * grad_columns[column + rows.y]);
        sum_2 += share(weight, modulation * grad_columns[column + rows.z]);
        sum_3 += share(weight, modulation * grad_columns[column + rows.w]);
        sum_4 += share(weight, modulation * grad_columns[column + more_rows.x]);
        sum_5 += share(weight, modulation * grad_columns[column + more_rows.y]);
        sum_6 += share(weight, modulation * grad_columns[column + more_rows.z]);
        sum_7 += share(weight, modulation * grad_columns[column + more_rows.w]);
    }
    let sum_ix = (n * params.c_in + ci) * slots + slot;
    sums[sum_ix] = sum_0;
    if n_ci > 1u { sums[sum_ix + slots] = sum_1; }
    if n_ci > 2u { sums[sum_ix + 2u * slots] = sum_2; }
    if n_ci > 3u { sums[sum_ix + 3u * slots] = sum_3; }
    if n_ci > 4u { sums[sum_ix + 4u * slots] = sum_4; }
    if n_ci > 5u { sums[sum_ix + 5u * slots] = sum_5; }
    if n_ci > 6u { sums[sum_ix + 6u * slots] = sum_6; }
    if n_ci > 7u { sums[sum_ix + 7u * slots] = sum_7; }
}
