// needs: window_params padding wide_taps
// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// As `conv_subgroup`, with TILE_CO output channels x 8 positions of a row in an invocation, one dilation apart, and weights that
// are packed (`pack_rows`). The taps of a row share what they load of it: 8 * STRIDE_W + KERNEL_W - STRIDE_W loads
// instead of 8 * KERNEL_W.
// PHASED, the phases of a transposed convolution likewise, output[n,co,o] of those o that lie in columns PHASE_W + multiples of the
// stride; the convolution of a phase has KERNEL_W taps along a row.
// Dispatch: batch * groups * ceil(c_out_per_group / TILE_CO) * phases * ceil(d_out * h_out * runs / WORKGROUP) workgroups, folded; the
// runs of a row cover its columns of each residue modulo the dilation by eights.
// Prelude: WORKGROUP, PADDING_MODE, STEP (4 or 8, no more than a subgroup has lanes), TILE_CO (multiple of 4 up to 32), KERNEL_W (up
// to 9), STRIDE_W (1 or 2, the stride along the row; 2 for up to 5 taps without dilation), PHASED (at
// STRIDE_W 1 without dilation), PHASE_W, SEPARATE.

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

// Four columns of the input.
struct Columns {
    ix: vec4<u32>,
    inside: vec4<bool>,
}

struct Place {
    quad_0: Columns,
    quad_1: Columns,
    quad_2: Columns,
    quad_3: Columns,
    odd_0: Columns,
    odd_1: Columns,
    odd_2: Columns,
}

// From `first` on, so far apart.
fn columns_at(first: i32, distance: i32) -> Columns {
    let width = i32(params.input_size.z);
    let x = vec4<i32>(
        padded_coordinate(first, width),
        padded_coordinate(first + distance, width),
        padded_coordinate(first + 2 * distance, width),
        padded_coordinate(first + 3 * distance, width),
    );
    // Columns past the last output may leave even a wrapped axis; their sums are never stored.
    let ix = vec4<u32>(clamp(x, vec4<i32>(), vec4<i32>(width - 1)));
    return Columns(ix * params.input.w, x != vec4<i32>(OUTSIDE));
}

fn place_columns(first: i32, distance: i32) -> Place {
    return Place(
        columns_at(first, distance),
        columns_at(first + 4 * distance, distance),
        columns_at(first + 8 * distance, distance),
        columns_at(first + 12 * distance, distance),
        columns_at(first + 1, distance),
        columns_at(first + 1 + 4 * distance, distance),
        columns_at(first + 1 + 8 * distance, distance),
    );
}

// Those of four columns that an invocation reads, which are columns `begin` to `begin` + 3 of `span`.
fn load_quad(row: u32, columns: Columns, exists: bool, begin: u32, span: u32) -> vec4<f32> {
    if span <= begin {
        return vec4<f32>();
    }
    let at = row + columns.ix;
    var values = vec4<f32>(load_input(at.x), 0.0, 0.0, 0.0);
    if span > begin + 1u { values.y = load_input(at.y); }
    if span > begin + 2u { values.z = load_input(at.z); }
    if span > begin + 3u { values.w = load_input(at.w); }
    return select(vec4<f32>(), values, columns.inside & vec4<bool>(exists));
}

fn load_channel(row: u32, place: Place, exists: bool) -> Rows {
    let even = Row(
        load_quad(row, place.quad_0, exists, 0u, SPAN),
        load_quad(row, place.quad_1, exists, 4u, SPAN),
        load_quad(row, place.quad_2, exists, 8u, SPAN),
        load_quad(row, place.quad_3, exists, 12u, SPAN),
    );
    if STRIDE_W == 1u {
        return Rows(even, Row());
    }
    let odd = Row(
        load_quad(row, place.odd_0, exists, 0u, ODD_SPAN),
        load_quad(row, place.odd_1, exists, 4u, ODD_SPAN),
        load_quad(row, place.odd_2, exists, 8u, ODD_SPAN),
        vec4<f32>(),
    );
    return Rows(even, odd);
}
