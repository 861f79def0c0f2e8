// needs: view window_params grid workgroup_sum
// grad_bias[c] = sum_{n,o} grad_output[n,c,o] + beta * grad_bias[c]
//
// With TREE one workgroup sums one channel: each invocation folds every WORKGROUP-th position of each image, then a tree
// over workgroup memory whose order is fixed. Without it an invocation sums a channel of its own, row by row: no barrier
// and no division, for CPU adapters, where neighbours need not read neighbours.
// Dispatch: c_out workgroups with TREE, ceil(c_out / WORKGROUP) without, folded.
// Prelude: WORKGROUP, TREE.

@group(0) @binding(1) var<storage, read> grad_output: array<f32>;
@group(0) @binding(2) var<storage, read_write> grad_bias: array<f32>;

fn image_by_tree(n: u32, c: u32, local_ix: u32) -> f32 {
    let n_positions = params.output_size.x * params.output_size.y * params.output_size.z;
    var sum = 0.0;
    for (var position = local_ix; position < n_positions; position += WORKGROUP) {
        sum += load_grad_output(view_index(params.grad_output, n, c, unravel(position, params.output_size)));
    }
    return sum;
}

fn image_by_rows(n: u32, c: u32) -> f32 {
    var sum = 0.0;
    for (var d = 0u; d < params.output_size.x; d++) {
        for (var h = 0u; h < params.output_size.y; h++) {
            var ix = view_index(params.grad_output, n, c, vec3<u32>(d, h, 0u));
            var row_sum = 0.0;
            for (var w = 0u; w < params.output_size.z; w++) {
                row_sum += load_grad_output(ix);
                ix += params.grad_output.w;
            }
            sum += row_sum;
        }
    }
    return sum;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let workgroup_ix = linear_workgroup(workgroup, grid);
    let c = select(workgroup_ix * WORKGROUP + local_ix, workgroup_ix, TREE);
    // All stay for the barriers.
    let n_images = select(0u, params.batch, c < params.c_out);
    var sum = 0.0;
    for (var n = 0u; n < n_images; n++) {
        if TREE {
            sum += image_by_tree(n, c, local_ix);
        } else {
            sum += image_by_rows(n, c);
        }
    }
    if TREE {
        sum = workgroup_sum(sum, local_ix);
    }
    if c < params.c_out && (!TREE || local_ix == 0u) {
        if params.beta != 0.0 {
            sum += params.beta * load_grad_bias(c);
        }
        store_grad_bias(c, sum);
    }
}
