// needs: view window_params grid
// output[n, channel, y, x] = input[n, c, y*r + i, x*r + j], r = block
// channel = (c*r + i)*r + j (CRD), or (i*r + j)*C + c with C input channels (DCR)
//
// One invocation copies one element; neighbours write neighbouring columns.
// Dispatch: ceil(output elements / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, DCR.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

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
    let block = params.block;
    let area = block * block;
    var source_c = c / area;
    var within = c % area;
    if DCR {
        source_c = c % params.c_in;
        within = c / params.c_in;
    }
    let p = vec3<u32>(0u, o.y * block + within / block, o.z * block + within % block);
    var value = load_input(view_index(params.input, n, source_c, p));
    let output_ix = view_index(params.output, n, c, o);
    if params.beta != 0.0 {
        value += params.beta * load_output(output_ix);
    }
    store_output(output_ix, value);
}
