// needs: view window_params grid lane_channels lane_place lane_tile phase_taps
// output[n,co,o] = epilogue(sum_{ci,k : k*dilation = o + pad (mod stride)} input[n, ci, (o + pad - k*dilation) / stride] * weight[ci, co mod OPG, k])
//
// The phases of `conv_transpose_phases`, each a dense convolution over the input with its own part of the kernel, by the
// register tiles of `conv_subgroup`: one invocation computes TILE_CO output channels x 4 outputs of a phase, and each lane of
// a subgroup loads the weights of another input channel, STEP channels at once. A workgroup stays in one phase. At
// stride 1 there is one, and this is the convolution with the turned kernel. The part lane_tile has the main.
// Dispatch: batch * groups * ceil(OPG / TILE_CO) * prod(stride) * ceil(prod(ceil(out / stride)) / (4 * WORKGROUP)), folded.
// Prelude: WORKGROUP, FLIP_KERNEL, STEP (4 or 8, no more than a subgroup has lanes), TILE_CO (multiple of 4 up to 32).

@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

fn n_phases() -> u32 {
    return params.stride.x * params.stride.y * params.stride.z;
}

// Extents of a phase.
fn lattice() -> vec3<u32> {
    return (params.output_size + params.stride - 1u) / params.stride;
}

fn n_positions() -> u32 {
    let size = lattice();
    return size.x * size.y * size.z;
}

fn phase_start(tile: LaneTile) -> vec3<u32> {
    return unravel(tile.phase, params.stride);
}

fn output_at(tile: LaneTile, position: u32) -> vec3<u32> {
    return unravel(position, lattice()) * params.stride + phase_start(tile);
}

fn n_taps() -> u32 {
    return params.kernel_size.x * params.kernel_size.y * params.kernel_size.z;
}

// Rows are output channels, of which every input channel of the weight has its own.
fn row_pitch() -> u32 {
    return n_taps();
}

fn channel_pitch() -> u32 {
    return params.c_out / params.groups * n_taps();
}

fn first_row(tile: LaneTile) -> u32 {
    return tile.group * (params.c_in / params.groups) * channel_pitch() + tile.first_co * n_taps();
}

// What an output reads whose first tap reads `newest`, so many inputs before that.
fn source(base: u32, newest: vec3<i32>, before: vec3<i32>) -> Source {
    let p = bitcast<vec3<u32>>(newest - before);
    let inside = all(p < params.input_size);
    let ix = base + p.x * params.input.d + p.y * params.input.h + p.z * params.input.w;
    // An output that hangs over reads the channel's first element and drops it.
    return Source(select(base, ix, inside), inside);
}

// A tap of the phase.
struct Tap {
    k: vec3<u32>,
    first: vec3<u32>,
    // Inputs between what the first tap reads and what this one does.
    before: vec3<i32>,
}

fn begin_taps(tile: LaneTile) -> Tap {
    let first = first_taps(phase_start(tile));
    return Tap(first, first, vec3<i32>(0));
}

// A phase may have none.
fn has_tap(tile: LaneTile, tap: Tap) -> bool {
    return all(tap.k < params.kernel_size);
}

fn next_tap(tile: LaneTile, tap: Tap) -> Tap {
    let step = tap_steps();
    let input_step = vec3<i32>(params.dilation / (params.stride / step));
    var next = tap;
    next.k.z += step.z;
    next.before.z += input_step.z;
    if next.k.z >= params.kernel_size.z {
        next.k.z = tap.first.z;
        next.before.z = 0;
        next.k.y += step.y;
        next.before.y += input_step.y;
    }
    if next.k.y >= params.kernel_size.y {
        next.k.y = tap.first.y;
        next.before.y = 0;
        next.k.x += step.x;
        next.before.x += input_step.x;
    }
    return next;
}

fn n_products(tile: LaneTile, tap: Tap) -> u32 {
    return params.c_in / params.groups;
}

// What the first tap reads, and where the channels begin.
struct Frame {
    newest_0: vec3<i32>,
    newest_1: vec3<i32>,
    newest_2: vec3<i32>,
    newest_3: vec3<i32>,
    base: u32,
}

fn frame_at(tile: LaneTile, start: Tap, positions: vec4<u32>) -> Frame {
    // Exact where the tap exists: it was chosen so. The shift keeps what lies before the first input negative.
    let reach = vec3<i32>(phase_start(tile) + params.pad_begin) - vec3<i32>(start.first * params.dilation);
    let shift = reach / vec3<i32>(params.stride);
    let size = lattice();
    return Frame(
        vec3<i32>(unravel(positions.x, size)) + shift,
        vec3<i32>(unravel(positions.y, size)) + shift,
        vec3<i32>(unravel(positions.z, size)) + shift,
        vec3<i32>(unravel(positions.w, size)) + shift,
        view_index(params.input, tile.n, tile.group * (params.c_in / params.groups), vec3<u32>(0u)),
    );
}

fn reads_at(tile: LaneTile, frame: Frame, tap: Tap) -> Reads {
    var weight = (tap.k.x * params.kernel_size.y + tap.k.y) * params.kernel_size.z + tap.k.z;
    if FLIP_KERNEL {
        weight = n_taps() - 1u - weight;
    }
    return reads_from(
        source(frame.base, frame.newest_0, tap.before),
        source(frame.base, frame.newest_1, tap.before),
        source(frame.base, frame.newest_2, tap.before),
        source(frame.base, frame.newest_3, tap.before),
        weight,
        channel_pitch(),
    );
}
