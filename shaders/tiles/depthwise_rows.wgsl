// needs: view grid
// The main of `conv2d_depthwise_rows` and `conv2d_depthwise_rows_vec4`. One invocation walks down a strip of TILE_Y output rows, four
// neighbouring columns wide, with the whole filter in registers. It loads every input row once, adds it to the sums of all
// rows of the output that see it, stores the sum that is complete, and moves the others on. Rows of the output whose windows
// share input rows are `spread` apart, input rows the dilation apart, PER_STEP of them from one output row to the next.
// The kernel reads and writes rows: it defines `load_row` and `write_sums`. Constants of the prelude: WORKGROUP, FLIP_KERNEL,
// KERNEL_H and KERNEL_W (up to 7), STRIDE_W (1 or 2), DILATION_W, PAD_W (up to 4), PER_STEP (1 or 2), TILE_Y.

// Rows of the output that are summed at a time.
const LIVE: u32 = (KERNEL_H + PER_STEP - 1u) / PER_STEP;
// Elements that windows want to the right of the STRIDE_W vec4s in the middle.
const RIGHT: i32 = i32((KERNEL_W - 1u) * DILATION_W) - i32(PAD_W) - i32(STRIDE_W) + 1;

// Columns -4 to 11 of a row, counted from the first column of the output times the stride.
struct Row {
    before: vec4<f32>,
    first: vec4<f32>,
    second: vec4<f32>,
    third: vec4<f32>,
}

// What each column of the filter meets in four neighbouring windows.
struct Columns {
    c0: vec4<f32>,
    c1: vec4<f32>,
    c2: vec4<f32>,
    c3: vec4<f32>,
    c4: vec4<f32>,
    c5: vec4<f32>,
    c6: vec4<f32>,
}

// A row of the filter.
struct Taps {
    low: vec4<f32>,
    high: vec4<f32>,
}

struct Filter {
    row_0: Taps,
    row_1: Taps,
    row_2: Taps,
    row_3: Taps,
    row_4: Taps,
    row_5: Taps,
    row_6: Taps,
}

// Of the output row that has seen one step, of the one above it, and so on.
struct Sums {
    sum_0: vec4<f32>,
    sum_1: vec4<f32>,
    sum_2: vec4<f32>,
    sum_3: vec4<f32>,
    sum_4: vec4<f32>,
    sum_5: vec4<f32>,
    sum_6: vec4<f32>,
}

fn load_tap(first: u32, kh: u32, kw: u32) -> f32 {
    var value = 0.0;
    if kh < KERNEL_H && kw < KERNEL_W {
        var tap = kh * KERNEL_W + kw;
        if FLIP_KERNEL {
            tap = KERNEL_H * KERNEL_W - 1u - tap;
        }
        value = load_weight(first + tap);
    }
    return value;
}

fn load_taps(first: u32, kh: u32) -> Taps {
    return Taps(
        vec4<f32>(load_tap(first, kh, 0u), load_tap(first, kh, 1u), load_tap(first, kh, 2u), load_tap(first, kh, 3u)),
        vec4<f32>(load_tap(first, kh, 4u), load_tap(first, kh, 5u), load_tap(first, kh, 6u), 0.0),
    );
}

fn quad_of(row: Row, i: u32) -> vec4<f32> {
    return select(select(row.before, row.first, i == 1u), select(row.second, row.third, i == 3u), i >= 2u);
}

// What column kw of the filter meets. Its argument is constant wherever it is called.
fn column(row: Row, kw: u32) -> vec4<f32> {
    let at = 4u + kw * DILATION_W - PAD_W;
    let a = quad_of(row, at / 4u);
    let b = quad_of(row, at / 4u + 1u);
    let shift = at % 4u;
    if STRIDE_W == 1u {
        let by_one = select(a, vec4<f32>(a.yzw, b.x), shift == 1u);
        let by_more = select(vec4<f32>(a.zw, b.xy), vec4<f32>(a.w, b.xyz), shift == 3u);
        return select(by_one, by_more, shift >= 2u);
    }
    let c = quad_of(row, at / 4u + 2u);
    let by_one = select(vec4<f32>(a.xz, b.xz), vec4<f32>(a.yw, b.yw), shift == 1u);
    let by_more = select(vec4<f32>(a.z, b.xz, c.x), vec4<f32>(a.w, b.yw, c.y), shift == 3u);
    return select(by_one, by_more, shift >= 2u);
}

fn columns(row: Row) -> Columns {
    let none = vec4<f32>();
    var c = Columns(column(row, 0u), none, none, none, none, none, none);
    if KERNEL_W > 1u { c.c1 = column(row, 1u); }
    if KERNEL_W > 2u { c.c2 = column(row, 2u); }
    if KERNEL_W > 3u { c.c3 = column(row, 3u); }
    if KERNEL_W > 4u { c.c4 = column(row, 4u); }
    if KERNEL_W > 5u { c.c5 = column(row, 5u); }
    if KERNEL_W > 6u { c.c6 = column(row, 6u); }
    return c;
}

