// needs: view grid halves padding write_output
// A convolution as a matrix product of cooperative matrices: a subgroup multiplies SIDE x SIDE matrices of f16 and
// sums in f32. Rows are the output channels of a group, columns the positions of all images; the sum goes panel by
// panel, a panel being one tap of BLOCK_K channels, gathered as it is staged, so that what a tap is belongs to the
// workgroup. A workgroup of SUBGROUPS_M x SUBGROUPS_N subgroups computes BLOCK_M x BLOCK_N outputs, each subgroup 2 x
// 4 matrices of them.
//
// f16 has five bits of exponent. So every panel is scaled by two powers of two, that of its rows and that of its
// columns, to a largest magnitude in 2^14..2^15, and its products are scaled back in f32: no magnitude of the data
// overflows, and what is lost at the lower end is small beside the panel's largest element. With SPLIT an element is
// the sum of two f16, high + low / 2^11, of 11 bits each, and a product is high * high + (high * low + low * high) /
// 2^11: what is left out is 2^-22 of it. Nothing staged is subnormal in f16, which devices may flush or keep. Sums of
// panels are added outside of the multiply-add, whose additions some devices truncate.
//
// Barriers and cooperative operations are in uniform control flow: tiles, panels and matrices are counted by uniforms
// and constants.
//
// Wants the parts padding and halves, SUBGROUPS_M, SUBGROUPS_N, SUBGROUP_SIZE, SPLIT, PADDING_MODE and FLIP_KERNEL in the
// prelude, and of the kernel SIDE and the types MatrixA, MatrixB and MatrixC.

const BLOCK_M: u32 = SUBGROUPS_M * 2u * SIDE;
const BLOCK_N: u32 = SUBGROUPS_N * 4u * SIDE;
const BLOCK_K: u32 = 16u;
const N_INVOCATIONS: u32 = SUBGROUPS_M * SUBGROUPS_N * SUBGROUP_SIZE;
const N_PARTS: u32 = 1u + u32(SPLIT);

// Neighbours of the sum that an invocation stages: of one row, and of one column.
const ROW_RUN: u32 = BLOCK_M * BLOCK_K / N_INVOCATIONS;
const COLUMN_RUN: u32 = BLOCK_N * BLOCK_K / N_INVOCATIONS;
const_assert ROW_RUN == 4u || ROW_RUN == 8u;
const_assert COLUMN_RUN == 4u || COLUMN_RUN == 8u || COLUMN_RUN == 16u;

// Matrices begin at multiples of 16 bytes. The pitches spread rows over banks.
const ROW_PITCH: u32 = BLOCK_K + 8u;
const COLUMN_PITCH: u32 = BLOCK_N + 8u;

// [part][row][k] and [part][k][column]
var<workgroup> sh_rows: array<f16, N_PARTS * BLOCK_M * ROW_PITCH>;
var<workgroup> sh_columns: array<f16, N_PARTS * BLOCK_K * COLUMN_PITCH>;
// One matrix of sums for each subgroup, on its way through the epilogue.
var<workgroup> sh_sums: array<f32, SUBGROUPS_M * SUBGROUPS_N * SIDE * SIDE>;
// Bits of the largest finite magnitudes of the rows' and the columns' panel, of this panel and of the next.
var<workgroup> sh_peaks: array<atomic<u32>, 4>;

fn n_positions() -> u32 {
    return params.output_size.x * params.output_size.y * params.output_size.z;
}

// Where the window of a column begins.
struct Column {
    plane: u32,
    origin: vec3<i32>,
    exists: bool,
}

fn column_at(group: u32, ix: u32) -> Column {
    let exists = ix < params.batch * n_positions();
    let place = select(0u, ix, exists);
    let n = place / n_positions();
    let o = unravel(place % n_positions(), params.output_size);
    let plane = view_index(params.input, n, group * (params.c_in / params.groups), vec3<u32>(0u));
    return Column(plane, vec3<i32>(o * params.stride) - vec3<i32>(params.pad_begin), exists);
}

