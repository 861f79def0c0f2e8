// output[n,co,o] = epilogue(sum_{ci,k} input[n, g*CPG + ci, o*stride - pad + k*dilation] * weight[co,ci,k])
//
// As `conv_subgroup`, with TILE_CO output channels x 8 positions of a row in an invocation, one dilation apart. The taps of a row share
// what they load of it: from tap to tap it moves on by one position, 8 + KERNEL_W - 1 loads instead of 8 * KERNEL_W.
// Dispatch: batch * groups * ceil(c_out_per_group / TILE_CO) * ceil(d_out * h_out * runs / WORKGROUP) workgroups, folded; the runs of
// a row cover its columns of each residue modulo the dilation by eights.
// Prelude: WORKGROUP, PADDING_MODE, FLIP_KERNEL, TURNED (the weight of a transposed convolution, weight[ci,co,k]), STEP (4 or 8,
// no more than a subgroup has lanes), TILE_CO (multiple of 4 up to 32), KERNEL_W (2 to 9; the stride along the row is 1).

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

const WIDTH: u32 = 8u;
// Columns of the input that an invocation holds.
const SPAN: u32 = WIDTH + KERNEL_W - 1u;

// Four columns of the input.
struct Columns {
    ix: vec4<u32>,
    inside: vec4<bool>,
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

// Channel j of a chunk that `left` channels are left of, at columns `begin` to `begin` + 3 of those that an invocation reads. Behind
// the last channel the first is read, and dropped.
fn load_segment(j: u32, left: u32, row: u32, columns: Columns, row_inside: bool, begin: u32) -> vec4<f32> {
    let exists = row_inside && j < left;
    let at = row + select(0u, j * params.input.c, exists) + columns.ix;
    var values = vec4<f32>(load_input(at.x), 0.0, 0.0, 0.0);
    if SPAN > begin + 1u { values.y = load_input(at.y); }
    if SPAN > begin + 2u { values.z = load_input(at.z); }
    if SPAN > begin + 3u { values.w = load_input(at.w); }
    return select(vec4<f32>(), values, columns.inside & vec4<bool>(exists));
}

fn load_low(left: u32, row: u32, columns: Columns, row_inside: bool, begin: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        load_segment(0u, left, row, columns, row_inside, begin),
        load_segment(1u, left, row, columns, row_inside, begin),
        load_segment(2u, left, row, columns, row_inside, begin),
        load_segment(3u, left, row, columns, row_inside, begin),
    );
}

fn load_high(left: u32, row: u32, columns: Columns, row_inside: bool, begin: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        load_segment(4u, left, row, columns, row_inside, begin),
        load_segment(5u, left, row, columns, row_inside, begin),
        load_segment(6u, left, row, columns, row_inside, begin),
        load_segment(7u, left, row, columns, row_inside, begin),
    );
}

