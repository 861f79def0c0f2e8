// needs: nothing
// The taps of a window that lie within low..high on one axis: a run first..end, empty where end <= first. With DILATED
// false the dilation of that axis is 1, and no division is needed.

fn taps_before(limit: i32, origin: i32, dilation: u32) -> u32 {
    let distance = u32(max(limit - origin, 0));
    if DILATED {
        return (distance + dilation - 1u) / dilation;
    }
    return distance;
}

fn tap_range(origin: i32, low: i32, high: i32, dilation: u32, kernel: u32) -> vec2<u32> {
    return vec2<u32>(taps_before(low, origin, dilation), min(taps_before(high, origin, dilation), kernel));
}

fn range_length(range: vec2<u32>) -> u32 {
    return max(range.y, range.x) - range.x;
}
