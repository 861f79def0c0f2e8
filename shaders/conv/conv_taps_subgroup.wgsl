// needs: view window_params lane_outputs lane_place lane_tile padding
// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// The register tiles of `conv_subgroup` for few input channels: the STEP products of a chunk are neighbours of the sum over
// (ci, kd, kh, kw), in the order of the weight, so that few channels with many taps fill it. One invocation computes TILE_CO
// output channels x 4 output positions; a lane of a subgroup loads the weights of another product. Taps step like a clock,
// the same for all lanes; the bounds check of each costs little beside its load. The part lane_tile has the main, to which the whole
// sum is one tap.
// Dispatch: batch * groups * ceil(c_out_per_group / TILE_CO) * ceil(positions / (4 * WORKGROUP)) workgroups, folded.
// Prelude: WORKGROUP, PADDING_MODE, FLIP_KERNEL, HAS_DEPTH (an axis d that is not 1), STEP (4 or 8, no more than a subgroup
// has lanes), TILE_CO (multiple of 4 up to 32).

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// The whole sum, and then no other.
struct Tap {
    is_sum: bool,
}

fn begin_taps(tile: LaneTile) -> Tap {
    return Tap(true);
}

fn has_tap(tile: LaneTile, tap: Tap) -> bool {
    return tap.is_sum;
}

fn next_tap(tile: LaneTile, tap: Tap) -> Tap {
    return Tap(false);
}

fn n_products(tile: LaneTile, tap: Tap) -> u32 {
    return row_pitch();
}

// Where the windows of four positions begin, and the first channel.
struct Frame {
    d: vec4<i32>,
    h: vec4<i32>,
    w: vec4<i32>,
    base: u32,
}

fn frame_at(tile: LaneTile, start: Tap, positions: vec4<u32>) -> Frame {
    let position = min(positions, vec4<u32>(n_positions() - 1u));
    let size = params.output_size;
    let pad = vec3<i32>(params.pad_begin);
    return Frame(
        vec4<i32>(position / size.z / size.y * params.stride.x) - pad.x,
        vec4<i32>(position / size.z % size.y * params.stride.y) - pad.y,
        vec4<i32>(position % size.z * params.stride.z) - pad.z,
        view_index(params.input, tile.n, tile.group * (params.c_in / params.groups), vec3<u32>(0u)),
    );
}

// A product: k = ((ci * kernel_d + tap.x) * kernel_h + tap.y) * kernel_w + tap.z.
struct Product {
    ci: u32,
    tap: vec3<u32>,
}

fn next_product(at: Product) -> Product {
    let kernel = params.kernel_size;
    let w = at.tap.z + 1u;
    let h = at.tap.y + select(0u, 1u, w == kernel.z);
    let row = vec2<u32>(select(h, 0u, h == kernel.y), select(w, 0u, w == kernel.z));
    if !HAS_DEPTH {
        return Product(at.ci + select(0u, 1u, h == kernel.y), vec3<u32>(0u, row));
    }
    let d = at.tap.x + select(0u, 1u, h == kernel.y);
    return Product(at.ci + select(0u, 1u, d == kernel.x), vec3<u32>(select(d, 0u, d == kernel.x), row));
}

// Where the weight of product k lies in its row; a mirrored kernel is read from its end.
fn weight_place(at: Product, k: u32) -> u32 {
    if !FLIP_KERNEL {
        return k;
    }
    let kernel = params.kernel_size;
    let mirrored = kernel - 1u - at.tap;
    return ((at.ci * kernel.x + mirrored.x) * kernel.y + mirrored.y) * kernel.z + mirrored.z;
}

// Where coordinates of an axis read; beyond the extent for a zero.
fn padded(p: vec4<i32>, extent: u32) -> vec4<u32> {
    // An unsigned comparison will drop what lies outside.
    if PADDING_MODE == 0u {
        return bitcast<vec4<u32>>(p);
    }
    let n = i32(extent);
    let x = padded_coordinate(p.x, n);
    let y = padded_coordinate(p.y, n);
    return bitcast<vec4<u32>>(vec4<i32>(x, y, padded_coordinate(p.z, n), padded_coordinate(p.w, n)));
}

// What a product reads at four positions; zero where there is no such product.
fn load_positions(frame: Frame, at: Product, exists: bool) -> vec4<f32> {
    let tap_offset = vec3<i32>(at.tap * params.dilation);
    let view = params.input;
    let extent = params.input_size;
    let h = padded(frame.h + tap_offset.y, extent.y);
    let w = padded(frame.w + tap_offset.z, extent.z);
    var held = (h < vec4<u32>(extent.y)) & (w < vec4<u32>(extent.z)) & vec4<bool>(exists);
    var place = at.ci * view.c + h * view.h + w * view.w;
    if HAS_DEPTH {
        let d = padded(frame.d + tap_offset.x, extent.x);
        held &= d < vec4<u32>(extent.x);
        place += d * view.d;
    }
    // A tap outside reads the first element and drops it.
    let ix = frame.base + select(vec4<u32>(), place, held);
    return select(vec4<f32>(), vec4<f32>(load_input(ix.x), load_input(ix.y), load_input(ix.z), load_input(ix.w)), held);
}

fn of_four(i: u32, values: vec4<u32>) -> u32 {
    let odd = i % 2u == 1u;
    return select(select(values.x, values.y, odd), select(values.z, values.w, odd), i % 4u >= 2u);
}

// The first product of a chunk.
struct Reads {
    k: u32,
    at: Product,
}

fn reads_at(tile: LaneTile, frame: Frame, tap: Tap) -> Reads {
    return Reads(0u, Product(0u, vec3<u32>(0u)));
}

fn chunk_at(frame: Frame, reads: Reads, lane: u32, left: u32) -> Chunk {
    let k = reads.k;
    let at_0 = reads.at;
    let at_1 = next_product(at_0);
    let at_2 = next_product(at_1);
    let at_3 = next_product(at_2);
    let x_low = mat4x4<f32>(
        load_positions(frame, at_0, true),
        load_positions(frame, at_1, 1u < left),
        load_positions(frame, at_2, 2u < left),
        load_positions(frame, at_3, 3u < left),
    );
    let first = weight_place(at_0, k);
    let low = vec4<u32>(first, weight_place(at_1, k + 1u), weight_place(at_2, k + 2u), weight_place(at_3, k + 3u));
    var place = of_four(lane, low);
    var next = next_product(at_3);
    var x_high = mat4x4<f32>();
    if STEP > 4u {
        let at_4 = next;
        let at_5 = next_product(at_4);
        let at_6 = next_product(at_5);
        let at_7 = next_product(at_6);
        x_high = mat4x4<f32>(
            load_positions(frame, at_4, 4u < left),
            load_positions(frame, at_5, 5u < left),
            load_positions(frame, at_6, 6u < left),
            load_positions(frame, at_7, 7u < left),
        );
        let high = vec4<u32>(
            weight_place(at_4, k + 4u), weight_place(at_5, k + 5u), weight_place(at_6, k + 6u), weight_place(at_7, k + 7u),
        );
        place = select(place, of_four(lane, high), lane >= 4u);
        next = next_product(at_7);
    }
    // Behind the last product the chunk's first is read, and dropped.
    return Chunk(x_low, x_high, select(first, place, lane < left), Reads(k + STEP, next));
}
