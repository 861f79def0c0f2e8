// needs: window_params grid outer
// grad_weight[co,ci,k] = sum_{n,o} grad_output[n,co,o] * input[n, g*CPG + ci, o*stride - pad + k*dilation] + beta * grad_weight
// with CPG = c_in / groups and g = co / (c_out / groups); tap k is stored mirrored when FLIP_KERNEL.
//
// A matrix product whose columns are gathered from the input as they are needed. One invocation computes TILE_CO output
// channels x 4, or 8 if WIDE, of the CPG * prod(kernel) weights of each, WORKGROUP apart; the sum goes over STEP positions at a time, of
// which each lane of a subgroup loads the gradients of another one, and broadcasts hand them around, as in `conv_subgroup`.
// Positions step like a clock, the same for all lanes; a bounds check costs little beside a load. The positions of all
// images are cut into slices of `slice`, which lie one behind the other, to be added by `sum_slices`.
// Dispatch: slices * groups * ceil(c_out_per_group / TILE_CO) * ceil(CPG * prod(kernel) / (width * WORKGROUP)), folded.
// Prelude: WORKGROUP, PADDING_MODE, FLIP_KERNEL, HAS_DEPTH (an axis d that is not 1), STEP (4 or 8, no more than a subgroup
// has lanes), TILE_CO (multiple of 4 up to 32), WIDE.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_weight: array<f32>;

// Four weights: the first element of each one's channel and where its tap lies relative to a window's stride.
struct Columns {
    channel: vec4<u32>,
    d: vec4<i32>,
    h: vec4<i32>,
    w: vec4<i32>,
}

struct Position {
    n: u32,
    o: vec3<u32>,
}

// The position behind `at`, of the next image behind the last one.
fn next_position(at: Position) -> Position {
    let size = params.output_size;
    let w = at.o.z + 1u;
    let h = at.o.y + select(0u, 1u, w == size.z);
    let row = vec2<u32>(select(h, 0u, h == size.y), select(w, 0u, w == size.z));
    if !HAS_DEPTH {
        return Position(at.n + select(0u, 1u, h == size.y), vec3<u32>(0u, row));
    }
    let d = at.o.x + select(0u, 1u, h == size.y);
    return Position(at.n + select(0u, 1u, d == size.x), vec3<u32>(select(d, 0u, d == size.x), row));
}

fn grad_place(at: Position) -> u32 {
    let view = params.grad_output;
    return at.n * view.n + at.o.x * view.d + at.o.y * view.h + at.o.z * view.w;
}

// Where coordinates of an axis read; beyond the extent for a zero.
fn padded(p: vec4<i32>, extent: u32) -> vec4<u32> {
    // An unsigned comparison will drop what lies outside.
    if PADDING_MODE == 0u {
        return bitcast<vec4<u32>>(p);
    }
    let size = vec4<i32>(i32(extent));
    let last = size - 1;
    if PADDING_MODE == 1u {
        return bitcast<vec4<u32>>(last - abs(last - abs(p)));
    }
    if PADDING_MODE == 2u {
        return bitcast<vec4<u32>>(clamp(p, vec4<i32>(), last));
    }
    return bitcast<vec4<u32>>(select(p, select(p - size, p + size, p < vec4<i32>()), (p < vec4<i32>()) | (p >= size)));
}

fn columns_at(column: vec4<u32>, group: u32) -> Columns {
    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let stored = column % n_taps;
    let tap = select(stored, n_taps - 1u - stored, FLIP_KERNEL);
    let pad = vec3<i32>(params.pad_begin);
    return Columns(
        params.input.base + (group * (params.c_in / params.groups) + column / n_taps) * params.input.c,
        vec4<i32>(tap / (kernel.y * kernel.z) * params.dilation.x) - pad.x,
        vec4<i32>(tap / kernel.z % kernel.y * params.dilation.y) - pad.y,
        vec4<i32>(tap % kernel.z * params.dilation.z) - pad.z,
    );
}

