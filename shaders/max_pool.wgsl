// output[n,c,o] = max_k input[n, c, o*stride - pad + k*dilation], indices[n,c,o] = its flat position in the input plane
//
// Padding is skipped, or with HAS_PAD_VALUE takes part as that value in scan order, with index 0xffffffff; overhang of
// ceil_mode beyond the declared padding never takes part. Ties go to the first in scan order, NaN wins. One invocation
// computes one output element.
// Dispatch: ceil(batch * channels * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, HAS_PAD_VALUE, HAS_INDICES.

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
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let n_positions = params.output_size.x * params.output_size.y * params.output_size.z;
    if ix >= params.batch * params.c_out * n_positions {
        return;
    }
    let o = unravel(ix % n_positions, params.output_size);
    let c = ix / n_positions % params.c_out;
    let n = ix / n_positions / params.c_out;
    let kernel = params.kernel_size;
    let origin = vec3<i32>(o * params.stride) - vec3<i32>(params.pad_begin);
    let extent = vec3<i32>(params.input_size);
    let plane = view_index(params.input, n, c, vec3<u32>(0u));

    var best = 0.0;
    var best_ix = NO_INDEX;
    var found = false;
    for (var kd = 0u; kd < kernel.x; kd++) {
        for (var kh = 0u; kh < kernel.y; kh++) {
            for (var kw = 0u; kw < kernel.z; kw++) {
                let p = origin + vec3<i32>(vec3<u32>(kd, kh, kw) * params.dilation);
                var value = params.value;
                var index = NO_INDEX;
                if all(p >= vec3<i32>(0)) && all(p < extent) {
                    let q = vec3<u32>(p);
                    value = input[plane + q.x * params.input.d + q.y * params.input.h + q.z * params.input.w];
                    index = (q.x * params.input_size.y + q.y) * params.input_size.z + q.z;
                } else if !HAS_PAD_VALUE || any(p >= extent + vec3<i32>(params.pad_end)) {
                    continue;
                }
                if !found || replaces(value, best) {
                    best = value;
                    best_ix = index;
                    found = true;
                }
            }
        }
    }
    output[view_index(params.output, n, c, o)] = best;
    if HAS_INDICES {
        indices[view_index(params.indices, n, c, o)] = best_ix;
    }
}
