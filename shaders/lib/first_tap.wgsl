// Smallest tap whose distance from `reach` is a multiple of the stride: the first that an output of a transposed window
// sees, of every step-th with step = stride / gcd(stride, dilation). The kernel's extent where it sees none, so that no loop
// over the kernel begins.

fn first_tap(reach: i32, dilation: u32, stride: u32, step: u32, kernel: u32) -> u32 {
    let end = min(step, kernel);
    // Without remainders of negative numbers, which GLSL leaves undefined.
    let distance = u32(abs(reach)) % stride;
    let wanted = select(distance, (stride - distance) % stride, reach < 0);
    var tap = 0u;
    while tap < end && (tap * dilation) % stride != wanted {
        tap++;
    }
    return select(kernel, tap, tap < end);
}
