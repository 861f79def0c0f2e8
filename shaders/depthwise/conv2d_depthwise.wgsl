// needs: view window_params grid padding write_output
// output[n,co,oy,ox] = epilogue(sum_{ky,kx} input[n, co / MULTIPLIER, oy*sh - pt + ky*dh, ox*sw - pl + kx*dw] * weight[co,0,ky,kx])
//
// One invocation computes TILE_Y outputs below one another; neighbours hold neighbouring columns, so loads coalesce.
// When stride and dilation agree along y (SLIDE), output row r at tap ky+1 reads what row r+1 read at tap ky: the rows
// slide up through registers and each tap row costs one load instead of TILE_Y.
// Dispatch: ceil(batch * c_out * ceil(h_out / TILE_Y) * w_out / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, PADDING_MODE, FLIP_KERNEL, SLIDE, TILE_Y (4, 8 or 16).

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// The element at (y, x) of the plane at `plane`, zero outside.
fn load(plane: u32, y_unpadded: i32, x: i32) -> f32 {
    let y = padded_coordinate(y_unpadded, i32(params.input_size.y));
    let inside = y != OUTSIDE && x != OUTSIDE;
    // Rows past the last output may leave even a wrapped axis; their sums are never stored.
    let row = u32(clamp(y, 0, i32(params.input_size.y) - 1));
    let ix = plane + row * params.input.h + u32(max(x, 0)) * params.input.w;
    return select(0.0, load_input(ix), inside);
}

// Four rows from y on.
fn load_rows(plane: u32, y: i32, step: i32, x: i32) -> vec4<f32> {
    return vec4<f32>(
        load(plane, y, x),
        load(plane, y + step, x),
        load(plane, y + 2 * step, x),
        load(plane, y + 3 * step, x),
    );
}

// Rows of the window in registers, four by four from the top.
struct Rows {
    r0: vec4<f32>,
    r1: vec4<f32>,
    r2: vec4<f32>,
    r3: vec4<f32>,
}

fn load_window(plane: u32, y: i32, step: i32, x: i32) -> Rows {
    var rows = Rows(load_rows(plane, y, step, x), vec4<f32>(), vec4<f32>(), vec4<f32>());
    if TILE_Y > 4u {
        rows.r1 = load_rows(plane, y + 4 * step, step, x);
    }
    if TILE_Y > 8u {
        rows.r2 = load_rows(plane, y + 8 * step, step, x);
        rows.r3 = load_rows(plane, y + 12 * step, step, x);
    }
    return rows;
}

// One row up, with a new one at the bottom.
fn slide(rows: Rows, next: f32) -> Rows {
    if TILE_Y == 4u {
        return Rows(vec4<f32>(rows.r0.yzw, next), rows.r1, rows.r2, rows.r3);
    }
    if TILE_Y == 8u {
        return Rows(vec4<f32>(rows.r0.yzw, rows.r1.x), vec4<f32>(rows.r1.yzw, next), rows.r2, rows.r3);
    }
    return Rows(
        vec4<f32>(rows.r0.yzw, rows.r1.x),
        vec4<f32>(rows.r1.yzw, rows.r2.x),
        vec4<f32>(rows.r2.yzw, rows.r3.x),
        vec4<f32>(rows.r3.yzw, next),
    );
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let height = params.output_size.y;
    let width = params.output_size.z;
    let n_rows = (height + TILE_Y - 1u) / TILE_Y;
    var ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let ox = ix % width;
    ix /= width;
    let oy = ix % n_rows * TILE_Y;
    ix /= n_rows;
    let co = ix % params.c_out;
    let n = ix / params.c_out;
    if n >= params.batch {
        return;
    }
    let kernel_h = params.kernel_size.y;
    let kernel_w = params.kernel_size.z;
    let plane = view_index(params.input, n, co / (params.c_out / params.groups), vec3<u32>(0u));
    let origin_x = i32(ox * params.stride.z) - i32(params.pad_begin.z);
    let step = i32(params.stride.y);
    let dilation = i32(params.dilation.y);
    let origin_y = i32(oy * params.stride.y) - i32(params.pad_begin.y);
    let weight_start = co * kernel_h * kernel_w;

    var sum_0 = vec4<f32>();
    var sum_1 = vec4<f32>();
    var sum_2 = vec4<f32>();
    var sum_3 = vec4<f32>();
    for (var kw = 0u; kw < kernel_w; kw++) {
        let x = padded_coordinate(origin_x + i32(kw * params.dilation.z), i32(params.input_size.z));
        var y = origin_y;
        var rows = load_window(plane, y, step, x);
        for (var kh = 0u; kh < kernel_h; kh++) {
            var tap = kh * kernel_w + kw;
            if FLIP_KERNEL {
                tap = kernel_h * kernel_w - 1u - tap;
            }
            let factor = load_weight(weight_start + tap);
            sum_0 += rows.r0 * factor;
            if TILE_Y > 4u {
                sum_1 += rows.r1 * factor;
            }
            if TILE_Y > 8u {
                sum_2 += rows.r2 * factor;
                sum_3 += rows.r3 * factor;
            }
            y += dilation;
            if kh + 1u < kernel_h {
                if SLIDE {
                    rows = slide(rows, load(plane, y + i32(TILE_Y - 1u) * step, x));
                } else {
                    rows = load_window(plane, y, step, x);
                }
            }
        }
    }
    // A loop, not a store for every row: each is a copy of the epilogue.
    for (var done = 0u; done < TILE_Y; done += 4u) {
        let sum = select(select(sum_0, sum_1, done == 4u), select(sum_2, sum_3, done == 12u), done >= 8u);
        let row = oy + done;
        if row < height { write_output(n, co, vec3<u32>(0u, row, ox), sum.x); }
        if row + 1u < height { write_output(n, co, vec3<u32>(0u, row + 1u, ox), sum.y); }
        if row + 2u < height { write_output(n, co, vec3<u32>(0u, row + 2u, ox), sum.z); }
        if row + 3u < height { write_output(n, co, vec3<u32>(0u, row + 3u, ox), sum.w); }
    }
}
