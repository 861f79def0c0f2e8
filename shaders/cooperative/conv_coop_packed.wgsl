// needs: window_params grid halves write_output
// output[n,co,o] = epilogue(sum_{b,k,c} input[n,g,b, o*stride + k*dilation, c] * weight[g,b,k,co,c]),   c < 32
//
// The matrix product of conv_coop_gemm over factors that are f16 and packed: the input with its padding by coop_pack_input, the weights
// by coop_pack_weight. Rows are the output channels of a group, columns the positions of all images. A panel is a tap of a block of 32
// channels: invocations copy vec4s of it to workgroup memory, of the next panel before the products of this one. A column's address is
// found once; what a panel adds to it is the same for all. A subgroup holds 2 x COLUMN_MATRICES matrices of 16 x 16 sums over all
// panels. SCALED says that rows and images were scaled: sums are scaled back. FLAT says that the positions of an output lie evenly
// spaced, `w` apart.
//
// Barriers and cooperative operations are in uniform control flow: tiles, panels and matrices are counted by uniforms and constants.
// Dispatch: groups * ceil(c_out_per_group / BLOCK_M) * ceil(batch * positions / BLOCK_N) workgroups, folded.
// Prelude: SUBGROUPS_M, SUBGROUPS_N, COLUMN_MATRICES, SCALED, FLAT.

@group(0) @binding(1) var<storage, read> input: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f16>>;
@group(0) @binding(3) var<storage, read> row_exponents: array<f32>;
@group(0) @binding(4) var<storage, read> image_exponents: array<f32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> output: array<f32>;

alias MatrixA = coop_mat16x16<f16, A>;
alias MatrixB = coop_mat16x16<f16, B>;
alias MatrixC = coop_mat16x16<f32, C>;
const SIDE: u32 = 16u;
const SUBGROUP_SIZE: u32 = 32u;

const BLOCK_M: u32 = SUBGROUPS_M * 2u * SIDE;
const BLOCK_N: u32 = SUBGROUPS_N * COLUMN_MATRICES * SIDE;
const N_INVOCATIONS: u32 = SUBGROUPS_M * SUBGROUPS_N * SUBGROUP_SIZE;
// Vec4s of a block of channels, and their pitch: matrices begin at multiples of 16 bytes, eight neighbours in different banks.
const QUADS: u32 = 8u;
const PITCH: u32 = QUADS + 2u;
// Rows or columns that are staged at once.
const STEP: u32 = N_INVOCATIONS / QUADS;
const COLUMN_LOADS: u32 = BLOCK_N / STEP;
const_assert COLUMN_MATRICES == 2u || COLUMN_MATRICES == 4u;
const_assert BLOCK_M == 4u * STEP;
const_assert COLUMN_LOADS == 4u || COLUMN_LOADS == 8u;

// [row][channel] and [column][channel]
var<workgroup> sh_rows: array<vec4<f16>, BLOCK_M * PITCH>;
var<workgroup> sh_columns: array<vec4<f16>, BLOCK_N * PITCH>;
// One matrix of sums for each subgroup, on its way through the epilogue.
var<workgroup> sh_sums: array<f32, SUBGROUPS_M * SUBGROUPS_N * SIDE * SIDE>;

fn n_positions() -> u32 {
    return params.output_size.x * params.output_size.y * params.output_size.z;
}

fn n_pixels() -> u32 {
    return params.input_size.x * params.input_size.y * params.input_size.z;
}

fn n_blocks() -> u32 {
    return (params.c_in / params.groups + 4u * QUADS - 1u) / (4u * QUADS);
}

// Where the first tap of the first block reads for a column; behind the last column it is taken again, and not written.
fn column_start(group: u32, column: u32) -> u32 {
    let place = min(column, params.batch * n_positions() - 1u);
    let n = place / n_positions();
    let o = unravel(place % n_positions(), params.output_size) * params.stride;
    let pixel = (o.x * params.input_size.y + o.y) * params.input_size.z + o.z;
    return ((n * params.groups + group) * n_blocks() * n_pixels() + pixel) * QUADS;
}

// The taps of a block one after the other, then those of the next block.
struct Panel {
    block: u32,
    tap: vec3<u32>,
}