// What the windows at a position hold of four weights' taps; zero where there is no such position.
fn load_columns(columns: Columns, at: Position, exists: bool) -> vec4<f32> {
    let origin = vec3<i32>(at.o * params.stride);
    let view = params.input;
    let extent = params.input_size;
    let h = padded(columns.h + origin.y, extent.y);
    let w = padded(columns.w + origin.z, extent.z);
    var held = (h < vec4<u32>(extent.y)) & (w < vec4<u32>(extent.z)) & vec4<bool>(exists);
    var place = at.n * view.n + h * view.h + w * view.w;
    if HAS_DEPTH {
        let d = padded(columns.d + origin.x, extent.x);
        held &= d < vec4<u32>(extent.x);
        place += d * view.d;
    }
    // A tap outside reads the channel's first element and drops it.
    let ix = columns.channel + select(vec4<u32>(), place, held);
    return select(vec4<f32>(), vec4<f32>(load_input(ix.x), load_input(ix.y), load_input(ix.z), load_input(ix.w)), held);
}

fn load_grads(at: vec4<u32>, exists: bool) -> vec4<f32> {
    let grads = vec4<f32>(load_grad_output(at.x), load_grad_output(at.y), load_grad_output(at.z), load_grad_output(at.w));
    return select(vec4<f32>(), grads, exists);
}

