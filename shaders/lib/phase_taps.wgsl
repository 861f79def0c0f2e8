// needs: first_tap
// The taps of one phase of a transposed convolution: every step-th of each axis from a first one on. Wants the part first_tap.

fn tap_steps() -> vec3<u32> {
    return vec3<u32>(params.tap_step_d, params.tap_step_h, params.tap_step_w);
}

// First taps of the phase of the outputs start + multiples of the stride; the kernel's extent where it has none.
fn first_taps(start: vec3<u32>) -> vec3<u32> {
    let phase = (start + params.pad_begin) % params.stride;
    let kernel = params.kernel_size;
    return vec3<u32>(
        first_tap(phase.x, params.dilation.x, params.stride.x, params.tap_step_d, kernel.x),
        first_tap(phase.y, params.dilation.y, params.stride.y, params.tap_step_h, kernel.y),
        first_tap(phase.z, params.dilation.z, params.stride.z, params.tap_step_w, kernel.z),
    );
}
