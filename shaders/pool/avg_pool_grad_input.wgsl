// needs: view window_params grid tap_range windows_of
// grad_input[n,c,i] = sum_{o : window o covers i} grad_output[n,c,o] / divisor(o) + beta * grad_input[n,c,i]
//
// A gather: one invocation computes up to ROWS elements below one another and visits the windows that each lies in. The
// divisor is that of the forward pass: params.divisor where that is not zero, else the number of taps inside the input or,
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

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let strips = vec3<u32>(params.input_size.x, (params.input_size.y + ROWS - 1u) / ROWS, params.input_size.z);
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let n_strips = strips.x * strips.y * strips.z;
    if ix >= params.batch * params.c_in * n_strips {
        return;
    }
    let strip = unravel(ix % n_strips, strips);
    let c = ix / n_strips % params.c_in;
    let n = ix / n_strips / params.c_in;
    let slices = window_run(strip.x, 0u);
    let columns = window_run(strip.z, 2u);
    let last_d = min(slices.last, params.output_size.x - 1u);
    let last_w = min(columns.last, params.output_size.z - 1u);
    let first_y = strip.y * ROWS;
    var rows = window_run(first_y, 1u);
    for (var y = first_y; y < min(first_y + ROWS, params.input_size.y); y++) {
        let pixel = vec3<u32>(strip.x, y, strip.z);
        let last_h = min(rows.last, params.output_size.y - 1u);
        var sum = 0.0;
        for (var od = slices.first; od <= last_d; od++) {
            for (var oh = rows.first; oh <= last_h; oh++) {
                for (var ow = columns.first; ow <= last_w; ow++) {
                    let o = vec3<u32>(od, oh, ow);
                    if !DILATED || window_touches(vec3<i32>(o), pixel) {
                        let grad = load_grad_output(view_index(params.grad_output, n, c, o));
                        sum += grad / f32(divisor(vec3<i32>(o)));
                    }
                }
            }
        }
        let grad_ix = view_index(params.grad_input, n, c, pixel);
        if params.beta != 0.0 {
            sum += params.beta * load_grad_input(grad_ix);
        }
        store_grad_input(grad_ix, sum);
        rows = next_in_run(rows, 1u);
    }
}
