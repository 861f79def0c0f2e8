// needs: view window_params grid
// grad_weight[o,co,ci,k] = sum_n grad_output[n,co,o] * input[n, g*CPG + ci, o*stride - pad + k*dilation] + beta * grad_weight
// with CPG = c_in / groups and g = co / (c_out / groups).
//
// One invocation computes one weight; the sum goes over the images alone.
// Dispatch: ceil(positions * c_out * CPG * kh * kw / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_weight: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let weight_ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let n_positions = params.output_size.y * params.output_size.z;
    let channels = params.c_in / params.groups;
    let kernel = params.kernel_size;
    let n_taps = kernel.y * kernel.z;
    if weight_ix >= n_positions * params.c_out * channels * n_taps {
        return;
    }
    let tap = weight_ix % n_taps;
    var ix = weight_ix / n_taps;
    let channel = ix % channels;
    ix /= channels;
    let co = ix % params.c_out;
    let o = unravel(ix / params.c_out, params.output_size);
    let ci = co / (params.c_out / params.groups) * channels + channel;
    let p = vec3<i32>(o * params.stride + unravel(tap, kernel) * params.dilation) - vec3<i32>(params.pad_begin);
    let inside = all(p >= vec3<i32>(0)) && all(p < vec3<i32>(params.input_size));

    var sum = 0.0;
    if inside {
        for (var n = 0u; n < params.batch; n++) {
            let grad = load_grad_output(view_index(params.grad_output, n, co, o));
            sum += grad * load_input(view_index(params.input, n, ci, vec3<u32>(p)));
        }
    }
    if params.beta != 0.0 {
        sum += params.beta * load_grad_weight(weight_ix);
    }
    store_grad_weight(weight_ix, sum);
}
