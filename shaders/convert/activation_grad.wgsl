// needs: view window_params grid activation_derivative
// output[n,c,o] = grad_output[n,c,o] * activation'(input[n,c,o]) + beta * output[n,c,o]
//
// `input` is the forward output before its activation. Without HAS_INPUT the activation is the identity and the gradient
// is copied: into the residual's, or into rows that a matrix product can read. One invocation computes one element; with
// DENSE all tensors lie as the output's elements are counted, and no index is divided.
// Dispatch: ceil(batch * c_out * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, HAS_INPUT, DENSE.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;

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
    var input_ix = params.input.base + ix;
    var grad_ix = params.grad_output.base + ix;
    var output_ix = params.output.base + ix;
    if !DENSE {
        let o = unravel(ix % n_positions, params.output_size);
        let c = ix / n_positions % params.c_out;
        let n = ix / n_positions / params.c_out;
        input_ix = view_index(params.input, n, c, o);
        grad_ix = view_index(params.grad_output, n, c, o);
        output_ix = view_index(params.output, n, c, o);
    }
    var value = load_grad_output(grad_ix);
    if HAS_INPUT {
        value *= activation_derivative(load_input(input_ix), params.activation, params.slope);
    }
    if params.beta != 0.0 {
        value += params.beta * load_output(output_ix);
    }
    store_output(output_ix, value);
}