fn store(ix: u32, sum: f32) {
    var value = sum;
    if params.beta != 0.0 {
        value += params.beta * load_grad_weight(ix);
    }
    store_grad_weight(ix, value);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let channels = params.c_in / params.groups;
    let co_per_group = params.c_out / params.groups;
    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let n_columns = channels * n_taps;
    let width = select(4u, 8u, WIDE);
    let n_column_tiles = (n_columns + width * WORKGROUP - 1u) / (width * WORKGROUP);
    let n_co_tiles = (co_per_group + TILE_CO - 1u) / TILE_CO;
    let n_positions = params.output_size.x * params.output_size.y * params.output_size.z;

    // Uniform per workgroup: no lane leaves before the broadcasts.
    var tile = linear_workgroup(workgroup, grid);
    let first = tile % n_column_tiles * (width * WORKGROUP) + local_ix;
    tile /= n_column_tiles;
    let co_tile = tile % n_co_tiles;
    tile /= n_co_tiles;
    let group = tile % params.groups;
    let slice = tile / params.groups;
    let begin = slice * params.slice;
    if begin >= params.batch * n_positions {
        return;
    }
    let end = min(begin + params.slice, params.batch * n_positions);

    // Weights and channels beyond the last one repeat it; their sums are never stored.
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let columns = columns_at(min(first + four * WORKGROUP, vec4<u32>(n_columns - 1u)), group);
    let more = columns_at(min(first + (four + 4u) * WORKGROUP, vec4<u32>(n_columns - 1u)), group);
    let co = group * co_per_group + co_tile * TILE_CO;
    let n_co = min(co_per_group - co_tile * TILE_CO, TILE_CO);
    let last = vec4<u32>(n_co - 1u);
    let grads = params.grad_output.base + co * params.grad_output.c;
    let rows_0 = grads + min(four, last) * params.grad_output.c;
    let rows_1 = grads + min(four + 4u, last) * params.grad_output.c;
    let rows_2 = grads + min(four + 8u, last) * params.grad_output.c;
    let rows_3 = grads + min(four + 12u, last) * params.grad_output.c;
    let rows_4 = grads + min(four + 16u, last) * params.grad_output.c;
    let rows_5 = grads + min(four + 20u, last) * params.grad_output.c;
    let rows_6 = grads + min(four + 24u, last) * params.grad_output.c;
    let rows_7 = grads + min(four + 28u, last) * params.grad_output.c;
    // The position of a chunk whose gradients this lane loads.
    let lane = subgroup_lane % STEP;

    var sum_0 = Wide();
    var sum_1 = Wide();
    var sum_2 = Wide();
    var sum_3 = Wide();
    var sum_4 = Wide();
    var sum_5 = Wide();
    var sum_6 = Wide();
    var sum_7 = Wide();
    var at = Position(begin / n_positions, unravel(begin % n_positions, params.output_size));
    for (var done = begin; done < end; done += STEP) {
        let left = end - done;
        let at_1 = next_position(at);
        let at_2 = next_position(at_1);
        let at_3 = next_position(at_2);
        let x_low = mat4x4<f32>(
            load_columns(columns, at, true),
            load_columns(columns, at_1, 1u < left),
            load_columns(columns, at_2, 2u < left),
            load_columns(columns, at_3, 3u < left),
        );
        var y_low = mat4x4<f32>();
        if WIDE {
            y_low = mat4x4<f32>(
                load_columns(more, at, true),
                load_columns(more, at_1, 1u < left),
                load_columns(more, at_2, 2u < left),
                load_columns(more, at_3, 3u < left),
            );
        }
        let low = vec4<u32>(grad_place(at), grad_place(at_1), grad_place(at_2), grad_place(at_3));
        var place = select(select(low.x, low.y, lane % 2u == 1u), select(low.z, low.w, lane % 2u == 1u), lane % 4u >= 2u);
        at = next_position(at_3);
        var x_high = mat4x4<f32>();
        var y_high = mat4x4<f32>();
        if STEP > 4u {
            let at_5 = next_position(at);
            let at_6 = next_position(at_5);
            let at_7 = next_position(at_6);
            x_high = mat4x4<f32>(
                load_columns(columns, at, 4u < left),
                load_columns(columns, at_5, 5u < left),
                load_columns(columns, at_6, 6u < left),
                load_columns(columns, at_7, 7u < left),
            );
            if WIDE {
                y_high = mat4x4<f32>(
                    load_columns(more, at, 4u < left),
                    load_columns(more, at_5, 5u < left),
                    load_columns(more, at_6, 6u < left),
                    load_columns(more, at_7, 7u < left),
                );
            }
            let high = vec4<u32>(grad_place(at), grad_place(at_5), grad_place(at_6), grad_place(at_7));
            let other = select(
                select(high.x, high.y, lane % 2u == 1u),
                select(high.z, high.w, lane % 2u == 1u),
                lane % 4u >= 2u,
            );
            place = select(place, other, lane >= 4u);
            at = next_position(at_7);
        }
        let held = lane < left;
        // Behind the last position lane 0's is read, and dropped.
        let grad_ix = select(low.x, place, held);
        let x = Factors(x_low, y_low, x_high, y_high);
        sum_0 = outer_add_halves(sum_0, x, load_grads(rows_0 + grad_ix, held), WIDE);
        if TILE_CO > 4u { sum_1 = outer_add_halves(sum_1, x, load_grads(rows_1 + grad_ix, held), WIDE); }
        if TILE_CO > 8u { sum_2 = outer_add_halves(sum_2, x, load_grads(rows_2 + grad_ix, held), WIDE); }
        if TILE_CO > 12u { sum_3 = outer_add_halves(sum_3, x, load_grads(rows_3 + grad_ix, held), WIDE); }
        if TILE_CO > 16u { sum_4 = outer_add_halves(sum_4, x, load_grads(rows_4 + grad_ix, held), WIDE); }
        if TILE_CO > 20u { sum_5 = outer_add_halves(sum_5, x, load_grads(rows_5 + grad_ix, held), WIDE); }
        if TILE_CO > 24u { sum_6 = outer_add_halves(sum_6, x, load_grads(rows_6 + grad_ix, held), WIDE); }
        if TILE_CO > 28u { sum_7 = outer_add_halves(sum_7, x, load_grads(rows_7 + grad_ix, held), WIDE); }
    }
    for (var i = 0u; i < width; i++) {
        let stored_column = first + i * WORKGROUP;
        if stored_column >= n_columns {
            break;
        }
        let q_0 = wide_column(sum_0, i);
        let q_1 = wide_column(sum_1, i);
        let q_2 = wide_column(sum_2, i);
        let q_3 = wide_column(sum_3, i);
        let q_4 = wide_column(sum_4, i);
        let q_5 = wide_column(sum_5, i);
        let q_6 = wide_column(sum_6, i);
        let q_7 = wide_column(sum_7, i);
        for (var row = 0u; row < n_co; row += 4u) {
            let quad = pick(row / 4u, q_0, q_1, q_2, q_3, q_4, q_5, q_6, q_7);
            let ix = (slice * params.c_out + co + row) * n_columns + stored_column;
            store(ix, quad.x);
            if row + 1u < n_co { store(ix + n_columns, quad.y); }
            if row + 2u < n_co { store(ix + 2u * n_columns, quad.z); }
            if row + 3u < n_co { store(ix + 3u * n_columns, quad.w); }
        }
    }
}
