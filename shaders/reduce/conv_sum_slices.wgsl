// needs: window_params grid write_output
// output[n,co,o] = epilogue(sum_s partial[s,n,co,o])
//
// One invocation adds the partial sums of one output, always in the same order, and finishes it: the last stage of a
// convolution whose sums were cut into `slices`. The slices lie one behind the other, without gaps; DENSE says that output
// and residual do, too, and that their views count elements alone: a division costs as much as a dozen additions.
// Dispatch: ceil(batch * c_out * output positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, DENSE.

@group(0) @binding(1) var<storage, read> partial: array<f32>;
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
    var sum = 0.0;
    var place = ix;
    for (var s = 0u; s < params.slices; s++) {
        sum += load_partial(place);
        place += params.batch * params.c_out * n_positions;
    }
    let co = ix / n_positions % params.c_out;
    if DENSE {
        write_output(0u, co, vec3<u32>(0u, 0u, ix), sum);
    } else {
        write_output(ix / n_positions / params.c_out, co, unravel(ix % n_positions, params.output_size), sum);
    }
}
