// needs: window_params grid winograd winograd_outputs winograd_tiles
// output[n,co,o] = epilogue((A^T m A)[o]) of the (TILE + 2)^2 products m = points[co, point, tile] of the tile that o lies in
//
// One invocation finishes one tile of CHANNELS channels. The last step of a Winograd convolution.
// Dispatch: ceil(c_out / CHANNELS) * ceil(tiles / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, TILE (2 or 4), CHANNELS.

@group(0) @binding(1) var<storage, read> points: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;

fn load4(ix: u32, row: u32) -> vec4<f32> {
    let stride = params.points.n;
    let at = ix + 4u * row * stride;
    return vec4<f32>(load_points(at), load_points(at + stride), load_points(at + 2u * stride), load_points(at + 3u * stride));
}

fn load6(ix: u32, row: u32) -> mat2x3<f32> {
    let stride = params.points.n;
    let at = ix + 6u * row * stride;
    return mat2x3<f32>(
        load_points(at), load_points(at + stride), load_points(at + 2u * stride),
        load_points(at + 3u * stride), load_points(at + 4u * stride), load_points(at + 5u * stride),
    );
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let taken = transform_at(linear_workgroup(workgroup, grid), local_ix, params.c_out, WORKGROUP, CHANNELS);
    if !taken.exists {
        return;
    }
    let place = taken.place;

    for (var co = taken.first_channel; co < taken.end_channel; co++) {
        let ix = co * params.points.c + taken.tile;
        // Rows of outputs.
        var sums = mat4x4<f32>();
        if TILE == 2u {
            let t = output_tile4(mat4x4<f32>(load4(ix, 0u), load4(ix, 1u), load4(ix, 2u), load4(ix, 3u)));
            sums = mat4x4<f32>(vec4<f32>(t[0], t[1]), vec4<f32>(), vec4<f32>(), vec4<f32>());
        } else {
            sums = output_tile6(
                Tile6(load6(ix, 0u), load6(ix, 1u), load6(ix, 2u), load6(ix, 3u), load6(ix, 4u), load6(ix, 5u)),
            );
        }
        write_outputs(place, co, sums);
    }
}
