// needs: view window_params pool_gradient tap_range windows_of
// grad_input[n,c,i] = sum_{o : window o covers i} grad_output[n,c,o] / divisor(o) + beta * grad_input[n,c,i]
//
// The part pool_gradient has the main: one invocation computes up to ROWS elements below one another. The divisor is that of the forward pass: params.divisor where that is not zero, else the number of taps inside the input or,
// with COUNT_PADDING, inside the declared padding too.
// Dispatch: ceil(batch * channels * d_in * ceil(h_in / ROWS) * w_in / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, ROWS, DILATED, COUNT_PADDING.

@group(0) @binding(1) var<storage, read> grad_output: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_input: array<f32>;

fn divisor(o: vec3<i32>) -> u32 {
    if params.divisor != 0u {
        return params.divisor;
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

// What a window passes on does not depend on the element.
alias Element = bool;

fn element_at(n: u32, c: u32, pixel: vec3<u32>) -> Element {
    return true;
}

fn add_windows(
    sum: f32,
    n: u32,
    c: u32,
    first: vec3<u32>,
    last: u32,
    pixel: vec3<u32>,
    element: Element,
) -> f32 {
    var total = sum;
    for (var o = first; o.z <= last; o.z++) {
        if !DILATED || window_touches(vec3<i32>(o), pixel) {
            total += load_grad_output(view_index(params.grad_output, n, c, o)) / f32(divisor(vec3<i32>(o)));
        }
    }
    return total;
}
