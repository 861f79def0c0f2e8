// needs: window_params grid
// output[i] = input[i]: a tensor as f32, in the workspace
//
// One invocation copies one element, whether it is the tensor's or lies between two of them.
// Dispatch: ceil(count / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    if ix < params.count {
        store_output(ix, load_input(params.input.base + ix));
    }
}
