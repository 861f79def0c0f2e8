// needs: view window_params grid
// output[n,c,o] = beta * output[n,c,o], and zero where beta is: what a scatter adds to
//
// One invocation scales one element.
// Dispatch: ceil(batch * c_out * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let n_positions = params.output_size.x * params.output_size.y * params.output_size.z;
    if ix >= params.batch * params.c_out * n_positions {
        return;
    }
    let o = unravel(ix % n_positions, params.output_size);
    let output_ix = view_index(params.output, ix / n_positions / params.c_out, ix / n_positions % params.c_out, o);
    var value = 0.0;
    if params.beta != 0.0 {
        value = params.beta * load_output(output_ix);
    }
    store_output(output_ix, value);
}
