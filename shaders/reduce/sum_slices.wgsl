// needs: view window_params grid
// output[c,o] = sum_s input[s,c,o] + beta * output[c,o]
//
// One invocation adds the slices of one element, always in the same order: runs of 16, then the runs. The last stage of
// a sum that was cut into `batch` slices, or of one over images.
// Dispatch: ceil(c_out * positions / WORKGROUP) workgroups, folded.
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
    let n_positions = params.output_size.x * params.output_size.y * params.output_size.z;
    if ix >= params.c_out * n_positions {
        return;
    }
    let o = unravel(ix % n_positions, params.output_size);
    let c = ix / n_positions;
    var sum = 0.0;
    for (var start = 0u; start < params.batch; start += RUN) {
        var run_sum = 0.0;
        for (var s = start; s < min(start + RUN, params.batch); s++) {
            run_sum += load_input(view_index(params.input, s, c, o));
        }
        sum += run_sum;
    }
    let output_ix = view_index(params.output, 0u, c, o);
    if params.beta != 0.0 {
        sum += params.beta * load_output(output_ix);
    }
    store_output(output_ix, sum);
}
