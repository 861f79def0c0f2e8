// needs: window_params grid cells
// starts[n,og,cell] = number of points in cells before this one: where its points start in the sorted list
//
// One invocation searches the list for one cell, halving the range; the last one finds the number of points with a
// sample.
// Dispatch: ceil(batch * offset_groups * (n_cells + 1) / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> keys: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> starts: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let cell = ix % (n_cells() + 1u);
    let sequence = ix / (n_cells() + 1u);
    if sequence >= params.batch * params.offset_groups {
        return;
    }
    let first = sequence * n_points();
    var low = 0u;
    var high = n_points();
    while low < high {
        let middle = (low + high) / 2u;
        if keys[first + order[first + middle]] < cell {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    starts[ix] = low;
}
