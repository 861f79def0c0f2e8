// The windows that an element lies in, per axis: candidates first..=last, of which those count whose distance from the
// element is a multiple of the dilation.

struct WindowRange {
    first: vec3<i32>,
    last: vec3<i32>,
}

fn windows_of(pixel: vec3<u32>) -> WindowRange {
    let anchor = vec3<i32>(pixel + params.pad_begin);
    let stride = vec3<i32>(params.stride);
    let reach = vec3<i32>((params.kernel_size - 1u) * params.dilation);
    // Rounds up; nothing lies before window 0.
    let start = vec3<u32>(max(anchor - reach, vec3<i32>(0)));
    // The sum exceeds 31 bits.
    let first = vec3<i32>((start + params.stride - 1u) / params.stride);
    let last = min(anchor / stride, vec3<i32>(params.output_size) - 1);
    return WindowRange(first, last);
}

// Whether a tap of window `o` falls on the element.
fn window_touches(o: vec3<i32>, pixel: vec3<u32>) -> bool {
    let distance = vec3<i32>(pixel + params.pad_begin) - o * vec3<i32>(params.stride);
    return all(distance % vec3<i32>(params.dilation) == vec3<i32>(0));
}
