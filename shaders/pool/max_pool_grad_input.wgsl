// needs: view window_params pool_gradient
// grad_input[n,c,i] = sum_{o : indices[n,c,o] = i} grad_output[n,c,o] + beta * grad_input[n,c,i]
//
// The part pool_gradient has the main: one invocation computes up to ROWS elements below one another and asks the windows that each lies
// in whether it won them. `indices` are those of the forward pass, recomputed into the workspace; a window that the padding won has none.
// Dispatch: ceil(batch * channels * d_in * ceil(h_in / ROWS) * w_in / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, ROWS.

@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_input: array<f32>;

// Its place in the plane, as the indices count.
alias Element = u32;

fn element_at(n: u32, c: u32, pixel: vec3<u32>) -> Element {
    return (pixel.x * params.input_size.y + pixel.y) * params.input_size.z + pixel.z;
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
    var index_ix = view_index(params.indices, n, c, first);
    var grad_ix = view_index(params.grad_output, n, c, first);
    for (var ow = first.z; ow <= last; ow++) {
        total += select(0.0, load_grad_output(grad_ix), indices[index_ix] == element);
        index_ix += params.indices.w;
        grad_ix += params.grad_output.w;
    }
    return total;
}
