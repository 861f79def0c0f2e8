// needs: view window_params grid cells
// grad_input[n,ci,y,x] = sum over the 4 cells that have (y,x) as a corner, and their chunks, of sums[n,ci,slot][corner]
//                        + beta * grad_input[n,ci,y,x]
//
// One invocation computes one pixel of 4 input channels of an offset group, which share where its cells' sums lie.
// Dispatch: ceil(batch * offset_groups * ceil(c_in / offset_groups / 4) * input positions / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP.

@group(0) @binding(1) var<storage, read> starts: array<u32>;
@group(0) @binding(2) var<storage, read> sums: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> grad_input: array<f32>;

const TILE_CI: u32 = 4u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let n_pixels = params.input_size.y * params.input_size.z;
    let channels = params.c_in / params.offset_groups;
    let n_tiles = (channels + TILE_CI - 1u) / TILE_CI;
    var ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let pixel = unravel(ix % n_pixels, params.input_size);
    ix /= n_pixels;
    let tile = ix % n_tiles;
    // Image and offset group.
    let sequence = ix / n_tiles;
    let n = sequence / params.offset_groups;
    if n >= params.batch {
        return;
    }
    let ci = sequence % params.offset_groups * channels + tile * TILE_CI;
    let n_ci = min(channels - tile * TILE_CI, TILE_CI);
    // Channels beyond the last repeat it; their sums are never stored.
    let planes = (n * params.c_in + ci + min(vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(n_ci - 1u))) * n_slots();
    let cell_list = sequence * (n_cells() + 1u);

    var sum = vec4<f32>();
    for (var corner = 0u; corner < 4u; corner++) {
        // The pixel is corner (corner / 2, corner % 2) of this cell.
        let cell = cell_ix(pixel.y + 1u - corner / 2u, pixel.z + 1u - corner % 2u);
        let first = starts[cell_list + cell];
        let end = starts[cell_list + cell + 1u];
        if first < end {
            for (var chunk = first / CHUNK; chunk <= (end - 1u) / CHUNK; chunk++) {
                let at = planes + cell + chunk;
                sum += vec4<f32>(sums[at.x][corner], sums[at.y][corner], sums[at.z][corner], sums[at.w][corner]);
            }
        }
    }
    for (var i = 0u; i < n_ci; i++) {
        let grad_ix = view_index(params.grad_input, n, ci + i, pixel);
        var value = sum[i];
        if params.beta != 0.0 {
            value += params.beta * load_grad_input(grad_ix);
        }
        store_grad_input(grad_ix, value);
    }
}
