// needs: view window_params grid strips tap_range
// output[n,c,o] = sum_k input[n, c, o*stride - pad + k*dilation] / divisor
//
// The divisor is params.divisor where that is not zero, else the number of taps inside the input or, with COUNT_PADDING,
// inside the declared padding too; overhang of ceil_mode beyond it never counts. One invocation computes up to ROWS
// elements below one another, which share what depends on their column.
// Dispatch: ceil(batch * channels * d_out * ceil(h_out / ROWS) * w_out / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, ROWS, DILATED, COUNT_PADDING.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let strip = strip_at(linear_workgroup(workgroup, grid) * WORKGROUP + local_ix, params.c_out, params.output_size);
    if !strip.exists {
        return;
    }
    let kernel = params.kernel_size;
    let dilation = params.dilation;
    let extent = vec3<i32>(params.input_size);
    let lowest = -vec3<i32>(params.pad_begin);
    let highest = extent + vec3<i32>(params.pad_end);
    let plane = view_index(params.input, strip.n, strip.c, vec3<u32>(0u));
    let row_step = dilation.y * params.input.h;
    let column_step = dilation.z * params.input.w;

    let d = i32(strip.d * params.stride.x) + lowest.x;
    let x = i32(strip.w * params.stride.z) + lowest.z;
    let slices = tap_range(d, 0, extent.x, dilation.x, kernel.x);
    let columns = tap_range(x, 0, extent.z, dilation.z, kernel.z);
    var n_padded = 0u;
    if COUNT_PADDING {
        n_padded = range_length(tap_range(d, lowest.x, highest.x, dilation.x, kernel.x))
            * range_length(tap_range(x, lowest.z, highest.z, dilation.z, kernel.z));
    }
    for (var oy = strip.h; oy < strip.end_h; oy++) {
        let y = i32(oy * params.stride.y) + lowest.y;
        let rows = tap_range(y, 0, extent.y, dilation.y, kernel.y);
        var sum = 0.0;
        for (var kd = slices.x; kd < slices.y; kd++) {
            let slice = plane + u32(d + i32(kd * dilation.x)) * params.input.d;
            var row = slice + u32(y + i32(rows.x * dilation.y)) * params.input.h
                + u32(x + i32(columns.x * dilation.z)) * params.input.w;
            for (var kh = rows.x; kh < rows.y; kh++) {
                var element = row;
                for (var kw = columns.x; kw < columns.y; kw++) {
                    sum += load_input(element);
                    element += column_step;
                }
                row += row_step;
            }
        }
        var divisor = params.divisor;
        if divisor == 0u {
            if COUNT_PADDING {
                divisor = n_padded * range_length(tap_range(y, lowest.y, highest.y, dilation.y, kernel.y));
            } else {
                divisor = range_length(slices) * range_length(rows) * range_length(columns);
            }
        }
        store_output(view_index(params.output, strip.n, strip.c, vec3<u32>(strip.d, oy, strip.w)), sum / f32(divisor));
    }
}
