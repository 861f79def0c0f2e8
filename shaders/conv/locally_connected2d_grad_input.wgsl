// needs: view window_params grid
// grad_input[n,ci,i] = sum_{co,k,o : o*stride - pad + k*dilation = i} grad_output[n,co,o] * weight[o,co,ci,k] + beta * grad_input
// over the output channels of ci's group.
//
// A gather: one invocation computes one element and looks at every tap; any geometry, any strides.
// Dispatch: ceil(batch * c_in * input positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_input: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let n_pixels = params.input_size.y * params.input_size.z;
    if ix >= params.batch * params.c_in * n_pixels {
        return;
    }
    let pixel = unravel(ix % n_pixels, params.input_size);
    let ci = ix / n_pixels % params.c_in;
    let n = ix / n_pixels / params.c_in;
    let channels = params.c_in / params.groups;
    let co_per_group = params.c_out / params.groups;
    let co_start = ci / channels * co_per_group;
    let kernel = params.kernel_size;
    let n_taps = kernel.y * kernel.z;
    let stride = vec3<i32>(params.stride);
    let windows = vec3<i32>(params.output_size);
    let anchor = vec3<i32>(pixel + params.pad_begin);

    var sum = 0.0;
    for (var tap = 0u; tap < n_taps; tap++) {
        let reach = anchor - vec3<i32>(vec3<u32>(0u, tap / kernel.z, tap % kernel.z) * params.dilation);
        let o = reach / stride;
        if any(reach < vec3<i32>(0)) || any(o * stride != reach) || any(o >= windows) {
            continue;
        }
        let position = u32(o.y) * params.output_size.z + u32(o.z);
        var weight_ix = ((position * params.c_out + co_start) * channels + ci % channels) * n_taps + tap;
        var grad_ix = view_index(params.grad_output, n, co_start, vec3<u32>(o));
        for (var co = 0u; co < co_per_group; co++) {
            sum += load_grad_output(grad_ix) * load_weight(weight_ix);
            grad_ix += params.grad_output.c;
            weight_ix += channels * n_taps;
        }
    }
    let grad_input_ix = view_index(params.grad_input, n, ci, pixel);
    if params.beta != 0.0 {
        sum += params.beta * load_grad_input(grad_input_ix);
    }
    store_grad_input(grad_input_ix, sum);
}
