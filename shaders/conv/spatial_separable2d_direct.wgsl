// needs: view window_params grid padding write_output
// output[n,c,oy,ox] = epilogue(sum_kx weight_h[c,kx] * sum_ky weight_v[c,ky] * input[n, c, oy*sh - pt + ky*dh, ox*sw - pl + kx*dw])
//
// One invocation computes one output element, both passes at once and nothing in between: the always-correct rung.
// Dispatch: ceil(batch * channels * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, PADDING_MODE.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight_v: array<f32>;
@group(0) @binding(3) var<storage, read> weight_h: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> output: array<f32>;

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
    let o = unravel(ix % n_positions, params.output_size);
    let c = ix / n_positions % params.c_out;
    let n = ix / n_positions / params.c_out;
    let kernel = params.kernel_size;
    let origin = vec3<i32>(o * params.stride) - vec3<i32>(params.pad_begin);
    let extent = vec3<i32>(params.input_size);
    let plane = view_index(params.input, n, c, vec3<u32>(0u));

    var sum = 0.0;
    for (var kw = 0u; kw < kernel.z; kw++) {
        let x = padded_coordinate(origin.z + i32(kw * params.dilation.z), extent.z);
        if x == OUTSIDE {
            continue;
        }
        var column = 0.0;
        for (var kh = 0u; kh < kernel.y; kh++) {
            let y = padded_coordinate(origin.y + i32(kh * params.dilation.y), extent.y);
            if y != OUTSIDE {
                let value = load_input(plane + u32(y) * params.input.h + u32(x) * params.input.w);
                column += value * load_weight_v(c * kernel.y + kh);
            }
        }
        sum += column * load_weight_h(c * kernel.z + kw);
    }
    write_output(n, c, o, sum);
}
