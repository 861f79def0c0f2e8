// needs: view window_params grid write_output
// output[n,co,o] = epilogue(sum_{ci,k : (o + pad - k*dilation) mod stride = 0} input[n, ci, (o + pad - k*dilation) / stride] * weight[ci, co mod OPG, k])
// with OPG = c_out / groups and ci over the channels of co's group.
//
// One invocation computes one output element and looks at every tap; any geometry, any strides: the always-correct rung.
// Dispatch: ceil(batch * c_out * output positions / WORKGROUP) workgroups of WORKGROUP invocations, folded.
// Prelude: WORKGROUP, FLIP_KERNEL.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

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
    let co = ix / n_positions % params.c_out;
    let n = ix / n_positions / params.c_out;
    let co_per_group = params.c_out / params.groups;
    let channels = params.c_in / params.groups;
    let ci_start = co / co_per_group * channels;
    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let anchor = vec3<i32>(o + params.pad_begin);
    let stride = vec3<i32>(params.stride);
    let extent = vec3<i32>(params.input_size);

    var sum = 0.0;
    for (var kd = 0u; kd < kernel.x; kd++) {
        for (var kh = 0u; kh < kernel.y; kh++) {
            for (var kw = 0u; kw < kernel.z; kw++) {
                let reach = anchor - vec3<i32>(vec3<u32>(kd, kh, kw) * params.dilation);
                let i = reach / stride;
                if any(reach < vec3<i32>(0)) || any(i * stride != reach) || any(i >= extent) {
                    continue;
                }
                var tap = (kd * kernel.y + kh) * kernel.z + kw;
                if FLIP_KERNEL {
                    tap = n_taps - 1u - tap;
                }
                var input_ix = view_index(params.input, n, ci_start, vec3<u32>(i));
                var weight_ix = (ci_start * co_per_group + co % co_per_group) * n_taps + tap;
                for (var ci = 0u; ci < channels; ci++) {
                    sum += load_input(input_ix) * load_weight(weight_ix);
                    input_ix += params.input.c;
                    weight_ix += co_per_group * n_taps;
                }
            }
        }
    }
    write_output(n, co, o, sum);
}
