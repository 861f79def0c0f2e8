// needs: nothing
// The windows that an element lies in, axis by axis: candidates first..=last, of which those count whose distance from the element is a
// multiple of the dilation. For a run of elements one behind the other, without a division for each.

struct WindowRun {
    // Of the element behind the padding.
    anchor: u32,
    // Candidates; the last one may not exist.
    first: u32,
    last: u32,
}

fn run_reach(axis: u32) -> u32 {
    return (params.kernel_size[axis] - 1u) * params.dilation[axis];
}

fn window_run(coordinate: u32, axis: u32) -> WindowRun {
    let anchor = coordinate + params.pad_begin[axis];
    let reach = run_reach(axis);
    let stride = params.stride[axis];
    let first = select(0u, (anchor - reach + stride - 1u) / stride, anchor > reach);
    return WindowRun(anchor, first, anchor / stride);
}

fn next_in_run(run: WindowRun, axis: u32) -> WindowRun {
    let anchor = run.anchor + 1u;
    let stride = params.stride[axis];
    let passed = anchor > run.first * stride + run_reach(axis);
    let reached = anchor == (run.last + 1u) * stride;
    return WindowRun(anchor, run.first + select(0u, 1u, passed), run.last + select(0u, 1u, reached));
}

// Whether a tap of window `o` falls on the element.
fn window_touches(o: vec3<i32>, pixel: vec3<u32>) -> bool {
    let distance = vec3<i32>(pixel + params.pad_begin) - o * vec3<i32>(params.stride);
    return all(distance % vec3<i32>(params.dilation) == vec3<i32>(0));
}