// A panel of the sum: the taps of BLOCK_K channels one after the other, then those of the next channels.
struct Panel {
    channel: u32,
    tap: vec3<u32>,
    tap_ix: u32,
}

fn panel_after(panel: Panel) -> Panel {
    var next = Panel(panel.channel, vec3<u32>(panel.tap.xy, panel.tap.z + 1u), panel.tap_ix + 1u);
    if next.tap.z == params.kernel_size.z {
        next.tap = vec3<u32>(next.tap.x, next.tap.y + 1u, 0u);
    }
    if next.tap.y == params.kernel_size.y {
        next.tap = vec3<u32>(next.tap.x + 1u, 0u, 0u);
    }
    if next.tap.x == params.kernel_size.x {
        next = Panel(panel.channel + BLOCK_K, vec3<u32>(), 0u);
    }
    return next;
}

// Four channels of the weight at a tap; `start` is that of channel 0. Beyond the last row and channel there are
// zeros. No load is behind a branch.
fn fetch_row(start: u32, exists: bool, channel: u32) -> vec4<f32> {
    let n_channels = select(0u, params.c_in / params.groups, exists);
    let step = params.kernel_size.x * params.kernel_size.y * params.kernel_size.z;
    let channels = vec4<u32>(channel) + vec4<u32>(0u, 1u, 2u, 3u);
    let inside = channels < vec4<u32>(n_channels);
    let ix = select(vec4<u32>(), start + channels * step, inside);
    let quad = vec4<f32>(load_weight(ix.x), load_weight(ix.y), load_weight(ix.z), load_weight(ix.w));
    return select(vec4<f32>(), quad, inside);
}

// Four channels of the input at one pixel; `start` is that of channel 0.
fn fetch_column(start: u32, exists: bool, channel: u32) -> vec4<f32> {
    let n_channels = select(0u, params.c_in / params.groups, exists);
    let channels = vec4<u32>(channel) + vec4<u32>(0u, 1u, 2u, 3u);
    let inside = channels < vec4<u32>(n_channels);
    let ix = select(vec4<u32>(), start + channels * params.input.c, inside);
    let quad = vec4<f32>(load_input(ix.x), load_input(ix.y), load_input(ix.z), load_input(ix.w));
    return select(vec4<f32>(), quad, inside);
}

// Where a tap of a column reads channel 0, and whether it does.
struct Pixel {
    start: u32,
    exists: bool,
}

fn pixel_at(column: Column, panel: Panel) -> Pixel {
    var tap = panel.tap;
    if FLIP_KERNEL {
        tap = params.kernel_size - 1u - tap;
    }
    let p = column.origin + vec3<i32>(tap * params.dilation);
    let d = padded_coordinate(p.x, i32(params.input_size.x));
    let h = padded_coordinate(p.y, i32(params.input_size.y));
    let w = padded_coordinate(p.z, i32(params.input_size.z));
    let exists = column.exists && d != OUTSIDE && h != OUTSIDE && w != OUTSIDE;
    let offset = u32(d) * params.input.d + u32(h) * params.input.h + u32(w) * params.input.w;
    return Pixel(column.plane + select(0u, offset, exists), exists);
}

// What is missing, 2^11 times.
fn low_part(quad: vec4<f32>, high: vec4<f32>) -> vec4<f32> {
    let low = (quad - high) * 2048.0;
    return select(low, vec4<f32>(), abs(low) < vec4<f32>(SMALLEST));
}

fn stage_row(at: u32, quad: vec4<f32>) {
    let high = high_part(quad);
    let halves = vec4<f16>(high);
    sh_rows[at] = halves.x;
    sh_rows[at + 1u] = halves.y;
    sh_rows[at + 2u] = halves.z;
    sh_rows[at + 3u] = halves.w;
    if SPLIT {
        let rest = vec4<f16>(low_part(quad, high));
        let low = at + BLOCK_M * ROW_PITCH * (N_PARTS - 1u);
        sh_rows[low] = rest.x;
        sh_rows[low + 1u] = rest.y;
        sh_rows[low + 2u] = rest.z;
        sh_rows[low + 3u] = rest.w;
    }
}

