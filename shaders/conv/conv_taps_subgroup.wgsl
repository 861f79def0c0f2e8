// needs: view window_params grid lane_weights outer padding write_column
// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// The register tiles of `conv_subgroup` for few input channels: the STEP products of a chunk are neighbours of the sum over
// (ci, kd, kh, kw), in the order of the weight, so that few channels with many taps fill it. One invocation computes TILE_CO
// output channels x 4 output positions; a lane of a subgroup loads the weights of another product. Taps step like a clock,
// the same for all lanes; the bounds check of each costs little beside its load.
// Dispatch: batch * groups * ceil(c_out_per_group / TILE_CO) * ceil(positions / (4 * WORKGROUP)) workgroups, folded.
// Prelude: WORKGROUP, PADDING_MODE, FLIP_KERNEL, HAS_DEPTH (an axis d that is not 1), STEP (4 or 8, no more than a subgroup
// has lanes), TILE_CO (multiple of 4 up to 32).

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const TILE_POSITIONS: u32 = 4u;

// Where the windows of four positions begin.
struct Origins {
    d: vec4<i32>,
    h: vec4<i32>,
    w: vec4<i32>,
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
fn load_positions(base: u32, origins: Origins, at: Product, exists: bool) -> vec4<f32> {
    let tap_offset = vec3<i32>(at.tap * params.dilation);
    let view = params.input;
    let extent = params.input_size;
    let h = padded(origins.h + tap_offset.y, extent.y);
    let w = padded(origins.w + tap_offset.z, extent.z);
    var held = (h < vec4<u32>(extent.y)) & (w < vec4<u32>(extent.z)) & vec4<bool>(exists);
    var place = at.ci * view.c + h * view.h + w * view.w;
    if HAS_DEPTH {
        let d = padded(origins.d + tap_offset.x, extent.x);
        held &= d < vec4<u32>(extent.x);
        place += d * view.d;
    }
    // A tap outside reads the first element and drops it.
    let ix = base + select(vec4<u32>(), place, held);
    return select(vec4<f32>(), vec4<f32>(load_input(ix.x), load_input(ix.y), load_input(ix.z), load_input(ix.w)), held);
}

fn of_four(i: u32, values: vec4<u32>) -> u32 {
    let odd = i % 2u == 1u;
    return select(select(values.x, values.y, odd), select(values.z, values.w, odd), i % 4u >= 2u);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let n_positions = params.output_size.x * params.output_size.y * params.output_size.z;
    let co_per_group = params.c_out / params.groups;
    let n_position_tiles = (n_positions + WORKGROUP * TILE_POSITIONS - 1u) / (WORKGROUP * TILE_POSITIONS);
    let n_co_tiles = (co_per_group + TILE_CO - 1u) / TILE_CO;

    // Uniform per workgroup: no lane leaves before the broadcasts.
    var tile = linear_workgroup(workgroup, grid);
    let position_tile = tile % n_position_tiles;
    tile /= n_position_tiles;
    let co_tile = tile % n_co_tiles;
    tile /= n_co_tiles;
    let group = tile % params.groups;
    let n = tile / params.groups;
    if n >= params.batch {
        return;
    }

    let channels = params.c_in / params.groups;
    let row = channels * params.kernel_size.x * params.kernel_size.y * params.kernel_size.z;
    let co = group * co_per_group + co_tile * TILE_CO;
    let n_co = min(co_per_group - co_tile * TILE_CO, TILE_CO);
    // Rows of the weight beyond the last channel repeat it; their sums are never stored.
    let last = vec4<u32>(n_co - 1u);
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let rows_0 = (co + min(four, last)) * row;
    let rows_1 = (co + min(four + 4u, last)) * row;
    let rows_2 = (co + min(four + 8u, last)) * row;
    let rows_3 = (co + min(four + 12u, last)) * row;
    let rows_4 = (co + min(four + 16u, last)) * row;
    let rows_5 = (co + min(four + 20u, last)) * row;
    let rows_6 = (co + min(four + 24u, last)) * row;
    let rows_7 = (co + min(four + 28u, last)) * row;
    // The product of a chunk whose weights this lane loads.
    let lane = subgroup_lane % STEP;

    let first = position_tile * WORKGROUP * TILE_POSITIONS + local_ix;
    let position = min(first + four * WORKGROUP, vec4<u32>(n_positions - 1u));
    let size = params.output_size;
    let pad = vec3<i32>(params.pad_begin);
    let origins = Origins(
        vec4<i32>(position / size.z / size.y * params.stride.x) - pad.x,
        vec4<i32>(position / size.z % size.y * params.stride.y) - pad.y,
        vec4<i32>(position % size.z * params.stride.z) - pad.z,
    );
    let base = view_index(params.input, n, group * channels, vec3<u32>(0u));

    var sum_0 = mat4x4<f32>();
    var sum_1 = mat4x4<f32>();
    var sum_2 = mat4x4<f32>();
    var sum_3 = mat4x4<f32>();
    var sum_4 = mat4x4<f32>();
    var sum_5 = mat4x4<f32>();
    var sum_6 = mat4x4<f32>();
    var sum_7 = mat4x4<f32>();
    var at = Product(0u, vec3<u32>(0u));
    for (var k = 0u; k < row; k += STEP) {
        let left = row - k;
        let at_1 = next_product(at);
        let at_2 = next_product(at_1);
        let at_3 = next_product(at_2);
        let x_low = mat4x4<f32>(
            load_positions(base, origins, at, true),
            load_positions(base, origins, at_1, 1u < left),
            load_positions(base, origins, at_2, 2u < left),
            load_positions(base, origins, at_3, 3u < left),
        );
        let first_place = weight_place(at, k);
        let low = vec4<u32>(first_place, weight_place(at_1, k + 1u), weight_place(at_2, k + 2u), weight_place(at_3, k + 3u));
        var place = of_four(lane, low);
        at = next_product(at_3);
        var x_high = mat4x4<f32>();
        if STEP > 4u {
            let at_5 = next_product(at);
            let at_6 = next_product(at_5);
            let at_7 = next_product(at_6);
            x_high = mat4x4<f32>(
                load_positions(base, origins, at, 4u < left),
                load_positions(base, origins, at_5, 5u < left),
                load_positions(base, origins, at_6, 6u < left),
                load_positions(base, origins, at_7, 7u < left),
            );
            let high = vec4<u32>(
                weight_place(at, k + 4u), weight_place(at_5, k + 5u), weight_place(at_6, k + 6u), weight_place(at_7, k + 7u),
            );
            place = select(place, of_four(lane, high), lane >= 4u);
            at = next_product(at_7);
        }
        let held = lane < left;
        // Behind the last product the chunk's first is read, and dropped.
        let weight_ix = select(first_place, place, held);
        sum_0 = outer_add(sum_0, x_low, x_high, load_weights(rows_0 + weight_ix, held));
        if TILE_CO > 4u { sum_1 = outer_add(sum_1, x_low, x_high, load_weights(rows_1 + weight_ix, held)); }
        if TILE_CO > 8u { sum_2 = outer_add(sum_2, x_low, x_high, load_weights(rows_2 + weight_ix, held)); }
        if TILE_CO > 12u { sum_3 = outer_add(sum_3, x_low, x_high, load_weights(rows_3 + weight_ix, held)); }
        if TILE_CO > 16u { sum_4 = outer_add(sum_4, x_low, x_high, load_weights(rows_4 + weight_ix, held)); }
        if TILE_CO > 20u { sum_5 = outer_add(sum_5, x_low, x_high, load_weights(rows_5 + weight_ix, held)); }
        if TILE_CO > 24u { sum_6 = outer_add(sum_6, x_low, x_high, load_weights(rows_6 + weight_ix, held)); }
        if TILE_CO > 28u { sum_7 = outer_add(sum_7, x_low, x_high, load_weights(rows_7 + weight_ix, held)); }
    }
    for (var i = 0u; i < TILE_POSITIONS; i++) {
        let stored = first + i * WORKGROUP;
        if stored >= n_positions {
            break;
        }
        let p = unravel(stored, params.output_size);
        write_column(n, co, n_co, p, i, sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7);
    }
}
