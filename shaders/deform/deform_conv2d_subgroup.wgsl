// needs: view window_params grid bilinear lane_outputs lane_place lane_tile sampling_point
// output[n,co,oy,ox] = epilogue(sum_{ci,t} weight[co,ci,t] * mask[n,og(ci),t,oy,ox] * sample(input[n,ci], y_t, x_t))
// with the sampling points of deform_conv2d_direct.
//
// One invocation computes TILE_CO output channels x 4 output positions; lanes share weight loads by subgroup broadcast as in
// conv_subgroup. The corners of a tap's four points are found once for all channels of an offset group, and a sample, four
// loads, serves TILE_CO output channels at once: 16 * STEP + TILE_CO loads feed 4 * STEP * TILE_CO multiply-adds. The part lane_tile has
// the main.
// Dispatch: batch * groups * ceil(c_out_per_group / TILE_CO) * ceil(positions / (4 * WORKGROUP)) workgroups, folded.
// Prelude: WORKGROUP, HAS_MASK, STEP (4 or 8, no more than a subgroup has lanes), TILE_CO (multiple of 4 up to 128).

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> offset: array<f32>;
@group(0) @binding(4) var<storage, read> mask: array<f32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> output: array<f32>;

// Where a position samples: corners relative to channel 0 of an image.
struct Point {
    corners: vec4<u32>,
    weight: vec4<f32>,
    counts: vec4<bool>,
    modulation: f32,
}

fn point_at(n: u32, offset_group: u32, tap: u32, o: vec3<u32>) -> Point {
    let at = sampling_point(n, offset_group, tap, o);
    let inside = has_cell(at.x, at.y, params.input_size.y, params.input_size.z);
    // A point without a cell reads the one of the first pixel, and drops what it finds.
    let place = select(vec2<f32>(), at, inside);
    let taps = bilinear_cell(place.x, place.y, params.input_size.y, params.input_size.z);
    let counts = taps.valid & vec4<bool>(inside && taps.inside);
    let modulation = select(0.0, modulation_at(n, offset_group, tap, o), inside && taps.inside);
    return Point(taps.y * params.input.h + taps.x * params.input.w, taps.weight, counts, modulation);
}

fn sample_at(point: Point, plane: u32) -> f32 {
    let at = plane + point.corners;
    let values = vec4<f32>(load_input(at.x), load_input(at.y), load_input(at.z), load_input(at.w));
    let corners = select(vec4<f32>(), values, point.counts);
    let weighted = point.weight * corners;
    return point.modulation * (weighted.x + weighted.y + weighted.z + weighted.w);
}

// Channel j of a chunk that `left` channels are left of. Behind the last one the first is sampled, and dropped.
fn sample_channel(j: u32, left: u32, reads: Reads) -> vec4<f32> {
    let exists = j < left;
    let at = reads.plane + select(0u, j * params.input.c, exists);
    let values = vec4<f32>(
        sample_at(reads.p_0, at), sample_at(reads.p_1, at), sample_at(reads.p_2, at), sample_at(reads.p_3, at),
    );
    return select(vec4<f32>(), values, exists);
}

// A tap of a stretch of channels, counted in the group, that share their sampling points: those of one offset group.
struct Tap {
    tap: u32,
    begin: u32,
    end: u32,
}

fn stretch_at(tile: LaneTile, begin: u32) -> Tap {
    let channels = params.c_in / params.groups;
    let per_offset_group = params.c_in / params.offset_groups;
    let offset_group = (tile.group * channels + begin) / per_offset_group;
    return Tap(0u, begin, min((offset_group + 1u) * per_offset_group - tile.group * channels, channels));
}

fn begin_taps(tile: LaneTile) -> Tap {
    return stretch_at(tile, 0u);
}

fn has_tap(tile: LaneTile, tap: Tap) -> bool {
    return tap.begin < params.c_in / params.groups;
}

fn next_tap(tile: LaneTile, tap: Tap) -> Tap {
    if tap.tap + 1u < n_taps() {
        return Tap(tap.tap + 1u, tap.begin, tap.end);
    }
    return stretch_at(tile, tap.end);
}

fn n_products(tile: LaneTile, tap: Tap) -> u32 {
    return tap.end - tap.begin;
}

struct Frame {
    o_0: vec3<u32>,
    o_1: vec3<u32>,
    o_2: vec3<u32>,
    o_3: vec3<u32>,
}

fn frame_at(tile: LaneTile, start: Tap, positions: vec4<u32>) -> Frame {
    let at = min(positions, vec4<u32>(n_positions() - 1u));
    let size = params.output_size;
    return Frame(unravel(at.x, size), unravel(at.y, size), unravel(at.z, size), unravel(at.w, size));
}

// Of a chunk: the points, the plane of its first channel, and the weight of that in a row.
struct Reads {
    p_0: Point,
    p_1: Point,
    p_2: Point,
    p_3: Point,
    plane: u32,
    weight: u32,
}

fn reads_at(tile: LaneTile, frame: Frame, tap: Tap) -> Reads {
    let ci = tile.group * (params.c_in / params.groups) + tap.begin;
    let offset_group = ci / (params.c_in / params.offset_groups);
    return Reads(
        point_at(tile.n, offset_group, tap.tap, frame.o_0),
        point_at(tile.n, offset_group, tap.tap, frame.o_1),
        point_at(tile.n, offset_group, tap.tap, frame.o_2),
        point_at(tile.n, offset_group, tap.tap, frame.o_3),
        view_index(params.input, tile.n, ci, vec3<u32>(0u)),
        tap.begin * n_taps() + tap.tap,
    );
}

fn chunk_at(frame: Frame, reads: Reads, lane: u32, left: u32) -> Chunk {
    let x_low = mat4x4<f32>(
        sample_channel(0u, left, reads),
        sample_channel(1u, left, reads),
        sample_channel(2u, left, reads),
        sample_channel(3u, left, reads),
    );
    var x_high = mat4x4<f32>();
    if STEP > 4u {
        x_high = mat4x4<f32>(
            sample_channel(4u, left, reads),
            sample_channel(5u, left, reads),
            sample_channel(6u, left, reads),
            sample_channel(7u, left, reads),
        );
    }
    var next = reads;
    next.plane += STEP * params.input.c;
    next.weight += STEP * n_taps();
    return Chunk(x_low, x_high, reads.weight + select(0u, lane, lane < left) * n_taps(), next);
}
