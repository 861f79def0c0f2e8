// needs: view window_params grid activation
// output[n,co,o] = activation(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[o,co,ci,k] + bias[co,o] + residual[n,co,o])
//
// One invocation computes one output element. Every weight is used once per image, so bandwidth bounds it.
// Dispatch: ceil(batch * c_out * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

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
    let n_positions = params.output_size.y * params.output_size.z;
    if ix >= params.batch * params.c_out * n_positions {
        return;
    }
    let position = ix % n_positions;
    let o = unravel(position, params.output_size);
    let co = ix / n_positions % params.c_out;
    let n = ix / n_positions / params.c_out;
    let channels = params.c_in / params.groups;
    let ci_start = co / (params.c_out / params.groups) * channels;
    let kernel = params.kernel_size;
    let n_taps = kernel.y * kernel.z;
    let origin = vec3<i32>(o * params.stride) - vec3<i32>(params.pad_begin);
    let extent = vec3<i32>(params.input_size);

    var sum = 0.0;
    for (var tap = 0u; tap < n_taps; tap++) {
        let y = origin.y + i32(tap / kernel.z * params.dilation.y);
        let x = origin.z + i32(tap % kernel.z * params.dilation.z);
        if y < 0 || x < 0 || y >= extent.y || x >= extent.z {
            continue;
        }
        var input_ix = view_index(params.input, n, ci_start, vec3<u32>(0u, u32(y), u32(x)));
        var weight_ix = (position * params.c_out + co) * channels * n_taps + tap;
        for (var ci = 0u; ci < channels; ci++) {
            sum += load_input(input_ix) * load_weight(weight_ix);
            input_ix += params.input.c;
            weight_ix += n_taps;
        }
    }
    if params.has_bias != 0u {
        sum += load_bias(co * n_positions + position);
    }
    if params.has_residual != 0u {
        sum += load_residual(view_index(params.residual, n, co, o));
    }
    store_output(view_index(params.output, n, co, o), activate(sum, params.activation, params.slope));
}