fn stage_column(at: u32, quad: vec4<f32>) {
    let high = high_part(quad);
    let halves = vec4<f16>(high);
    sh_columns[at] = halves.x;
    sh_columns[at + COLUMN_PITCH] = halves.y;
    sh_columns[at + 2u * COLUMN_PITCH] = halves.z;
    sh_columns[at + 3u * COLUMN_PITCH] = halves.w;
    if SPLIT {
        let rest = vec4<f16>(low_part(quad, high));
        let low = at + BLOCK_K * COLUMN_PITCH * (N_PARTS - 1u);
        sh_columns[low] = rest.x;
        sh_columns[low + COLUMN_PITCH] = rest.y;
        sh_columns[low + 2u * COLUMN_PITCH] = rest.z;
        sh_columns[low + 3u * COLUMN_PITCH] = rest.w;
    }
}

// sum + a * b, scaled back in two steps: the exponent of both may exceed that of an f32.
fn multiply_add(a: MatrixA, a_low: MatrixA, b: MatrixB, b_low: MatrixB, sum: MatrixC, scale: vec2<f32>) -> MatrixC {
    var product = coopMultiplyAdd(a, b, MatrixC());
    if SPLIT {
        let cross = coopMultiplyAdd(a_low, b, coopMultiplyAdd(a, b_low, MatrixC()));
        product = product + cross * (1.0 / 2048.0);
    }
    return sum + product * scale.x * scale.y;
}

