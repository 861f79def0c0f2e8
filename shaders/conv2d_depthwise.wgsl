// output[n,co,oy,ox] = epilogue(sum_{ky,kx} input[n, co / MULTIPLIER, oy*sh - pt + ky*dh, ox*sw - pl + kx*dw] * weight[co,0,ky,kx])
//
// One invocation computes TILE_Y = 4 outputs below one another; neighbours hold neighbouring columns, so loads coalesce.
// When stride and dilation agree along y (SLIDE), output row r at tap ky+1 reads what row r+1 read at tap ky: four
// registers slide down the column and each tap row costs one load instead of four.
// Dispatch: ceil(batch * c_out * ceil(h_out / 4) * w_out / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, PADDING_MODE, FLIP_KERNEL, SLIDE.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const TILE_Y: u32 = 4u;

// The element at (y, x) of the plane at `plane`, zero outside.
fn load(plane: u32, y_unpadded: i32, x: i32) -> f32 {
    let y = padded_coordinate(y_unpadded, i32(params.input_size.y));
    let inside = y != OUTSIDE && x != OUTSIDE;
    // Rows past the last output may leave even a wrapped axis; their sums are never stored.
    let row = u32(clamp(y, 0, i32(params.input_size.y) - 1));
    let ix = plane + row * params.input.h + u32(max(x, 0)) * params.input.w;
    return select(0.0, input[ix], inside);
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

    var sum = vec4<f32>();
    for (var kw = 0u; kw < kernel_w; kw++) {
        let x = padded_coordinate(origin_x + i32(kw * params.dilation.z), i32(params.input_size.z));
        var y = origin_y;
        var rows = vec4<f32>(
            load(plane, y, x),
            load(plane, y + step, x),
            load(plane, y + 2 * step, x),
            load(plane, y + 3 * step, x),
        );
        for (var kh = 0u; kh < kernel_h; kh++) {
            var tap = kh * kernel_w + kw;
            if FLIP_KERNEL {
                tap = kernel_h * kernel_w - 1u - tap;
            }
            sum += rows * weight[weight_start + tap];
            y += dilation;
            if kh + 1u < kernel_h {
                if SLIDE {
                    rows = vec4<f32>(rows.yzw, load(plane, y + 3 * step, x));
                } else {
                    rows = vec4<f32>(
                        load(plane, y, x),
                        load(plane, y + step, x),
                        load(plane, y + 2 * step, x),
                        load(plane, y + 3 * step, x),
                    );
                }
            }
        }
    }
    write_output(n, co, vec3<u32>(0u, oy, ox), sum.x);
    if oy + 1u < height { write_output(n, co, vec3<u32>(0u, oy + 1u, ox), sum.y); }
    if oy + 2u < height { write_output(n, co, vec3<u32>(0u, oy + 2u, ox), sum.z); }
    if oy + 3u < height { write_output(n, co, vec3<u32>(0u, oy + 3u, ox), sum.w); }
}
