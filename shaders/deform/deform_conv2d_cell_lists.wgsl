// needs: window_params grid cells
// listed[n,og, starts[n,og,cell] + ranks[n,og,point]] = point, for the points with a sample: those of a cell together, in any order
//
// One invocation places one point. deform_conv2d_cell_order brings each cell's points into order.
// Dispatch: ceil(batch * offset_groups * kh * kw * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> ranks: array<u32>;
@group(0) @binding(3) var<storage, read> starts: array<u32>;
@group(0) @binding(4) var<storage, read_write> listed: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let sequence = ix / n_points();
    if sequence >= params.batch * params.offset_groups {
        return;
    }
    let cell = keys[ix];
    if cell < n_cells() {
        // Less than the number of points: ranks of a cell are less than its count.
        let place = starts[sequence * (n_cells() + 1u) + cell] + ranks[ix];
        listed[sequence * n_points() + place] = ix - sequence * n_points();
    }
}
