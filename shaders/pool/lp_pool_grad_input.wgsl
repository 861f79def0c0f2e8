// needs: view window_params lp_norm pool_gradient windows_of
// grad_input[n,c,i] = sum_{o : window o covers i} grad_output[n,c,o] * sign(x) * (|x| / output[n,c,o])^(p-1) + beta * grad_input
// with x = input[n,c,i]; zero where x or the norm is zero.
//
// The part pool_gradient has the main: one invocation computes up to ROWS elements below one another. `output` is that of the forward
// pass, recomputed into the workspace.
// Dispatch: ceil(batch * channels * d_in * ceil(h_in / ROWS) * w_in / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, ROWS.

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

// Of the input.
alias Element = f32;

fn element_at(n: u32, c: u32, pixel: vec3<u32>) -> Element {
    return load_input(view_index(params.input, n, c, pixel));
}

fn add_windows(
    sum: f32,
    n: u32,
    c: u32,
    first: vec3<u32>,
    last: u32,
    pixel: vec3<u32>,
    element: Element,
) -> f32 {
    var total = sum;
    for (var o = first; o.z <= last; o.z++) {
        if window_touches(vec3<i32>(o), pixel) {
            let norm = load_output(view_index(params.output, n, c, o));
            total += load_grad_output(view_index(params.grad_output, n, c, o)) * slope(element, norm);
        }
    }
    return total;
}
