// needs: view window_params grid padding workgroup_sum
// grad_weight[co,ci,k] = sum_{n,o} grad_output[n,co,o] * input[n, g*CPG + ci, o*stride - pad + k*dilation] + beta * grad_weight
// with CPG = c_in / groups and g = co / (c_out / groups); tap k is stored mirrored when FLIP_KERNEL.
//
// One workgroup sums one weight: each invocation folds every WORKGROUP-th (image, position), then a tree over workgroup
// memory whose order is fixed. Any geometry, any strides: the always-correct rung, and the fast one where the weight is
// small and the positions are many. Of a transposed convolution the two tensors change places.
// Dispatch: c_out * CPG * prod(kernel) workgroups, folded.
// Prelude: WORKGROUP, PADDING_MODE, FLIP_KERNEL.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_weight: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let channels = params.c_in / params.groups;
    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    // Uniform per workgroup, so the barriers below are reached by all or none.
    let weight_ix = linear_workgroup(workgroup, grid);
    if weight_ix >= params.c_out * channels * n_taps {
        return;
    }
    var tap = weight_ix % n_taps;
    if FLIP_KERNEL {
        tap = n_taps - 1u - tap;
    }
    let k = vec3<i32>(unravel(tap, kernel) * params.dilation) - vec3<i32>(params.pad_begin);
    let co = weight_ix / n_taps / channels;
    let ci = co / (params.c_out / params.groups) * channels + weight_ix / n_taps % channels;
    let extent = vec3<i32>(params.input_size);
    let n_positions = params.output_size.x * params.output_size.y * params.output_size.z;

    var sum = 0.0;
    for (var n = 0u; n < params.batch; n++) {
        let plane = view_index(params.input, n, ci, vec3<u32>(0u));
        let grad_plane = view_index(params.grad_output, n, co, vec3<u32>(0u));
        // Sums of an image first: shorter chains of roundings.
        var image_sum = 0.0;
        for (var position = local_ix; position < n_positions; position += WORKGROUP) {
            let o = unravel(position, params.output_size);
            let p = vec3<i32>(o * params.stride) + k;
            let d = padded_coordinate(p.x, extent.x);
            let h = padded_coordinate(p.y, extent.y);
            let w = padded_coordinate(p.z, extent.z);
            if d != OUTSIDE && h != OUTSIDE && w != OUTSIDE {
                let grad_ix = grad_plane + o.x * params.grad_output.d + o.y * params.grad_output.h
                    + o.z * params.grad_output.w;
                let input_ix = plane + u32(d) * params.input.d + u32(h) * params.input.h + u32(w) * params.input.w;
                image_sum += load_grad_output(grad_ix) * load_input(input_ix);
            }
        }
        sum += image_sum;
    }
    sum = workgroup_sum(sum, local_ix);
    if local_ix == 0u {
        if params.beta != 0.0 {
            sum += params.beta * load_grad_weight(weight_ix);
        }
        store_grad_weight(weight_ix, sum);
    }
}
