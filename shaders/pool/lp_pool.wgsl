// needs: view window_params grid lp_norm
// output[n,c,o] = (sum_k |input[n, c, o*stride - pad + k*dilation]|^p)^(1/p), padding counts as zero
//
// One invocation computes one output element.
// Dispatch: ceil(batch * channels * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

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

    var sum = 0.0;
    for (var kd = 0u; kd < kernel.x; kd++) {
        for (var kh = 0u; kh < kernel.y; kh++) {
            for (var kw = 0u; kw < kernel.z; kw++) {
                let p = origin + vec3<i32>(vec3<u32>(kd, kh, kw) * params.dilation);
                if all(p >= vec3<i32>(0)) && all(p < extent) {
                    let q = vec3<u32>(p);
                    let ix = plane + q.x * params.input.d + q.y * params.input.h + q.z * params.input.w;
                    sum += power(abs(load_input(ix)), params.exponent);
                }
            }
        }
    }
    store_output(view_index(params.output, n, c, o), root(sum, params.exponent));
}
