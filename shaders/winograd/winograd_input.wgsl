// needs: view window_params grid padding winograd winograd_patch winograd_points winograd_tiles
// points[ci, point, tile] = (B^T d B)[point] of the (TILE + 2)^2 elements d that a tile of TILE x TILE outputs of channel ci reads
//
// One invocation transforms one tile of CHANNELS channels: where it reads is the same for all of them. Tiles count through
// all images, depths, rows and columns. Step two of a Winograd convolution.
// Dispatch: ceil(c_in / CHANNELS) * ceil(tiles / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, PADDING_MODE, TILE (2 or 4), CHANNELS.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read_write> points: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let taken = transform_at(linear_workgroup(workgroup, grid), local_ix, params.c_in, WORKGROUP, CHANNELS);
    if !taken.exists {
        return;
    }
    let place = taken.place;
    let depth = padded_coordinate(i32(place.first.x) - i32(params.pad_begin.x), i32(params.input_size.x));
    let rows = coordinates(i32(place.first.y) - i32(params.pad_begin.y), params.input_size.y, params.pad_end.y);
    let columns = coordinates(i32(place.first.z) - i32(params.pad_begin.z), params.input_size.z, params.pad_end.z);
    let exists = rows.inside & vec4<bool>(depth != OUTSIDE);
    let more_exists = rows.more_inside & vec2<bool>(depth != OUTSIDE);

    for (var ci = taken.first_channel; ci < taken.end_channel; ci++) {
        let plane = view_index(params.input, place.n, ci, vec3<u32>(u32(max(depth, 0)), 0u, 0u));
        let at = plane + rows.at * params.input.h;
        let ix = ci * params.points.c + taken.tile;
        if TILE == 2u {
            let t = input_tile4(mat4x4<f32>(
                load4(at.x, exists.x, columns),
                load4(at.y, exists.y, columns),
                load4(at.z, exists.z, columns),
                load4(at.w, exists.w, columns),
            ));
            store4(ix, 0u, t[0]);
            store4(ix, 1u, t[1]);
            store4(ix, 2u, t[2]);
            store4(ix, 3u, t[3]);
        } else {
            let more = plane + rows.more * params.input.h;
            let t = input_tile6(Tile6(
                load6(at.x, exists.x, columns),
                load6(at.y, exists.y, columns),
                load6(at.z, exists.z, columns),
                load6(at.w, exists.w, columns),
                load6(more.x, more_exists.x, columns),
                load6(more.y, more_exists.y, columns),
            ));
            store6(ix, 0u, t.r0);
            store6(ix, 1u, t.r1);
            store6(ix, 2u, t.r2);
            store6(ix, 3u, t.r3);
            store6(ix, 4u, t.r4);
            store6(ix, 5u, t.r5);
        }
    }
}
