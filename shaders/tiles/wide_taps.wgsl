// needs: view grid outer padding phase_frame write_column
// The main of `conv_subgroup_wide` and `conv_subgroup_wide_vec4`: a register tile of TILE_CO output channels x 8 positions of a row,
// one dilation apart, the sum over channels in chunks of STEP, whose weights the lanes of a subgroup load for each other. The taps of a
// row share what they load of it: from tap to tap it moves on by one position, or at STRIDE_W 2 from every second tap to the next.
// The kernel reads rows: it defines `Place`, what the columns of an invocation are found by, `place_columns`, and `load_channel`.
// The weights are packed (`pack_rows`): [group][tap][channel][output channel], flipped already.
// SEPARATE taps share nothing: KERNEL_W is 1, and each tap of a row finds and loads its own columns, at any stride and dilation; the
// positions are neighbours.
// PHASED, it computes the phases of a transposed convolution whose outputs lie in every STRIDE-th column from PHASE_W on, by weights
// that `pack_phases` packed. Wants the part phase_frame.

const WIDTH: u32 = 8u;
// Columns of the input that an invocation holds: those of even number, which are all at stride 1, and those of odd number.
const SPAN: u32 = WIDTH + (KERNEL_W - 1u) / STRIDE_W;
const ODD_SPAN: u32 = WIDTH + KERNEL_W / 2u - 1u;
// Taps of a row that are written out. More are a loop, which stores and loads every sum once for each.
const WRITTEN_OUT: u32 = 5u;

// Columns of a row of a channel.
struct Row {
    quad_0: vec4<f32>,
    quad_1: vec4<f32>,
    quad_2: vec4<f32>,
    quad_3: vec4<f32>,
}

struct Rows {
    even: Row,
    odd: Row,
}

// The rows of the channels of a chunk: four columns of four channels each.
struct Span {
    low_0: mat4x4<f32>,
    low_1: mat4x4<f32>,
    low_2: mat4x4<f32>,
    low_3: mat4x4<f32>,
    high_0: mat4x4<f32>,
    high_1: mat4x4<f32>,
    high_2: mat4x4<f32>,
    high_3: mat4x4<f32>,
}

// Sums of four rows each.
struct Sums {
    rows_0: Wide,
    rows_1: Wide,
    rows_2: Wide,
    rows_3: Wide,
    rows_4: Wide,
    rows_5: Wide,
    rows_6: Wide,
    rows_7: Wide,
}

struct Spans {
    even: Span,
    odd: Span,
}

// Channel j of a chunk that `left` channels are left of. Behind the last channel the first is read, and dropped.
fn load_channel_at(j: u32, left: u32, row: u32, place: Place, row_inside: bool) -> Rows {
    let exists = row_inside && j < left;
    return load_channel(row + select(0u, j * params.input.c, exists), place, exists);
}

fn span_of(c_0: Row, c_1: Row, c_2: Row, c_3: Row, c_4: Row, c_5: Row, c_6: Row, c_7: Row) -> Span {
    return Span(
        mat4x4<f32>(c_0.quad_0, c_1.quad_0, c_2.quad_0, c_3.quad_0),
        mat4x4<f32>(c_0.quad_1, c_1.quad_1, c_2.quad_1, c_3.quad_1),
        mat4x4<f32>(c_0.quad_2, c_1.quad_2, c_2.quad_2, c_3.quad_2),
        mat4x4<f32>(c_0.quad_3, c_1.quad_3, c_2.quad_3, c_3.quad_3),
        mat4x4<f32>(c_4.quad_0, c_5.quad_0, c_6.quad_0, c_7.quad_0),
        mat4x4<f32>(c_4.quad_1, c_5.quad_1, c_6.quad_1, c_7.quad_1),
        mat4x4<f32>(c_4.quad_2, c_5.quad_2, c_6.quad_2, c_7.quad_2),
        mat4x4<f32>(c_4.quad_3, c_5.quad_3, c_6.quad_3, c_7.quad_3),
    );
}

fn load_spans(left: u32, row: u32, place: Place, inside: bool) -> Spans {
    let c_0 = load_channel_at(0u, left, row, place, inside);
    let c_1 = load_channel_at(1u, left, row, place, inside);
    let c_2 = load_channel_at(2u, left, row, place, inside);
    let c_3 = load_channel_at(3u, left, row, place, inside);
    var c_4 = Rows();
    var c_5 = Rows();
    var c_6 = Rows();
    var c_7 = Rows();
    if STEP > 4u {
        c_4 = load_channel_at(4u, left, row, place, inside);
        c_5 = load_channel_at(5u, left, row, place, inside);
        c_6 = load_channel_at(6u, left, row, place, inside);
        c_7 = load_channel_at(7u, left, row, place, inside);
    }
    return Spans(
        span_of(c_0.even, c_1.even, c_2.even, c_3.even, c_4.even, c_5.even, c_6.even, c_7.even),
        span_of(c_0.odd, c_1.odd, c_2.odd, c_3.odd, c_4.odd, c_5.odd, c_6.odd, c_7.odd),
    );
}