fn panel_after(panel: Panel) -> Panel {
    var next = Panel(panel.block, vec3<u32>(panel.tap.xy, panel.tap.z + 1u));
    if next.tap.z == params.kernel_size.z {
        next.tap = vec3<u32>(next.tap.x, next.tap.y + 1u, 0u);
    }
    if next.tap.y == params.kernel_size.y {
        next.tap = vec3<u32>(next.tap.x + 1u, 0u, 0u);
    }
    if next.tap.x == params.kernel_size.x {
        next = Panel(panel.block + 1u, vec3<u32>());
    }
    return next;
}

// What a panel adds to the places that the columns read.
fn panel_offset(panel: Panel) -> u32 {
    let p = panel.tap * params.dilation;
    return (panel.block * n_pixels() + (p.x * params.input_size.y + p.y) * params.input_size.z + p.z) * QUADS;
}

// Every second of sixteen rows of one column, whose sums lie from `at` on.
fn write_column(group: u32, first_row: u32, column: u32, at: u32) {
    if column >= params.batch * n_positions() {
        return;
    }
    let n_rows = params.c_out / params.groups;
    let n = column / n_positions();
    var p = vec3<u32>(0u, 0u, column % n_positions());
    if !FLAT {
        p = unravel(p.z, params.output_size);
    }
    for (var i = 0u; i < SIDE; i += 2u) {
        if first_row + i < n_rows {
            let row = group * n_rows + first_row + i;
            var sum = sh_sums[at + i * SIDE];
            if SCALED {
                // In two steps: the exponent of both may exceed that of an f32.
                let exponent = -(i32(row_exponents[row]) + i32(image_exponents[n]));
                sum = sum * power_of_two(exponent / 2) * power_of_two(exponent - exponent / 2);
            }
            write_output(n, row, p, sum);
        }
    }
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
    let n_panels = n_blocks() * params.kernel_size.x * params.kernel_size.y * params.kernel_size.z;

    // What this invocation stages: every STEP-th row and column.
    let quad = local_ix % QUADS;
    let staged = local_ix / QUADS;
    let place = staged * PITCH + quad;
    // Behind the last row it is taken again, and not written.
    let weights = group * n_panels * n_rows * QUADS + quad;
    let from_row = vec4<u32>(tile_row + staged) + vec4<u32>(0u, STEP, 2u * STEP, 3u * STEP);
    var rows = weights + min(from_row, vec4<u32>(n_rows - 1u)) * QUADS;
    let from_column = tile_column + staged;
    let columns = quad + vec4<u32>(
        column_start(group, from_column),
        column_start(group, from_column + STEP),
        column_start(group, from_column + 2u * STEP),
        column_start(group, from_column + 3u * STEP),
    );
    var more_columns = vec4<u32>();
    if COLUMN_LOADS > 4u {
        more_columns = quad + vec4<u32>(
            column_start(group, from_column + 4u * STEP),
            column_start(group, from_column + 5u * STEP),
            column_start(group, from_column + 6u * STEP),
            column_start(group, from_column + 7u * STEP),
        );
    }

    // The panel to be staged next.
    var panel = Panel(0u, vec3<u32>());
    var row_0 = weight[rows.x];
    var row_1 = weight[rows.y];
    var row_2 = weight[rows.z];
    var row_3 = weight[rows.w];
    var column_0 = input[columns.x];
    var column_1 = input[columns.y];
    var column_2 = input[columns.z];
    var column_3 = input[columns.w];
    var column_4 = vec4<f16>();
    var column_5 = vec4<f16>();
    var column_6 = vec4<f16>();
    var column_7 = vec4<f16>();
    if COLUMN_LOADS > 4u {
        column_4 = input[more_columns.x];
        column_5 = input[more_columns.y];
        column_6 = input[more_columns.z];
        column_7 = input[more_columns.w];
    }

    let first_row = subgroup / SUBGROUPS_N * 2u * SIDE;
    let first_column = subgroup % SUBGROUPS_N * COLUMN_MATRICES * SIDE;
    var sum_00 = MatrixC();
    var sum_01 = MatrixC();
    var sum_02 = MatrixC();
    var sum_03 = MatrixC();
    var sum_10 = MatrixC();
    var sum_11 = MatrixC();
    var sum_12 = MatrixC();
    var sum_13 = MatrixC();
    for (var i = 0u; i < n_panels; i++) {
        sh_rows[place] = row_0;
        sh_rows[place + STEP * PITCH] = row_1;
        sh_rows[place + 2u * STEP * PITCH] = row_2;
        sh_rows[place + 3u * STEP * PITCH] = row_3;
        sh_columns[place] = column_0;
        sh_columns[place + STEP * PITCH] = column_1;
        sh_columns[place + 2u * STEP * PITCH] = column_2;
        sh_columns[place + 3u * STEP * PITCH] = column_3;
        if COLUMN_LOADS > 4u {
            sh_columns[place + 4u * STEP * PITCH] = column_4;
            sh_columns[place + 5u * STEP * PITCH] = column_5;
            sh_columns[place + 6u * STEP * PITCH] = column_6;
            sh_columns[place + 7u * STEP * PITCH] = column_7;
        }
        workgroupBarrier();

        // Behind the last panel it is loaded again.
        if i + 1u < n_panels {
            panel = panel_after(panel);
            rows += n_rows * QUADS;
        }
        let places = columns + panel_offset(panel);
        row_0 = weight[rows.x];
        row_1 = weight[rows.y];
        row_2 = weight[rows.z];
        row_3 = weight[rows.w];
        column_0 = input[places.x];
        column_1 = input[places.y];
        column_2 = input[places.z];
        column_3 = input[places.w];
        if COLUMN_LOADS > 4u {
            let more_places = more_columns + panel_offset(panel);
            column_4 = input[more_places.x];
            column_5 = input[more_places.y];
            column_6 = input[more_places.z];
            column_7 = input[more_places.w];
        }

        for (var k = 0u; k < QUADS; k += SIDE / 4u) {
            let a = first_row * PITCH + k;
            let b = first_column * PITCH + k;
            let a_0 = coopLoadT<MatrixA>(&sh_rows[a], PITCH);
            let a_1 = coopLoadT<MatrixA>(&sh_rows[a + SIDE * PITCH], PITCH);
            let b_0 = coopLoad<MatrixB>(&sh_columns[b], PITCH);
            let b_1 = coopLoad<MatrixB>(&sh_columns[b + SIDE * PITCH], PITCH);
            sum_00 = coopMultiplyAdd(a_0, b_0, sum_00);
            sum_10 = coopMultiplyAdd(a_1, b_0, sum_10);
            sum_01 = coopMultiplyAdd(a_0, b_1, sum_01);
            sum_11 = coopMultiplyAdd(a_1, b_1, sum_11);
            if COLUMN_MATRICES > 2u {
                let b_2 = coopLoad<MatrixB>(&sh_columns[b + 2u * SIDE * PITCH], PITCH);
                let b_3 = coopLoad<MatrixB>(&sh_columns[b + 3u * SIDE * PITCH], PITCH);
                sum_02 = coopMultiplyAdd(a_0, b_2, sum_02);
                sum_12 = coopMultiplyAdd(a_1, b_2, sum_12);
                sum_03 = coopMultiplyAdd(a_0, b_3, sum_03);
                sum_13 = coopMultiplyAdd(a_1, b_3, sum_13);
            }
        }
        // Everybody is done with the panel.
        workgroupBarrier();
    }

    // One after the other moves up to be written. A loop, not eight calls: every call is a copy of the whole epilogue to drivers that
    // inline.
    let sums = subgroup * SIDE * SIDE;
    for (var i = 0u; i < 2u * COLUMN_MATRICES; i++) {
        coopStoreT(sum_00, &sh_sums[sums], SIDE);
        workgroupBarrier();
        let row = tile_row + first_row + i / COLUMN_MATRICES * SIDE + lane / SIDE;
        let column = tile_column + first_column + i % COLUMN_MATRICES * SIDE + lane % SIDE;
        write_column(group, row, column, sums + lane);
        workgroupBarrier();
        sum_00 = sum_01;
        if COLUMN_MATRICES > 2u {
            sum_01 = sum_02;
            sum_02 = sum_03;
            sum_03 = sum_10;
        } else {
            sum_01 = sum_10;
        }
        sum_10 = sum_11;
        sum_11 = sum_12;
        sum_12 = sum_13;
    }
}
