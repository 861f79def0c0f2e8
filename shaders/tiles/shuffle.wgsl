// needs: view grid
// The main of the shuffles between channels and pixels: one invocation copies one element; neighbours write neighbouring columns.
//
// A kernel defines `source_at`, which element of the input becomes an element of the output. Wants the bindings input and output.

struct ShuffleSource {
    c: u32,
    p: vec3<u32>,
}

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
    let source = source_at(c, o);
    var value = load_input(view_index(params.input, n, source.c, source.p));
    let output_ix = view_index(params.output, n, c, o);
    if params.beta != 0.0 {
        value += params.beta * load_output(output_ix);
    }
    store_output(output_ix, value);
}
