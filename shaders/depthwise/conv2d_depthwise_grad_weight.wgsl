// needs: view window_params grid padding
// grad_weight[co,0,ky,kx] = sum_{n,oy,ox} grad_output[n,co,oy,ox] * input[n, co / MULTIPLIER, oy*sh - pt + ky*dh, ox*sw - pl + kx*dw]
//                           + beta * grad_weight
//
// A workgroup sums one channel, or one slice of its items; an item is TILE_Y = 4 outputs below one another. An invocation
// holds one tap column kx and takes every LANES-th item of the slice, neighbours neighbouring columns, so that loads
// coalesce; it keeps the sums of up to 8 tap rows. As in `conv2d_depthwise`, where stride and dilation agree along y (SLIDE) four
// registers slide down the column. In the end the invocations' sums meet in workgroup memory and are added one after the
// other, always in the same order. Without TREE an invocation takes all items of its tap column, and nothing meets: no
// barrier, for CPU adapters.
// Dispatch: slices * c_out workgroups with TREE, ceil(slices * c_out * kw / WORKGROUP) without, folded; slice s of channel co
// writes row s * c_out + co.
// Prelude: WORKGROUP, PADDING_MODE, FLIP_KERNEL, SLIDE, TREE.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> grad_output: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_weight: array<f32>;

const TILE_Y: u32 = 4u;
// One longer than the workgroup: rows of it start in different banks.
const PITCH: u32 = WORKGROUP + 1u;

fn store(row: u32, tap: u32, n_taps: u32, sum: f32) {
    let ix = row * n_taps + select(tap, n_taps - 1u - tap, FLIP_KERNEL);
    var value = sum;
    if params.beta != 0.0 {
        value += params.beta * load_grad_weight(ix);
    }
    store_grad_weight(ix, value);
}

var<workgroup> partial: array<f32, 8u * PITCH>;

// The element at (y, x) of the plane at `plane`, zero outside.
fn load(plane: u32, y_unpadded: i32, x: i32) -> f32 {
    let y = padded_coordinate(y_unpadded, i32(params.input_size.y));
    let inside = y != OUTSIDE && x != OUTSIDE;
    // Rows past the last output may leave even a wrapped axis; they count for nothing.
    let row = u32(clamp(y, 0, i32(params.input_size.y) - 1));
    let ix = plane + row * params.input.h + u32(max(x, 0)) * params.input.w;
    return select(0.0, load_input(ix), inside);
}

fn column(plane: u32, y: i32, x: i32) -> vec4<f32> {
    let step = i32(params.stride.y);
    return vec4<f32>(
        load(plane, y, x),
        load(plane, y + step, x),
        load(plane, y + 2 * step, x),
        load(plane, y + 3 * step, x),
    );
}

