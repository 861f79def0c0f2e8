// needs: view sum_params grid
// output[row,o] = sum_s input[s,row,o] + beta * output[row,o]
//
// One invocation adds the slices of one element, always in the same order: runs of 16, then the runs. The last stage of
// a sum that was cut into slices, or of one over images.
// Dispatch: ceil(rows * positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;

const RUN: u32 = 16u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let n_positions = params.size.x * params.size.y * params.size.z;
    if ix >= params.rows * n_positions {
        return;
    }
    let o = unravel(ix % n_positions, params.size);
    let row = ix / n_positions;
    var sum = 0.0;
    for (var start = 0u; start < params.slices; start += RUN) {
        var run_sum = 0.0;
        for (var s = start; s < min(start + RUN, params.slices); s++) {
            run_sum += load_input(view_index(params.input, s, row, o));
        }
        sum += run_sum;
    }
    let output_ix = view_index(params.output, 0u, row, o);
    if params.beta != 0.0 {
        sum += params.beta * load_output(output_ix);
    }
    store_output(output_ix, sum);
}