fn add(sum: vec4<f32>, c: Columns, taps: Taps) -> vec4<f32> {
    var next = sum + c.c0 * taps.low.x;
    if KERNEL_W > 1u { next += c.c1 * taps.low.y; }
    if KERNEL_W > 2u { next += c.c2 * taps.low.z; }
    if KERNEL_W > 3u { next += c.c3 * taps.low.w; }
    if KERNEL_W > 4u { next += c.c4 * taps.high.x; }
    if KERNEL_W > 5u { next += c.c5 * taps.high.y; }
    if KERNEL_W > 6u { next += c.c6 * taps.high.z; }
    return next;
}

// Adds an input row to the sums of every output row that sees it, each by its row of the filter, `count` of them.
fn add_row(sums: Sums, c: Columns, filter_rows: Filter, count: u32) -> Sums {
    var next = sums;
    if count > 0u { next.sum_0 = add(sums.sum_0, c, filter_rows.row_0); }
    if count > 1u { next.sum_1 = add(sums.sum_1, c, filter_rows.row_1); }
    if count > 2u { next.sum_2 = add(sums.sum_2, c, filter_rows.row_2); }
    if count > 3u { next.sum_3 = add(sums.sum_3, c, filter_rows.row_3); }
    if count > 4u { next.sum_4 = add(sums.sum_4, c, filter_rows.row_4); }
    if count > 5u { next.sum_5 = add(sums.sum_5, c, filter_rows.row_5); }
    if count > 6u { next.sum_6 = add(sums.sum_6, c, filter_rows.row_6); }
    return next;
}

// The sum that has seen every row of the filter.
fn complete(s: Sums) -> vec4<f32> {
    if LIVE == 1u { return s.sum_0; }
    if LIVE == 2u { return s.sum_1; }
    if LIVE == 3u { return s.sum_2; }
    if LIVE == 4u { return s.sum_3; }
    if LIVE == 5u { return s.sum_4; }
    if LIVE == 6u { return s.sum_5; }
    return s.sum_6;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local_ix: u32,
) {
    let height = params.output_size.y;
    let n_quads = (params.output_size.z + 3u) / 4u;
    // Output rows of one strip are so far apart: their windows share input rows.
    let spread = max(params.dilation.y / params.stride.y, 1u);
    let n_strips = (height + spread * TILE_Y - 1u) / (spread * TILE_Y) * spread;
    var ix = linear_workgroup(workgroup, grid) * WORKGROUP + local_ix;
    let quad = ix % n_quads;
    ix /= n_quads;
    let strip = ix % n_strips;
    ix /= n_strips;
    let co = ix % params.c_out;
    let n = ix / params.c_out;
    if n >= params.batch {
        return;
    }
    let first_row = strip / spread * (spread * TILE_Y) + strip % spread;
    if first_row >= height {
        return;
    }
    let n_rows = min((height - first_row + spread - 1u) / spread, TILE_Y);

    let first_tap = co * KERNEL_H * KERNEL_W;
    let none = Taps(vec4<f32>(), vec4<f32>());
    let f = Filter(
        load_taps(first_tap, 0u),
        load_taps(first_tap, 1u),
        load_taps(first_tap, 2u),
        load_taps(first_tap, 3u),
        load_taps(first_tap, 4u),
        load_taps(first_tap, 5u),
        load_taps(first_tap, 6u),
    );
    var bias_of_channel = 0.0;
    if HAS_BIAS {
        bias_of_channel = load_bias(co);
    }
    let plane = view_index(params.input, n, co / (params.c_out / params.groups), vec3<u32>(0u));
    let dilation = i32(params.dilation.y);
    let zero = vec4<f32>();
    var s = Sums(zero, zero, zero, zero, zero, zero, zero);
    var y = i32(first_row * params.stride.y) - i32(params.pad_begin.y);
    for (var step = 0u; step < n_rows + LIVE - 1u; step++) {
        let row = load_row(plane, y, 4u * quad * STRIDE_W);
        if PER_STEP == 1u {
            s = add_row(s, columns(row), f, KERNEL_H);
        } else {
            let below = load_row(plane, y + dilation, 4u * quad * STRIDE_W);
            s = add_row(s, columns(row), Filter(f.row_0, f.row_2, f.row_4, f.row_6, none, none, none), LIVE);
            s = add_row(s, columns(below), Filter(f.row_1, f.row_3, f.row_5, none, none, none, none), KERNEL_H / 2u);
        }
        y += i32(PER_STEP) * dilation;
        if step + 1u >= LIVE {
            let oy = first_row + (step + 1u - LIVE) * spread;
            write_sums(n, co, vec3<u32>(0u, oy, 4u * quad), complete(s) + bias_of_channel);
        }
        s = Sums(zero, s.sum_0, s.sum_1, s.sum_2, s.sum_3, s.sum_4, s.sum_5);
    }
}
