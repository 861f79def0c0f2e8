// output[n,co,o] = epilogue(sum_s input[s,n,co,o])
//
// One invocation adds the partial sums of one output, always in the same order, and finishes it: the last stage of a
// convolution whose sums were cut into `count` slices.
// Dispatch: ceil(batch * c_out * output positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let n_positions = params.output_size.x * params.output_size.y * params.output_size.z;
    if ix >= params.batch * params.c_out * n_positions {
        return;
    }
    let o = unravel(ix % n_positions, params.output_size);
    let co = ix / n_positions % params.c_out;
    let n = ix / n_positions / params.c_out;
    var place = view_index(params.input, n, co, o);
    var sum = 0.0;
    for (var s = 0u; s < params.count; s++) {
        sum += load_input(place);
        place += params.batch * params.input.n;
    }
    write_output(n, co, o, sum);
}
