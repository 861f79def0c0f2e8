// grad_bias[c] = sum_{n,o} grad_output[n,c,o] + beta * grad_bias[c]
//
// One workgroup sums one channel: each invocation folds every WORKGROUP-th position of each image, then a tree over
// workgroup memory whose order is fixed.
// Dispatch: c_out workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> grad_output: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_bias: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    // Uniform per workgroup, so the barriers below are reached by all or none.
    let c = linear_workgroup(workgroup, grid);
    if c >= params.c_out {
        return;
    }
    let n_positions = params.output_size.x * params.output_size.y * params.output_size.z;
    var sum = 0.0;
    for (var n = 0u; n < params.batch; n++) {
        var image_sum = 0.0;
        for (var position = local_ix; position < n_positions; position += WORKGROUP) {
            image_sum += grad_output[view_index(params.grad_output, n, c, unravel(position, params.output_size))];
        }
        sum += image_sum;
    }
    sum = workgroup_sum(sum, local_ix);
    if local_ix == 0u {
        if params.beta != 0.0 {
            sum += params.beta * grad_bias[c];
        }
        grad_bias[c] = sum;
    }
}
