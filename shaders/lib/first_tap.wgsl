// needs: nothing
// Smallest tap whose distance from `reach` is a multiple of the stride: the first that an output of a transposed window
// sees, of every step-th with step = stride / gcd(stride, dilation). The kernel's extent where it sees none, so that no loop
// over the kernel begins.

fn first_tap(reach: u32, dilation: u32, stride: u32, step: u32, kernel: u32) -> u32 {
    let end = min(step, kernel);
    // Not of the difference: GLSL leaves remainders of negative numbers undefined.
    let wanted = reach % stride;
    var tap = 0u;
    while tap < end && (tap * dilation) % stride != wanted {
        tap++;
    }
    return select(kernel, tap, tap < end);
}
