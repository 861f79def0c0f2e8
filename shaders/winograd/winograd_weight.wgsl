// needs: window_params grid winograd winograd_points
// points[group, co, point, ci] = (G g G^T)[point] of the filter g = weight[co,ci], points of a tile row-major;
// the view of the points says in which order
//
// One invocation transforms one filter. Step one of a Winograd convolution.
// Dispatch: ceil(c_out * c_in_per_group / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, FLIP_KERNEL, TILE (outputs of a tile along an axis: 2 or 4).

@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> points: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let c_in = params.c_in / params.groups;
    if ix >= params.c_out * c_in {
        return;
    }
    // Neighbours are output channels, which lie next to each other in what is written.
    let co = ix % params.c_out;
    let ci = ix / params.c_out;
    let at = 9u * (co * c_in + ci);
    var filter_rows = mat3x3<f32>(
        load_weight(at), load_weight(at + 1u), load_weight(at + 2u),
        load_weight(at + 3u), load_weight(at + 4u), load_weight(at + 5u),
        load_weight(at + 6u), load_weight(at + 7u), load_weight(at + 8u),
    );
    if FLIP_KERNEL {
        filter_rows = mat3x3<f32>(filter_rows[2].zyx, filter_rows[1].zyx, filter_rows[0].zyx);
    }
    let view = params.points;
    let co_per_group = params.c_out / params.groups;
    let to = co / co_per_group * view.d + co % co_per_group * view.c + ci * view.w;
    if TILE == 2u {
        let tile = weight_tile4(filter_rows);
        store4(to, 0u, tile[0]);
        store4(to, 1u, tile[1]);
        store4(to, 2u, tile[2]);
        store4(to, 3u, tile[3]);
    } else {
        let tile = weight_tile6(filter_rows);
        store6(to, 0u, tile.r0);
        store6(to, 1u, tile.r1);
        store6(to, 2u, tile.r2);
        store6(to, 3u, tile.r3);
        store6(to, 4u, tile.r4);
        store6(to, 5u, tile.r5);
    }
}