@compute @workgroup_size(N_INVOCATIONS)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let n_rows = params.c_out / params.groups;
    let n_row_tiles = (n_rows + BLOCK_M - 1u) / BLOCK_M;
    let n_column_tiles = (params.batch * n_positions() + BLOCK_N - 1u) / BLOCK_N;
    // As linear_workgroup counts; naga takes what a function makes of its arguments for not uniform.
    let tile = (workgroup.z * grid.y + workgroup.y) * grid.x + workgroup.x;
    // Uniform per workgroup, so the barriers below are reached by all or none.
    if tile >= n_row_tiles * n_column_tiles * params.groups {
        return;
    }
    // Tiles of the same columns are neighbours: they share what they read of the input.
    let tile_row = tile % n_row_tiles * BLOCK_M;
    let tile_column = tile / n_row_tiles % n_column_tiles * BLOCK_N;
    let group = tile / n_row_tiles / n_column_tiles;
    let n_channels = params.c_in / params.groups;
    let n_taps = params.kernel_size.x * params.kernel_size.y * params.kernel_size.z;
    let n_panels = (n_channels + BLOCK_K - 1u) / BLOCK_K * n_taps;

    // What this invocation stages: neighbouring ones hold neighbouring channels of a row, and neighbouring columns.
    let row_k = local_ix * ROW_RUN % BLOCK_K;
    let row_ix = local_ix * ROW_RUN / BLOCK_K;
    let row = group * n_rows + tile_row + row_ix;
    let row_exists = tile_row + row_ix < n_rows;
    let row_start = row * n_channels * n_taps;
    let column_ix = local_ix % BLOCK_N;
    let column_k = local_ix / BLOCK_N * COLUMN_RUN;
    let column = column_at(group, tile_column + column_ix);

    // The panel to be staged next. Beyond the last one it is zero and not loaded.
    var panel = Panel(0u, vec3<u32>(), 0u);
    var pixel = pixel_at(column, panel);
    var row_0 = fetch_row(row_start, row_exists, row_k);
    var row_1 = vec4<f32>();
    var column_0 = fetch_column(pixel.start, pixel.exists, column_k);
    var column_1 = vec4<f32>();
    var column_2 = vec4<f32>();
    var column_3 = vec4<f32>();
    if ROW_RUN > 4u {
        row_1 = fetch_row(row_start, row_exists, row_k + 4u);
    }
    if COLUMN_RUN > 4u {
        column_1 = fetch_column(pixel.start, pixel.exists, column_k + 4u);
    }
    if COLUMN_RUN > 8u {
        column_2 = fetch_column(pixel.start, pixel.exists, column_k + 8u);
        column_3 = fetch_column(pixel.start, pixel.exists, column_k + 12u);
    }

    let first_row = subgroup / SUBGROUPS_N * 2u * SIDE;
    let first_column = subgroup % SUBGROUPS_N * 4u * SIDE;
    var sum_00 = MatrixC();
    var sum_01 = MatrixC();
    var sum_02 = MatrixC();
    var sum_03 = MatrixC();
    var sum_10 = MatrixC();
    var sum_11 = MatrixC();
    var sum_12 = MatrixC();
    var sum_13 = MatrixC();
    if local_ix < 4u {
        atomicStore(&sh_peaks[local_ix], 0u);
    }
    workgroupBarrier();
    for (var i = 0u; i < n_panels; i++) {
        let row_peak = subgroupMax(max(peak(row_0), peak(row_1)));
        let column_peak = subgroupMax(max(max(peak(column_0), peak(column_1)), max(peak(column_2), peak(column_3))));
        let slot = i % 2u * 2u;
        if lane == 0u {
            atomicMax(&sh_peaks[slot], row_peak);
            atomicMax(&sh_peaks[slot + 1u], column_peak);
        }
        // The previous panel has been multiplied.
        workgroupBarrier();
        let row_scale = scale_of(atomicLoad(&sh_peaks[slot]));
        let column_scale = scale_of(atomicLoad(&sh_peaks[slot + 1u]));
        let row_factor = power_of_two(row_scale);
        let column_factor = power_of_two(column_scale);
        let row_place = row_ix * ROW_PITCH + row_k;
        let column_place = column_k * COLUMN_PITCH + column_ix;
        stage_row(row_place, row_0 * row_factor);
        stage_column(column_place, column_0 * column_factor);
        if ROW_RUN > 4u {
            stage_row(row_place + 4u, row_1 * row_factor);
        }
        if COLUMN_RUN > 4u {
            stage_column(column_place + 4u * COLUMN_PITCH, column_1 * column_factor);
        }
        if COLUMN_RUN > 8u {
            stage_column(column_place + 8u * COLUMN_PITCH, column_2 * column_factor);
            stage_column(column_place + 12u * COLUMN_PITCH, column_3 * column_factor);
        }
        // Those of the previous panel were read before the barrier above.
        if local_ix < 2u {
            atomicStore(&sh_peaks[(slot ^ 2u) + local_ix], 0u);
        }
        workgroupBarrier();

        panel = panel_after(panel);
        pixel = pixel_at(column, panel);
        row_0 = fetch_row(row_start + panel.tap_ix, row_exists, panel.channel + row_k);
        column_0 = fetch_column(pixel.start, pixel.exists, panel.channel + column_k);
        if ROW_RUN > 4u {
            row_1 = fetch_row(row_start + panel.tap_ix, row_exists, panel.channel + row_k + 4u);
        }
        if COLUMN_RUN > 4u {
            column_1 = fetch_column(pixel.start, pixel.exists, panel.channel + column_k + 4u);
        }
        if COLUMN_RUN > 8u {
            column_2 = fetch_column(pixel.start, pixel.exists, panel.channel + column_k + 8u);
            column_3 = fetch_column(pixel.start, pixel.exists, panel.channel + column_k + 12u);
        }

        let exponent = -(row_scale + column_scale);
        let scale = vec2<f32>(power_of_two(exponent / 2), power_of_two(exponent - exponent / 2));
        for (var k = 0u; k < BLOCK_K; k += SIDE) {
            let a = first_row * ROW_PITCH + k;
            let b = k * COLUMN_PITCH + first_column;
            let a_0 = coopLoadT<MatrixA>(&sh_rows[a], ROW_PITCH);
            let a_1 = coopLoadT<MatrixA>(&sh_rows[a + SIDE * ROW_PITCH], ROW_PITCH);
            let b_0 = coopLoadT<MatrixB>(&sh_columns[b], COLUMN_PITCH);
            let b_1 = coopLoadT<MatrixB>(&sh_columns[b + SIDE], COLUMN_PITCH);
            let b_2 = coopLoadT<MatrixB>(&sh_columns[b + 2u * SIDE], COLUMN_PITCH);
            let b_3 = coopLoadT<MatrixB>(&sh_columns[b + 3u * SIDE], COLUMN_PITCH);
            // Where there is one part these are the same again, and unused.
            let a_low = a + BLOCK_M * ROW_PITCH * (N_PARTS - 1u);
            let b_low = b + BLOCK_K * COLUMN_PITCH * (N_PARTS - 1u);
            let a_0_low = coopLoadT<MatrixA>(&sh_rows[a_low], ROW_PITCH);
            let a_1_low = coopLoadT<MatrixA>(&sh_rows[a_low + SIDE * ROW_PITCH], ROW_PITCH);
            let b_0_low = coopLoadT<MatrixB>(&sh_columns[b_low], COLUMN_PITCH);
            let b_1_low = coopLoadT<MatrixB>(&sh_columns[b_low + SIDE], COLUMN_PITCH);
            let b_2_low = coopLoadT<MatrixB>(&sh_columns[b_low + 2u * SIDE], COLUMN_PITCH);
            let b_3_low = coopLoadT<MatrixB>(&sh_columns[b_low + 3u * SIDE], COLUMN_PITCH);
            sum_00 = multiply_add(a_0, a_0_low, b_0, b_0_low, sum_00, scale);
            sum_10 = multiply_add(a_1, a_1_low, b_0, b_0_low, sum_10, scale);
            sum_01 = multiply_add(a_0, a_0_low, b_1, b_1_low, sum_01, scale);
            sum_11 = multiply_add(a_1, a_1_low, b_1, b_1_low, sum_11, scale);
            sum_02 = multiply_add(a_0, a_0_low, b_2, b_2_low, sum_02, scale);
            sum_12 = multiply_add(a_1, a_1_low, b_2, b_2_low, sum_12, scale);
            sum_03 = multiply_add(a_0, a_0_low, b_3, b_3_low, sum_03, scale);
            sum_13 = multiply_add(a_1, a_1_low, b_3, b_3_low, sum_13, scale);
        }
    }

    // One after the other moves up to be written. A loop, not eight calls: every call is a copy of the whole epilogue
    // to drivers that inline.
    let sums = subgroup * SIDE * SIDE;
    for (var i = 0u; i < 8u; i++) {
        coopStoreT(sum_00, &sh_sums[sums], SIDE);
        workgroupBarrier();
        for (var j = lane; j < SIDE * SIDE; j += SUBGROUP_SIZE) {
            let at = vec2<u32>(j / SIDE, j % SIDE);
            let row = tile_row + first_row + i / 4u * SIDE + at.x;
            let column = tile_column + first_column + i % 4u * SIDE + at.y;
            if row < n_rows && column < params.batch * n_positions() {
                let p = unravel(column % n_positions(), params.output_size);
                write_output(column / n_positions(), group * n_rows + row, p, sh_sums[sums + at.x * SIDE + at.y]);
            }
        }
        workgroupBarrier();
        sum_00 = sum_01;
        sum_01 = sum_02;
        sum_02 = sum_03;
        sum_03 = sum_10;
        sum_10 = sum_11;
        sum_11 = sum_12;
        sum_12 = sum_13;
    }
}
