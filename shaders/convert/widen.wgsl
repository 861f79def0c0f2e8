// needs: copy_params grid
// workspace[i] = tensor[base + i]: a tensor as f32, in the workspace
//
// One invocation copies one element, whether it is the tensor's or lies between two of them.
// Dispatch: ceil(span / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> tensor: array<f32>;
@group(0) @binding(2) var<storage, read_write> workspace: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    if ix < params.span {
        store_workspace(ix, load_tensor(params.base + ix));
    }
}