// Columns of four channels, one further on.
fn move_quad(a: mat4x4<f32>, b: mat4x4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        vec4<f32>(a[0].yzw, b[0].x),
        vec4<f32>(a[1].yzw, b[1].x),
        vec4<f32>(a[2].yzw, b[2].x),
        vec4<f32>(a[3].yzw, b[3].x),
    );
}

fn move_on(s: Span) -> Span {
    let none = mat4x4<f32>();
    return Span(
        move_quad(s.low_0, s.low_1),
        move_quad(s.low_1, s.low_2),
        move_quad(s.low_2, s.low_3),
        move_quad(s.low_3, none),
        move_quad(s.high_0, s.high_1),
        move_quad(s.high_1, s.high_2),
        move_quad(s.high_2, s.high_3),
        move_quad(s.high_3, none),
    );
}

// Adds one tap of the chunk, whose weights start at vec4 `at`.
fn add_tap(sums: ptr<function, Sums>, s: Span, at: u32) {
    let x = Factors(s.low_0, s.low_1, s.high_0, s.high_1);
    (*sums).rows_0 = outer_add_wide((*sums).rows_0, x, load_weight(at));
    if TILE_CO > 4u { (*sums).rows_1 = outer_add_wide((*sums).rows_1, x, load_weight(at + 1u)); }
    if TILE_CO > 8u { (*sums).rows_2 = outer_add_wide((*sums).rows_2, x, load_weight(at + 2u)); }
    if TILE_CO > 12u { (*sums).rows_3 = outer_add_wide((*sums).rows_3, x, load_weight(at + 3u)); }
    if TILE_CO > 16u { (*sums).rows_4 = outer_add_wide((*sums).rows_4, x, load_weight(at + 4u)); }
    if TILE_CO > 20u { (*sums).rows_5 = outer_add_wide((*sums).rows_5, x, load_weight(at + 5u)); }
    if TILE_CO > 24u { (*sums).rows_6 = outer_add_wide((*sums).rows_6, x, load_weight(at + 6u)); }
    if TILE_CO > 28u { (*sums).rows_7 = outer_add_wide((*sums).rows_7, x, load_weight(at + 7u)); }
}

