// needs: nothing
// The phases of a transposed convolution without dilation whose outputs lie in columns PHASE_W + multiples of the stride: each is a
// dense convolution at stride 1 with every stride-th tap. Wants window_params.

struct Phase {
    // The first output.
    start: vec3<u32>,
    // The first tap, and how many there are.
    first_tap: vec3<u32>,
    taps: vec3<u32>,
    // The padding of the dense convolution.
    pad: vec3<i32>,
}

fn phase_frame(phase: vec2<u32>) -> Phase {
    let start = vec3<u32>(phase, PHASE_W);
    let stride = params.stride;
    let first_tap = (start + params.pad_begin) % stride;
    let taps = (params.kernel_size - first_tap + stride - 1u) / stride;
    let pad = vec3<i32>(taps) - 1 - vec3<i32>((start + params.pad_begin) / stride);
    return Phase(start, first_tap, taps, pad);
}

// Taps of the phase that has the most, in depth and in height.
fn most_taps() -> vec2<u32> {
    return (params.kernel_size.xy + params.stride.xy - 1u) / params.stride.xy;
}
