// needs: view window_params grid first_tap write_output
// output[n,co,oy,ox] = epilogue(sum_{m,ky,kx : strides divide} input[n, co*MULTIPLIER + m, (oy + pt - ky*dh) / sh, (ox + pl - kx*dw) / sw]
//                                                             * weight[co*MULTIPLIER + m, 0, ky, kx])
// with MULTIPLIER = c_in / groups: one output channel per group, which is also the gradient of a depthwise convolution's input.
//
// One invocation computes TILE_Y = 4 rows of one residue modulo sh, which see the same taps, and of these the sw
// neighbouring columns, one residue modulo sw after the other. Neither choice of taps depends on the column, so
// neighbours take the same branches. Where consecutive taps of a residue move by one input row (SLIDE), four registers
// slide up the column and each tap row costs one load instead of four.
// Dispatch: ceil(batch * c_out * min(sh, h_out) * ceil(ceil(h_out / sh) / 4) * ceil(w_out / sw) / WORKGROUP) workgroups, folded.
// Prelude: WORKGROUP, FLIP_KERNEL, SLIDE.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const TILE_Y: u32 = 4u;

// The element of the column at `column` in row y, zero outside.
fn load(column: u32, y: i32, inside_x: bool) -> f32 {
    let last = i32(params.input_size.y) - 1;
    let inside = inside_x && y >= 0 && y <= last;
    return select(0.0, load_input(column + u32(clamp(y, 0, last)) * params.input.h), inside);
}

fn four_rows(column: u32, y: i32, inside_x: bool) -> vec4<f32> {
    return vec4<f32>(
        load(column, y, inside_x),
        load(column, y + 1, inside_x),
        load(column, y + 2, inside_x),
        load(column, y + 3, inside_x),
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
    let stride = params.stride.yz;
    let n_columns = (width + stride.y - 1u) / stride.y;
    let n_tiles = ((height + stride.x - 1u) / stride.x + TILE_Y - 1u) / TILE_Y;
    var ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let column = ix % n_columns;
    ix /= n_columns;
    // No row has a residue of more than its own number.
    let n_residues = min(stride.x, height);
    let residue = ix % n_residues;
    ix /= n_residues;
    let first = ix % n_tiles * TILE_Y;
    ix /= n_tiles;
    let co = ix % params.c_out;
    let n = ix / params.c_out;
    if n >= params.batch {
        return;
    }
    let n_rows = (height - residue + stride.x - 1u) / stride.x;
    if first >= n_rows {
        return;
    }
    let oy = first * stride.x + residue;
    let channels = params.c_in / params.groups;
    let kernel_h = params.kernel_size.y;
    let kernel_w = params.kernel_size.z;
    let n_taps = kernel_h * kernel_w;
    let reach_y = i32(residue + params.pad_begin.y);
    let first_y = first_tap(u32(reach_y), params.dilation.y, stride.x, params.tap_step_h, kernel_h);
    // Exact, where there is such a tap at all.
    let start_y = i32(first) + (reach_y - i32(first_y * params.dilation.y)) / i32(stride.x);
    // Input rows and columns between consecutive taps of a residue.
    let move_y = i32(params.dilation.y / (stride.x / params.tap_step_h));
    let move_x = i32(params.dilation.z / (stride.y / params.tap_step_w));

    for (var phase = 0u; phase < stride.y; phase++) {
        let ox = column * stride.y + phase;
        if ox >= width {
            break;
        }
        let reach_x = i32(phase + params.pad_begin.z);
        let first_x = first_tap(u32(reach_x), params.dilation.z, stride.y, params.tap_step_w, kernel_w);
        let start_x = i32(column) + (reach_x - i32(first_x * params.dilation.z)) / i32(stride.y);
        var sum = vec4<f32>();
        for (var m = 0u; m < channels; m++) {
            let ci = co * channels + m;
            let plane = view_index(params.input, n, ci, vec3<u32>(0u));
            var x = start_x;
            for (var kw = first_x; kw < kernel_w; kw += params.tap_step_w) {
                let inside_x = x >= 0 && x < i32(params.input_size.z);
                let input_column = plane + u32(select(0, x, inside_x)) * params.input.w;
                var y = start_y;
                var rows = four_rows(input_column, y, inside_x);
                for (var kh = first_y; kh < kernel_h; kh += params.tap_step_h) {
                    var tap = kh * kernel_w + kw;
                    if FLIP_KERNEL {
                        tap = n_taps - 1u - tap;
                    }
                    sum += rows * load_weight(ci * n_taps + tap);
                    y -= move_y;
                    if SLIDE {
                        rows = vec4<f32>(load(input_column, y, inside_x), rows.xyz);
                    } else {
                        rows = four_rows(input_column, y, inside_x);
                    }
                }
                x -= move_x;
            }
        }
        // Counted in rows of this residue: the index of a row beyond the output may not fit 32 bits.
        let n_left = n_rows - first;
        write_output(n, co, vec3<u32>(0u, oy, ox), sum.x);
        if n_left > 1u { write_output(n, co, vec3<u32>(0u, oy + stride.x, ox), sum.y); }
        if n_left > 2u { write_output(n, co, vec3<u32>(0u, oy + 2u * stride.x, ox), sum.z); }
        if n_left > 3u { write_output(n, co, vec3<u32>(0u, oy + 3u * stride.x, ox), sum.w); }
    }
}
