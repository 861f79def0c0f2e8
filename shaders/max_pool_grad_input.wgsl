// grad_input[n,c,i] = sum_{o : indices[n,c,o] = i} grad_output[n,c,o] + beta * grad_input[n,c,i]
//
// A gather: one invocation computes one element and asks the windows that it lies in whether it won them. `indices` are
// those of the forward pass, recomputed into the workspace; a window that the padding won has none.
// Dispatch: ceil(batch * channels * input positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_input: array<f32>;

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
    let flat = ix % n_pixels;
    let windows = windows_of(pixel);

    var sum = 0.0;
    for (var od = windows.first.x; od <= windows.last.x; od++) {
        for (var oh = windows.first.y; oh <= windows.last.y; oh++) {
            for (var ow = windows.first.z; ow <= windows.last.z; ow++) {
                let o = vec3<i32>(od, oh, ow);
                if indices[view_index(params.indices, n, c, vec3<u32>(o))] == flat {
                    sum += grad_output[view_index(params.grad_output, n, c, vec3<u32>(o))];
                }
            }
        }
    }
    let grad_ix = view_index(params.grad_input, n, c, pixel);
    if params.beta != 0.0 {
        sum += params.beta * grad_input[grad_ix];
    }
    grad_input[grad_ix] = sum;
}
