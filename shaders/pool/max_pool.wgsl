// needs: view window_params grid max_rule strips tap_range
// output[n,c,o] = max_k input[n, c, o*stride - pad + k*dilation], indices[n,c,o] = its flat position in the input plane
//
// Padding is skipped, or with HAS_PAD_VALUE takes part as that value in scan order, with index 0xffffffff; overhang of
// ceil_mode beyond the declared padding never takes part. Ties go to the first in scan order, NaN wins. One invocation
// computes up to ROWS elements below one another, which share what depends on their column.
// Dispatch: ceil(batch * channels * d_out * ceil(h_out / ROWS) * w_out / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, ROWS, DILATED, HAS_PAD_VALUE, HAS_INDICES.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<storage, read_write> indices: array<u32>;

const NO_INDEX: u32 = 0xffffffffu;

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
    let begin = -vec3<i32>(params.pad_begin);
    let plane = view_index(params.input, strip.n, strip.c, vec3<u32>(0u));
    // What takes part.
    var low = vec3<i32>(0);
    var high = extent;
    if HAS_PAD_VALUE {
        low = begin;
        high += vec3<i32>(params.pad_end);
    }

    let d = i32(strip.d * params.stride.x) + begin.x;
    let x = i32(strip.w * params.stride.z) + begin.z;
    let slices = tap_range(d, low.x, high.x, dilation.x, kernel.x);
    let columns = tap_range(x, low.z, high.z, dilation.z, kernel.z);
    for (var oy = strip.h; oy < strip.end_h; oy++) {
        let y = i32(oy * params.stride.y) + begin.y;
        let rows = tap_range(y, low.y, high.y, dilation.y, kernel.y);
        // Of a window without a tap, which a dilated one may be, minus infinity and no index.
        var best = params.pad_value;
        var best_ix = NO_INDEX;
        var is_first = true;
        for (var kd = slices.x; kd < slices.y; kd++) {
            for (var kh = rows.x; kh < rows.y; kh++) {
                var p = vec3<i32>(d, y, x) + vec3<i32>(vec3<u32>(kd, kh, columns.x) * dilation);
                // Of padding these wrap and are not used.
                var element = plane + u32(p.x) * params.input.d + u32(p.y) * params.input.h + u32(p.z) * params.input.w;
                var position = u32((p.x * extent.y + p.y) * extent.z + p.z);
                for (var kw = columns.x; kw < columns.y; kw++) {
                    var value = params.pad_value;
                    var index = NO_INDEX;
                    if !HAS_PAD_VALUE || (all(p >= vec3<i32>(0)) && all(p < extent)) {
                        value = load_input(element);
                        index = position;
                    }
                    let takes = is_first || replaces(value, best);
                    best = select(best, value, takes);
                    best_ix = select(best_ix, index, takes);
                    is_first = false;
                    p.z += i32(dilation.z);
                    element += dilation.z * params.input.w;
                    position += dilation.z;
                }
            }
        }
        let o = vec3<u32>(strip.d, oy, strip.w);
        store_output(view_index(params.output, strip.n, strip.c, o), best);
        if HAS_INDICES {
            indices[view_index(params.indices, strip.n, strip.c, o)] = best_ix;
        }
    }
}
