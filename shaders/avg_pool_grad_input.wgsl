// grad_input[n,c,i] = sum_{o : window o covers i} grad_output[n,c,o] / divisor(o) + beta * grad_input[n,c,i]
//
// A gather: one invocation computes one element and visits the windows that it lies in. The divisor is that of the
// forward pass: params.count where that is not zero, else the number of taps inside the input or, with COUNT_PADDING,
// inside the declared padding too.
// Dispatch: ceil(batch * channels * input positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, DILATED, COUNT_PADDING.

@group(0) @binding(1) var<storage, read> grad_output: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<f32>;

fn divisor(o: vec3<i32>) -> u32 {
    if params.count != 0u {
        return params.count;
    }
    let start = o * vec3<i32>(params.stride) - vec3<i32>(params.pad_begin);
    var low = vec3<i32>(0);
    var high = vec3<i32>(params.input_size);
    if COUNT_PADDING {
        low -= vec3<i32>(params.pad_begin);
        high += vec3<i32>(params.pad_end);
    }
    let dilation = params.dilation;
    let kernel = params.kernel_size;
    return range_length(tap_range(start.x, low.x, high.x, dilation.x, kernel.x))
        * range_length(tap_range(start.y, low.y, high.y, dilation.y, kernel.y))
        * range_length(tap_range(start.z, low.z, high.z, dilation.z, kernel.z));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let n_pixels = params.input_size.x * params.input_size.y * params.input_size.z;
    if ix >= params.batch * params.c_in * n_pixels {
        return;
    }
    let pixel = unravel(ix % n_pixels, params.input_size);
    let c = ix / n_pixels % params.c_in;
    let n = ix / n_pixels / params.c_in;
    let windows = windows_of(pixel);

    var sum = 0.0;
    for (var od = windows.first.x; od <= windows.last.x; od++) {
        for (var oh = windows.first.y; oh <= windows.last.y; oh++) {
            for (var ow = windows.first.z; ow <= windows.last.z; ow++) {
                let o = vec3<i32>(od, oh, ow);
                if window_touches(o, pixel) {
                    let grad = grad_output[view_index(params.grad_output, n, c, vec3<u32>(o))];
                    sum += grad / f32(divisor(o));
                }
            }
        }
    }
    let grad_ix = view_index(params.grad_input, n, c, pixel);
    if params.beta != 0.0 {
        sum += params.beta * grad_input[grad_ix];
    }
    grad_input[grad_ix] = sum;
}
