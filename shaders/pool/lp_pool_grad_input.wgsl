// needs: view window_params grid lp_norm windows_of
// grad_input[n,c,i] = sum_{o : window o covers i} grad_output[n,c,o] * sign(x) * (|x| / output[n,c,o])^(p-1) + beta * grad_input
// with x = input[n,c,i]; zero where x or the norm is zero.
//
// A gather: one invocation computes one element and visits the windows that it lies in. `output` is that of the forward
// pass, recomputed into the workspace.
// Dispatch: ceil(batch * channels * input positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> output: array<f32>;
@group(0) @binding(3) var<storage, read> grad_output: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_input: array<f32>;

fn slope(x: f32, norm: f32) -> f32 {
    if x == 0.0 || norm == 0.0 {
        return 0.0;
    }
    let p = params.exponent;
    let size = abs(x);
    var value = 1.0;
    if p > 1.0 {
        value = power(size / norm, p - 1.0);
    } else if p < 1.0 {
        value = power(norm / size, 1.0 - p);
    }
    return select(value, -value, x < 0.0);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let n_pixels = params.input_size.x * params.input_size.y * params.input_size.z;
    if ix >= params.batch * params.c_in * n_pixels {
        return;
    }
    let pixel = unravel(ix % n_pixels, params.input_size);
    let c = ix / n_pixels % params.c_in;
    let n = ix / n_pixels / params.c_in;
    let x = load_input(view_index(params.input, n, c, pixel));
    let windows = windows_of(pixel);

    var sum = 0.0;
    for (var od = windows.first.x; od <= windows.last.x; od++) {
        for (var oh = windows.first.y; oh <= windows.last.y; oh++) {
            for (var ow = windows.first.z; ow <= windows.last.z; ow++) {
                let o = vec3<i32>(od, oh, ow);
                if window_touches(o, pixel) {
                    let norm = load_output(view_index(params.output, n, c, vec3<u32>(o)));
                    let grad = load_grad_output(view_index(params.grad_output, n, c, vec3<u32>(o)));
                    sum += grad * slope(x, norm);
                }
            }
        }
    }
    let grad_ix = view_index(params.grad_input, n, c, pixel);
    if params.beta != 0.0 {
        sum += params.beta * load_grad_input(grad_ix);
    }
    store_grad_input(grad_ix, sum);
}
