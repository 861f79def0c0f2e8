// grad_input[n,ci,y,x] = sum over the 4 cells that have (y,x) as a corner, and their chunks, of sums[n,ci,slot][corner]
//                        + beta * grad_input[n,ci,y,x]
//
// One invocation computes one element.
// Dispatch: ceil(batch * c_in * input positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> starts: array<u32>;
@group(0) @binding(2) var<storage, read> sums: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> grad_input: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let n_pixels = params.input_size.y * params.input_size.z;
    if ix >= params.batch * params.c_in * n_pixels {
        return;
    }
    let pixel = unravel(ix % n_pixels, params.input_size);
    let plane = ix / n_pixels;
    let ci = plane % params.c_in;
    let n = plane / params.c_in;
    let offset_group = ci / (params.c_in / params.offset_groups);
    let cell_list = (n * params.offset_groups + offset_group) * (n_cells() + 1u);

    var sum = 0.0;
    for (var corner = 0u; corner < 4u; corner++) {
        // The pixel is corner (corner / 2, corner % 2) of this cell.
        let cell = cell_ix(pixel.y + 1u - corner / 2u, pixel.z + 1u - corner % 2u);
        let first = starts[cell_list + cell];
        let end = starts[cell_list + cell + 1u];
        if first < end {
            for (var chunk = first / CHUNK; chunk <= (end - 1u) / CHUNK; chunk++) {
                sum += sums[plane * n_slots() + cell + chunk][corner];
            }
        }
    }
    let grad_ix = view_index(params.grad_input, n, ci, pixel);
    if params.beta != 0.0 {
        sum += params.beta * grad_input[grad_ix];
    }
    grad_input[grad_ix] = sum;
}
