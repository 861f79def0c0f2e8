// needs: view window_params grid windows_of
// grad_input[n,c,i] = sum_{o : indices[n,c,o] = i} grad_output[n,c,o] + beta * grad_input[n,c,i]
//
// A gather: one invocation computes up to ROWS elements below one another and asks the windows that each lies in whether it
// won them. `indices` are
// those of the forward pass, recomputed into the workspace; a window that the padding won has none.
// Dispatch: ceil(batch * channels * d_in * ceil(h_in / ROWS) * w_in / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, ROWS.

@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_input: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let strips = vec3<u32>(params.input_size.x, (params.input_size.y + ROWS - 1u) / ROWS, params.input_size.z);
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let n_strips = strips.x * strips.y * strips.z;
    if ix >= params.batch * params.c_in * n_strips {
        return;
    }
    let strip = unravel(ix % n_strips, strips);
    let c = ix / n_strips % params.c_in;
    let n = ix / n_strips / params.c_in;
    let slices = window_run(strip.x, 0u);
    let columns = window_run(strip.z, 2u);
    let last_d = min(slices.last, params.output_size.x - 1u);
    let last_w = min(columns.last, params.output_size.z - 1u);
    let first_y = strip.y * ROWS;
    var rows = window_run(first_y, 1u);
    for (var y = first_y; y < min(first_y + ROWS, params.input_size.y); y++) {
        let pixel = vec3<u32>(strip.x, y, strip.z);
        let last_h = min(rows.last, params.output_size.y - 1u);
        let flat = (strip.x * params.input_size.y + y) * params.input_size.z + strip.z;
        var sum = 0.0;
        for (var od = slices.first; od <= last_d; od++) {
            for (var oh = rows.first; oh <= last_h; oh++) {
                let window = vec3<u32>(od, oh, columns.first);
                var index_ix = view_index(params.indices, n, c, window);
                var grad_ix = view_index(params.grad_output, n, c, window);
                for (var ow = columns.first; ow <= last_w; ow++) {
                    sum += select(0.0, load_grad_output(grad_ix), indices[index_ix] == flat);
                    index_ix += params.indices.w;
                    grad_ix += params.grad_output.w;
                }
            }
        }
        let grad_ix = view_index(params.grad_input, n, c, pixel);
        if params.beta != 0.0 {
            sum += params.beta * load_grad_input(grad_ix);
        }
        store_grad_input(grad_ix, sum);
        rows = next_in_run(rows, 1u);
    }
}
