// needs: window_params depthwise_rows row_quads write_row
// output[n,co,oy,ox] = epilogue(sum_{ky,kx} input[n, co / MULTIPLIER, oy*sh - pt + ky*dh, ox*sw - pl + kx*dw] * weight[co,0,ky,kx])
//
// As `conv2d_depthwise_rows`, but a row is loaded as one vec4 and the few elements beside it, and stored as one. For rows that
// start at multiples of four elements and are as long: a vec4 lies inside or outside as a whole.
// Zero padding alone: whether a row lies inside is one comparison.
// Dispatch: ceil(batch * c_out * strips * ceil(w_out / 4) / WORKGROUP) workgroups, folded.
// Prelude: as in depthwise_rows.

@group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4<f32>>;

fn load_row(plane: u32, y: i32, x: u32) -> Row {
    let quad = x / 4u;
    let n_quads = params.input_size.z / 4u;
    let inside = u32(y) < params.input_size.y;
    let somewhere = plane / 4u;
    let ix = somewhere + u32(max(y, 0)) * (params.input.h / 4u) + quad;
    let first = load_whole(ix, somewhere, inside && quad < n_quads);
    let before = load_last(ix - 1u, somewhere, inside && quad > 0u && quad <= n_quads, PAD_W);
    if STRIDE_W == 1u {
        let second = load_first(ix + 1u, somewhere, inside && quad + 1u < n_quads, RIGHT);
        return Row(before, first, second, vec4<f32>());
    }
    let second = load_whole(ix + 1u, somewhere, inside && quad + 1u < n_quads);
    let third = load_first(ix + 2u, somewhere, inside && quad + 2u < n_quads, RIGHT);
    return Row(before, first, second, third);
}

fn write_sums(n: u32, co: u32, p: vec3<u32>, biased: vec4<f32>) {
    write_row(n, co, p, biased);
}