// Columns of four channels, one further on.
fn move_on(a: mat4x4<f32>, b: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        vec4<f32>(a[0].yzw, b[0].x),
        vec4<f32>(a[1].yzw, b[1].x),
        vec4<f32>(a[2].yzw, b[2].x),
        vec4<f32>(a[3].yzw, b[3].x),
    );
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    // Columns of the first residues modulo the dilation are one more than those of the others.
    let dilation = params.dilation.z;
    let n_longer = params.output_size.z % dilation;
    let longer = (params.output_size.z / dilation + WIDTH) / WIDTH;
    let shorter = (params.output_size.z / dilation + WIDTH - 1u) / WIDTH;
    let pieces = vec3<u32>(params.output_size.xy, n_longer * longer + (dilation - n_longer) * shorter);
    let n_pieces = pieces.x * pieces.y * pieces.z;
    let co_per_group = params.c_out / params.groups;
    let n_piece_tiles = (n_pieces + WORKGROUP - 1u) / WORKGROUP;
    let n_co_tiles = (co_per_group + TILE_CO - 1u) / TILE_CO;

    // Uniform per workgroup: no lane leaves before the broadcasts.
    var tile = linear_workgroup(workgroup, grid);
    let piece = tile % n_piece_tiles * WORKGROUP + local_ix;
    tile /= n_piece_tiles;
    let co_tile = tile % n_co_tiles;
    tile /= n_co_tiles;
    let group = tile % params.groups;
    let n = tile / params.groups;
    if n >= params.batch {
        return;
    }

    let channels = params.c_in / params.groups;
    let kernel = params.kernel_size;
    let n_taps = kernel.x * kernel.y * kernel.z;
    let co = group * co_per_group + co_tile * TILE_CO;
    let n_co = min(co_per_group - co_tile * TILE_CO, TILE_CO);
    // Rows of the weight beyond the last channel repeat it; their sums are never stored.
    let row_length = select(channels, 1u, TURNED) * n_taps;
    let channel_length = select(1u, co_per_group, TURNED) * n_taps;
    let first = select(co, group * channels * co_per_group + co_tile * TILE_CO, TURNED);
    let last = vec4<u32>(n_co - 1u);
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let rows_0 = (first + min(four, last)) * row_length;
    let rows_1 = (first + min(four + 4u, last)) * row_length;
    let rows_2 = (first + min(four + 8u, last)) * row_length;
    let rows_3 = (first + min(four + 12u, last)) * row_length;
    let rows_4 = (first + min(four + 16u, last)) * row_length;
    let rows_5 = (first + min(four + 20u, last)) * row_length;
    let rows_6 = (first + min(four + 24u, last)) * row_length;
    let rows_7 = (first + min(four + 28u, last)) * row_length;
    // The channel of a chunk whose weights this lane loads.
    let lane = subgroup_lane % STEP;

    let place = unravel(min(piece, n_pieces - 1u), pieces);
    var residue = place.z / longer;
    var run = place.z % longer;
    if place.z >= n_longer * longer {
        let behind = place.z - n_longer * longer;
        residue = n_longer + behind / max(shorter, 1u);
        run = behind % max(shorter, 1u);
    }
    let first_column = run * WIDTH * dilation + residue;
    let origin = vec3<i32>(vec3<u32>(place.xy, first_column) * params.stride) - vec3<i32>(params.pad_begin);
    let distance = i32(dilation);
    let columns_0 = columns_at(origin.z, distance);
    let columns_1 = columns_at(origin.z + 4 * distance, distance);
    let columns_2 = columns_at(origin.z + 8 * distance, distance);
    let columns_3 = columns_at(origin.z + 12 * distance, distance);
    let base = view_index(params.input, n, group * channels, vec3<u32>(0u));
    let extent = vec3<i32>(params.input_size);

    var sum_0 = mat4x4<f32>();
    var sum_1 = mat4x4<f32>();
    var sum_2 = mat4x4<f32>();
    var sum_3 = mat4x4<f32>();
    var sum_4 = mat4x4<f32>();
    var sum_5 = mat4x4<f32>();
    var sum_6 = mat4x4<f32>();
    var sum_7 = mat4x4<f32>();
    var wide_0 = mat4x4<f32>();
    var wide_1 = mat4x4<f32>();
    var wide_2 = mat4x4<f32>();
    var wide_3 = mat4x4<f32>();
    var wide_4 = mat4x4<f32>();
    var wide_5 = mat4x4<f32>();
    var wide_6 = mat4x4<f32>();
    var wide_7 = mat4x4<f32>();
    for (var kd = 0u; kd < kernel.x; kd++) {
        for (var kh = 0u; kh < kernel.y; kh++) {
            let d = padded_coordinate(origin.x + i32(kd * params.dilation.x), extent.x);
            let h = padded_coordinate(origin.y + i32(kh * params.dilation.y), extent.y);
            let inside = d != OUTSIDE && h != OUTSIDE;
            // A row that hangs over reads the channel's first one and drops it.
            var row = base + select(0u, u32(d) * params.input.d + u32(h) * params.input.h, inside);
            for (var ci = 0u; ci < channels; ci += STEP) {
                let left = channels - ci;
                var low_0 = load_low(left, row, columns_0, inside, 0u);
                var low_1 = load_low(left, row, columns_1, inside, 4u);
                var low_2 = mat4x4<f32>();
                var low_3 = mat4x4<f32>();
                if SPAN > 8u { low_2 = load_low(left, row, columns_2, inside, 8u); }
                if SPAN > 12u { low_3 = load_low(left, row, columns_3, inside, 12u); }
                var high_0 = mat4x4<f32>();
                var high_1 = mat4x4<f32>();
                var high_2 = mat4x4<f32>();
                var high_3 = mat4x4<f32>();
                if STEP > 4u { high_0 = load_high(left, row, columns_0, inside, 0u); }
                if STEP > 4u { high_1 = load_high(left, row, columns_1, inside, 4u); }
                if STEP > 4u && SPAN > 8u { high_2 = load_high(left, row, columns_2, inside, 8u); }
                if STEP > 4u && SPAN > 12u { high_3 = load_high(left, row, columns_3, inside, 12u); }
                let held = lane < left;
                let weight_row = (ci + select(0u, lane, held)) * channel_length;
                for (var kw = 0u; kw < KERNEL_W; kw++) {
                    var tap = (kd * kernel.y + kh) * KERNEL_W + kw;
                    if FLIP_KERNEL {
                        tap = n_taps - 1u - tap;
                    }
                    let weight_ix = weight_row + tap;
                    {
                        let rows = load_weights(rows_0 + weight_ix, held);
                        sum_0 = outer_add(sum_0, low_0, high_0, rows);
                        wide_0 = outer_add(wide_0, low_1, high_1, rows);
                    }
                    if TILE_CO > 4u {
                        let rows = load_weights(rows_1 + weight_ix, held);
                        sum_1 = outer_add(sum_1, low_0, high_0, rows);
                        wide_1 = outer_add(wide_1, low_1, high_1, rows);
                    }
                    if TILE_CO > 8u {
                        let rows = load_weights(rows_2 + weight_ix, held);
                        sum_2 = outer_add(sum_2, low_0, high_0, rows);
                        wide_2 = outer_add(wide_2, low_1, high_1, rows);
                    }
                    if TILE_CO > 12u {
                        let rows = load_weights(rows_3 + weight_ix, held);
                        sum_3 = outer_add(sum_3, low_0, high_0, rows);
                        wide_3 = outer_add(wide_3, low_1, high_1, rows);
                    }
                    if TILE_CO > 16u {
                        let rows = load_weights(rows_4 + weight_ix, held);
                        sum_4 = outer_add(sum_4, low_0, high_0, rows);
                        wide_4 = outer_add(wide_4, low_1, high_1, rows);
                    }
                    if TILE_CO > 20u {
                        let rows = load_weights(rows_5 + weight_ix, held);
                        sum_5 = outer_add(sum_5, low_0, high_0, rows);
                        wide_5 = outer_add(wide_5, low_1, high_1, rows);
                    }
                    if TILE_CO > 24u {
                        let rows = load_weights(rows_6 + weight_ix, held);
                        sum_6 = outer_add(sum_6, low_0, high_0, rows);
                        wide_6 = outer_add(wide_6, low_1, high_1, rows);
                    }
                    if TILE_CO > 28u {
                        let rows = load_weights(rows_7 + weight_ix, held);
                        sum_7 = outer_add(sum_7, low_0, high_0, rows);
                        wide_7 = outer_add(wide_7, low_1, high_1, rows);
                    }
                    low_0 = move_on(low_0, low_1);
                    low_1 = move_on(low_1, low_2);
                    low_2 = move_on(low_2, low_3);
                    low_3 = move_on(low_3, mat4x4<f32>());
                    high_0 = move_on(high_0, high_1);
                    high_1 = move_on(high_1, high_2);
                    high_2 = move_on(high_2, high_3);
                    high_3 = move_on(high_3, mat4x4<f32>());
                }
                row += STEP * params.input.c;
            }
        }
    }
    if piece >= n_pieces {
        return;
    }
    for (var i = 0u; i < WIDTH; i++) {
        let column = first_column + i * dilation;
        if column >= params.output_size.z {
            break;
        }
        let p = vec3<u32>(place.xy, column);
        write_quads(
            n, co, n_co, p,
            wide_column(sum_0, wide_0, i),
            wide_column(sum_1, wide_1, i),
            wide_column(sum_2, wide_2, i),
            wide_column(sum_3, wide_3, i),
            wide_column(sum_4, wide_4, i),
            wide_column(sum_5, wide_5, i),
            wide_column(sum_6, wide_6, i),
            wide_column(sum_7, wide_7, i),
        );
    }
}
