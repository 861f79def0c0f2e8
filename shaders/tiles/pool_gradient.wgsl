// needs: view grid strips windows_of
// The main of the gradients of pooling, each a gather: an invocation computes up to ROWS elements below one another and visits the
// windows that each of them lies in, in scan order.
//
// A kernel defines `Element` and `element_at`, what it knows of an element, and `add_windows`, which adds what the windows `first` to
// `last` of a row of them pass on. Wants the binding grad_input.

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let strip = strip_at(linear_workgroup(workgroup, grid) * WORKGROUP + local_ix, params.c_in, params.input_size);
    if !strip.exists {
        return;
    }
    let slices = window_run(strip.d, 0u);
    let columns = window_run(strip.w, 2u);
    let last_d = min(slices.last, params.output_size.x - 1u);
    let last_w = min(columns.last, params.output_size.z - 1u);
    var rows = window_run(strip.h, 1u);
    for (var h = strip.h; h < strip.end_h; h++) {
        let pixel = vec3<u32>(strip.d, h, strip.w);
        let element = element_at(strip.n, strip.c, pixel);
        let last_h = min(rows.last, params.output_size.y - 1u);
        var sum = 0.0;
        for (var od = slices.first; od <= last_d; od++) {
            for (var oh = rows.first; oh <= last_h; oh++) {
                sum = add_windows(sum, strip.n, strip.c, vec3<u32>(od, oh, columns.first), last_w, pixel, element);
            }
        }
        let grad_ix = view_index(params.grad_input, strip.n, strip.c, pixel);
        if params.beta != 0.0 {
            sum += params.beta * load_grad_input(grad_ix);
        }
        store_grad_input(grad_ix, sum);
        rows = next_in_run(rows, 1u);
    }
}
