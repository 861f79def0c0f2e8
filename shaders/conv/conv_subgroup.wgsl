// needs: view window_params grid lane_channels lane_outputs lane_place lane_tile padding
// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// One invocation computes TILE_CO output channels x 4 output positions. Where every load of a lane costs a load of its own,
// as on a CPU, loads cost more than what is computed from them: each lane of a subgroup loads the weights of another input
// channel, STEP channels at once, and broadcasts hand them around, so that TILE_CO + 4 * STEP loads feed 4 * STEP * TILE_CO
// multiply-adds. The part lane_tile has the main; the products of a tap are the input channels.
// Dispatch: batch * groups * ceil(c_out_per_group / TILE_CO) * ceil(positions / (4 * WORKGROUP)) workgroups, folded.
// Prelude: WORKGROUP, PADDING_MODE, FLIP_KERNEL, STEP (4 or 8, no more than a subgroup has lanes), TILE_CO (multiple of 4 up
// to 32).

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// Where tap `offset` of the window at `origin` reads, relative to channel 0 of the group.
fn source(base: u32, origin: vec3<i32>, tap_offset: vec3<i32>) -> Source {
    let extent = vec3<i32>(params.input_size);
    let p = origin + tap_offset;
    let d = padded_coordinate(p.x, extent.x);
    let h = padded_coordinate(p.y, extent.y);
    let w = padded_coordinate(p.z, extent.z);
    let inside = d != OUTSIDE && h != OUTSIDE && w != OUTSIDE;
    let ix = base + u32(d) * params.input.d + u32(h) * params.input.h + u32(w) * params.input.w;
    // A window that hangs over reads the channel's first element and drops it.
    return Source(select(base, ix, inside), inside);
}

fn window_origin(position: u32) -> vec3<i32> {
    return vec3<i32>(unravel(position, params.output_size) * params.stride) - vec3<i32>(params.pad_begin);
}

alias Tap = vec3<u32>;

fn begin_taps(tile: LaneTile) -> Tap {
    return Tap();
}

fn has_tap(tile: LaneTile, tap: Tap) -> bool {
    return tap.x < params.kernel_size.x;
}

fn next_tap(tile: LaneTile, tap: Tap) -> Tap {
    var next = tap;
    next.z++;
    if next.z == params.kernel_size.z {
        next.z = 0u;
        next.y++;
    }
    if next.y == params.kernel_size.y {
        next.y = 0u;
        next.x++;
    }
    return next;
}

fn n_products(tile: LaneTile, tap: Tap) -> u32 {
    return params.c_in / params.groups;
}

// Where the windows begin, and where the channels do.
struct Frame {
    origin_0: vec3<i32>,
    origin_1: vec3<i32>,
    origin_2: vec3<i32>,
    origin_3: vec3<i32>,
    base: u32,
}

fn frame_at(tile: LaneTile, start: Tap, positions: vec4<u32>) -> Frame {
    let at = min(positions, vec4<u32>(n_positions() - 1u));
    let base = view_index(params.input, tile.n, tile.group * (params.c_in / params.groups), vec3<u32>(0u));
    return Frame(window_origin(at.x), window_origin(at.y), window_origin(at.z), window_origin(at.w), base);
}

fn reads_at(tile: LaneTile, frame: Frame, tap: Tap) -> Reads {
    let tap_offset = vec3<i32>(tap * params.dilation);
    var weight = (tap.x * params.kernel_size.y + tap.y) * params.kernel_size.z + tap.z;
    if FLIP_KERNEL {
        weight = n_taps() - 1u - weight;
    }
    return reads_from(
        source(frame.base, frame.origin_0, tap_offset),
        source(frame.base, frame.origin_1, tap_offset),
        source(frame.base, frame.origin_2, tap_offset),
        source(frame.base, frame.origin_3, tap_offset),
        weight,
        n_taps(),
    );
}
