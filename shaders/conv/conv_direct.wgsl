// needs: view window_params grid padding write_output
// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
// with CPG = c_in / groups and g = co / (c_out / groups); k runs over the kernel box, mirrored when FLIP_KERNEL.
//
// One invocation computes one output element; any geometry, any strides: the always-correct rung.
// Dispatch: ceil(batch * c_out * output positions / WORKGROUP) workgroups of WORKGROUP invocations, folded.
// Prelude: WORKGROUP, PADDING_MODE, FLIP_KERNEL.

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
    let channels = params.c_in / params.groups;
    let ci_start = co / (params.c_out / params.groups) * channels;
    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let extent = vec3<i32>(params.input_size);
    let origin = vec3<i32>(o * params.stride) - vec3<i32>(params.pad_begin);

    var sum = 0.0;
    for (var kd = 0u; kd < kernel.x; kd++) {
        let d = padded_coordinate(origin.x + i32(kd * params.dilation.x), extent.x);
        for (var kh = 0u; kh < kernel.y; kh++) {
            let h = padded_coordinate(origin.y + i32(kh * params.dilation.y), extent.y);
            for (var kw = 0u; kw < kernel.z; kw++) {
                let w = padded_coordinate(origin.z + i32(kw * params.dilation.z), extent.z);
                if d == OUTSIDE || h == OUTSIDE || w == OUTSIDE {
                    continue;
                }
                var tap = (kd * kernel.y + kh) * kernel.z + kw;
                if FLIP_KERNEL {
                    tap = n_taps - 1u - tap;
                }
                var input_ix = view_index(params.input, n, ci_start, vec3<u32>(vec3<i32>(d, h, w)));
                var weight_ix = co * channels * n_taps + tap;
                for (var ci = 0u; ci < channels; ci++) {
                    sum += load_input(input_ix) * load_weight(weight_ix);
                    input_ix += params.input.c;
                    weight_ix += n_taps;
                }
            }
        }
    }
    write_output(n, co, o, sum);
}