// Likewise tap `kw` of a row, of those that are written out. It moves on what it reads.
fn add_next_tap(sums: ptr<function, Sums>, spans: ptr<function, Spans>, kw: u32, at: u32) {
    if STRIDE_W == 1u || kw % 2u == 0u {
        if kw > 0u {
            (*spans).even = move_on((*spans).even);
        }
        add_tap(sums, (*spans).even, at);
    } else {
        if kw > 1u {
            (*spans).odd = move_on((*spans).odd);
        }
        add_tap(sums, (*spans).odd, at);
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    // What is computed at once: positions of all outputs, or of those of a phase, the largest of which is the first.
    var extent = params.output_size;
    var n_phases = 1u;
    if PHASED {
        extent = (extent - vec3<u32>(0u, 0u, PHASE_W) + params.stride - 1u) / params.stride;
        n_phases = params.stride.x * params.stride.y;
    }
    // Columns of the first residues modulo the dilation are one more than those of the others.
    let dilation = select(params.dilation.z, 1u, SEPARATE);
    let n_longer = extent.z % dilation;
    let longer = (extent.z / dilation + WIDTH) / WIDTH;
    let shorter = (extent.z / dilation + WIDTH - 1u) / WIDTH;
    let n_runs = n_longer * longer + (dilation - n_longer) * shorter;
    let n_pieces = extent.x * extent.y * n_runs;
    let co_per_group = params.c_out / params.groups;
    let n_piece_tiles = (n_pieces + WORKGROUP - 1u) / WORKGROUP;
    let n_co_tiles = (co_per_group + TILE_CO - 1u) / TILE_CO;

    // Uniform per workgroup: no lane leaves before the broadcasts.
    var tile = linear_workgroup(workgroup, grid);
    let piece = tile % n_piece_tiles * WORKGROUP + local_ix;
    tile /= n_piece_tiles;
    let phase_ix = tile % n_phases;
    tile /= n_phases;
    let co_tile = tile % n_co_tiles;
    tile /= n_co_tiles;
    let group = tile % params.groups;
    let n = tile / params.groups;
    if n >= params.batch {
        return;
    }

    let channels = params.c_in / params.groups;
    var taps = params.kernel_size.xy;
    let n_separate = select(1u, params.kernel_size.z, SEPARATE);
    var taps_of_group = taps.x * taps.y * n_separate * KERNEL_W;
    var stride = params.stride;
    var pad = vec3<i32>(params.pad_begin);
    var phase = Phase();
    if PHASED {
        phase = phase_frame(vec2<u32>(phase_ix / params.stride.y, phase_ix % params.stride.y));
        taps = phase.taps.xy;
        pad = phase.pad;
        stride = vec3<u32>(1u);
        taps_of_group = most_taps().x * most_taps().y * KERNEL_W;
    }
    let co = group * co_per_group + co_tile * TILE_CO;
    let n_co = min(co_per_group - co_tile * TILE_CO, TILE_CO);
    // Packed weights, in vec4s: a channel, a tap.
    let channel_length = n_co_tiles * (TILE_CO / 4u);
    let tap_length = (channels + STEP - 1u) / STEP * STEP * channel_length;
    // Each lane loads those of one channel of a chunk.
    let weights = (group * n_phases + phase_ix) * taps_of_group * tap_length
        + subgroup_lane % STEP * channel_length
        + co_tile * (TILE_CO / 4u);

    let position = unravel(min(piece, n_pieces - 1u), vec3<u32>(extent.xy, n_runs));
    var residue = position.z / longer;
    var run = position.z % longer;
    if position.z >= n_longer * longer {
        let behind = position.z - n_longer * longer;
        residue = n_longer + behind / max(shorter, 1u);
        run = behind % max(shorter, 1u);
    }
    let first_column = run * WIDTH * dilation + residue;
    let origin = vec3<i32>(vec3<u32>(position.xy, first_column) * stride) - pad;
    let distance = i32(select(STRIDE_W * dilation, stride.z, SEPARATE));
    let shared_place = place_columns(origin.z, distance);
    let base = view_index(params.input, n, group * channels, vec3<u32>(0u));
    let input_extent = vec3<i32>(params.input_size);

    var sums = Sums();
    for (var kd = 0u; kd < taps.x; kd++) {
        for (var kh = 0u; kh < taps.y; kh++) {
            let d = padded_coordinate(origin.x + i32(kd * params.dilation.x), input_extent.x);
            let h = padded_coordinate(origin.y + i32(kh * params.dilation.y), input_extent.y);
            let inside = d != OUTSIDE && h != OUTSIDE;
            for (var separate = 0u; separate < n_separate; separate++) {
                var place = shared_place;
                if SEPARATE {
                    place = place_columns(origin.z + i32(separate * params.dilation.z), distance);
                }
                // A row that hangs over reads the channel's first one and drops it.
                var row = base + select(0u, u32(d) * params.input.d + u32(h) * params.input.h, inside);
                var at = weights + ((kd * taps.y + kh) * n_separate + separate) * KERNEL_W * tap_length;
                for (var ci = 0u; ci < channels; ci += STEP) {
                    var spans = load_spans(channels - ci, row, place, inside);
                    if KERNEL_W <= WRITTEN_OUT {
                        add_next_tap(&sums, &spans, 0u, at);
                        if KERNEL_W > 1u { add_next_tap(&sums, &spans, 1u, at + tap_length); }
                        if KERNEL_W > 2u { add_next_tap(&sums, &spans, 2u, at + 2u * tap_length); }
                        if KERNEL_W > 3u { add_next_tap(&sums, &spans, 3u, at + 3u * tap_length); }
                        if KERNEL_W > 4u { add_next_tap(&sums, &spans, 4u, at + 4u * tap_length); }
                    } else {
                        // At stride 1 alone.
                        for (var kw = 0u; kw < KERNEL_W; kw++) {
                            add_tap(&sums, spans.even, at + kw * tap_length);
                            spans.even = move_on(spans.even);
                        }
                    }
                    row += STEP * params.input.c;
                    at += STEP * channel_length;
                }
            }
        }
    }
    if piece >= n_pieces {
        return;
    }
    for (var i = 0u; i < WIDTH; i++) {
        var p = vec3<u32>(position.xy, first_column + i * dilation);
        if PHASED {
            p = phase.start + p * params.stride;
        }
        // Other phases than the first may be smaller.
        if any(p >= params.output_size) {
            break;
        }
        write_quads(
            n, co, n_co, p,
            wide_column(sums.rows_0, i),
            wide_column(sums.rows_1, i),
            wide_column(sums.rows_2, i),
            wide_column(sums.rows_3, i),
            wide_column(sums.rows_4, i),
            wide_column(sums.rows_5, i),
            wide_column(sums.rows_6, i),
            wide_column(sums.rows_7, i),
        );
    }
}
