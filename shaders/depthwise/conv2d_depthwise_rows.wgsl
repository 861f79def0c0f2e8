// needs: window_params depthwise_rows write_output
// output[n,co,oy,ox] = epilogue(sum_{ky,kx} input[n, co / MULTIPLIER, oy*sh - pt + ky*dh, ox*sw - pl + kx*dw] * weight[co,0,ky,kx])
//
// Strips of four columns that walk down the image, for rows of any length and strides. On a software rasteriser: there a load of a
// lane costs the same wherever its neighbours read.
// Zero padding alone: whether a row lies inside is one comparison.
// Dispatch: ceil(batch * c_out * strips * ceil(w_out / 4) / WORKGROUP) workgroups, folded.
// Prelude: as in depthwise_rows.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// Column x of the row that starts at `row`; outside, element `row` is loaded and dropped.
fn load_column(row: u32, x: i32, inside: bool) -> f32 {
    let exists = inside && u32(x) < params.input_size.z;
    return select(0.0, load_input(row + select(0u, u32(x) * params.input.w, exists)), exists);
}

// Columns from x on, of which those below `begin` and from `end` on are not wanted.
fn load_columns(row: u32, x: i32, inside: bool, begin: i32, end: i32) -> vec4<f32> {
    var columns = vec4<f32>();
    if begin <= 0 && end > 0 { columns.x = load_column(row, x, inside); }
    if begin <= 1 && end > 1 { columns.y = load_column(row, x + 1, inside); }
    if begin <= 2 && end > 2 { columns.z = load_column(row, x + 2, inside); }
    if begin <= 3 && end > 3 { columns.w = load_column(row, x + 3, inside); }
    return columns;
}

fn load_row(plane: u32, y: i32, first: u32) -> Row {
    let inside = u32(y) < params.input_size.y;
    let row = plane + select(0u, u32(y) * params.input.h, inside);
    let x = i32(first);
    // Columns that windows want, from the first one on.
    let end = 4 * i32(STRIDE_W) + RIGHT;
    return Row(
        load_columns(row, x - 4, inside, 4 - i32(PAD_W), 4),
        load_columns(row, x, inside, 0, end),
        load_columns(row, x + 4, inside, 0, end - 4),
        load_columns(row, x + 8, inside, 0, end - 8),
    );
}

fn write_sums(n: u32, co: u32, p: vec3<u32>, biased: vec4<f32>) {
    let left = params.output_size.z - p.z;
    write_biased(n, co, p, biased.x);
    if left > 1u { write_biased(n, co, p + vec3<u32>(0u, 0u, 1u), biased.y); }
    if left > 2u { write_biased(n, co, p + vec3<u32>(0u, 0u, 2u), biased.z); }
    if left > 3u { write_biased(n, co, p + vec3<u32>(0u, 0u, 3u), biased.w); }
}