// The column that starts at row y, one tap row below `rows`.
fn advance(rows: vec4<f32>, plane: u32, y: i32, x: i32) -> vec4<f32> {
    if SLIDE {
        return vec4<f32>(rows.yzw, load(plane, y + 3 * i32(params.stride.y), x));
    }
    return column(plane, y, x);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let kernel_h = params.kernel_size.y;
    let kernel_w = params.kernel_size.z;
    let height = params.output_size.y;
    let width = params.output_size.z;
    let n_tiles = (height + TILE_Y - 1u) / TILE_Y;
    let n_items = params.batch * n_tiles * width;
    let workgroup_ix = linear_workgroup(workgroup, grid);
    let invocation = workgroup_ix * WORKGROUP + local_ix;
    let lanes = select(1u, WORKGROUP / kernel_w, TREE);
    let kw = select(invocation % kernel_w, local_ix / lanes, TREE);
    // Which slice of which channel.
    let row = select(invocation / kernel_w, workgroup_ix, TREE);
    let co = row % params.c_out;
    let begin = row / params.c_out * params.slice;
    // Beyond the last slice there is nothing to do but to meet the others.
    let end = select(0u, min(begin + params.slice, n_items), begin < n_items);
    let ci = co / (params.c_out / params.groups);
    let dilation = i32(params.dilation.y);

    var low = vec4<f32>();
    var high = vec4<f32>();
    // What is left of the workgroup holds no tap column.
    var item = select(end, begin + select(0u, local_ix % lanes, TREE), kw < kernel_w);
    for (; item < end; item += lanes) {
        let ox = item % width;
        let oy = item / width % n_tiles * TILE_Y;
        let n = item / width / n_tiles;
        let grad_ix = view_index(params.grad_output, n, co, vec3<u32>(0u, oy, ox));
        let below = vec4<u32>(oy, oy + 1u, oy + 2u, oy + 3u) < vec4<u32>(height);
        // Beyond the last row the first is read again, and not counted.
        let grad = vec4<f32>(
            load_grad_output(grad_ix),
            load_grad_output(grad_ix + select(0u, params.grad_output.h, below.y)),
            load_grad_output(grad_ix + select(0u, 2u * params.grad_output.h, below.z)),
            load_grad_output(grad_ix + select(0u, 3u * params.grad_output.h, below.w)),
        );
        let counted = select(vec4<f32>(), grad, below);
        let plane = view_index(params.input, n, ci, vec3<u32>(0u));
        let x_unpadded = i32(ox * params.stride.z + kw * params.dilation.z) - i32(params.pad_begin.z);
        let x = padded_coordinate(x_unpadded, i32(params.input_size.z));
        var y = i32(oy * params.stride.y) - i32(params.pad_begin.y);
        var rows = column(plane, y, x);
        // Zero times what lies below the last output may be NaN.
        low.x += dot(counted, select(vec4<f32>(), rows, below));
        if kernel_h > 1u {
            y += dilation;
            rows = advance(rows, plane, y, x);
            low.y += dot(counted, select(vec4<f32>(), rows, below));
        }
        if kernel_h > 2u {
            y += dilation;
            rows = advance(rows, plane, y, x);
            low.z += dot(counted, select(vec4<f32>(), rows, below));
        }
        if kernel_h > 3u {
            y += dilation;
            rows = advance(rows, plane, y, x);
            low.w += dot(counted, select(vec4<f32>(), rows, below));
        }
        if kernel_h > 4u {
            y += dilation;
            rows = advance(rows, plane, y, x);
            high.x += dot(counted, select(vec4<f32>(), rows, below));
        }
        if kernel_h > 5u {
            y += dilation;
            rows = advance(rows, plane, y, x);
            high.y += dot(counted, select(vec4<f32>(), rows, below));
        }
        if kernel_h > 6u {
            y += dilation;
            rows = advance(rows, plane, y, x);
            high.z += dot(counted, select(vec4<f32>(), rows, below));
        }
        if kernel_h > 7u {
            y += dilation;
            rows = advance(rows, plane, y, x);
            high.w += dot(counted, select(vec4<f32>(), rows, below));
        }
    }
    let n_taps = kernel_h * kernel_w;
    if !TREE {
        if begin < n_items {
            store(row, kw, n_taps, low.x);
            if kernel_h > 1u { store(row, kw + kernel_w, n_taps, low.y); }
            if kernel_h > 2u { store(row, kw + 2u * kernel_w, n_taps, low.z); }
            if kernel_h > 3u { store(row, kw + 3u * kernel_w, n_taps, low.w); }
            if kernel_h > 4u { store(row, kw + 4u * kernel_w, n_taps, high.x); }
            if kernel_h > 5u { store(row, kw + 5u * kernel_w, n_taps, high.y); }
            if kernel_h > 6u { store(row, kw + 6u * kernel_w, n_taps, high.z); }
            if kernel_h > 7u { store(row, kw + 7u * kernel_w, n_taps, high.w); }
        }
        return;
    }
    partial[local_ix] = low.x;
    partial[PITCH + local_ix] = low.y;
    partial[2u * PITCH + local_ix] = low.z;
    partial[3u * PITCH + local_ix] = low.w;
    partial[4u * PITCH + local_ix] = high.x;
    partial[5u * PITCH + local_ix] = high.y;
    partial[6u * PITCH + local_ix] = high.z;
    partial[7u * PITCH + local_ix] = high.w;
    workgroupBarrier();
    if local_ix < n_taps && begin < n_items {
        let start = local_ix / kernel_w * PITCH + local_ix % kernel_w * lanes;
        var sum = 0.0;
        for (var lane = 0u; lane < lanes; lane++) {
            sum += partial[start + lane];
        }
        store(row, local_ix, n_taps, sum);
    }
}
