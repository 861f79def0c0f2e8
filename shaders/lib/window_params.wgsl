// needs: view
// The uniform of every windowed kernel. Sizes are [d, h, w] with leading ones for 1d and 2d operations.

struct WindowParams {
    input: View,
    output: View,
    residual: View,
    offset: View,
    mask: View,
    indices: View,
    grad_output: View,
    grad_input: View,
    grad_offset: View,
    grad_mask: View,
    // (c_in * taps, positions) of every image
    columns: View,
    grad_columns: View,
    // Winograd's filters, patches or products: n is the stride of points, c of channels; of filters w is the stride of input
    // channels, d of groups
    points: View,
    input_size: vec3<u32>,
    batch: u32,
    output_size: vec3<u32>,
    c_in: u32,
    kernel_size: vec3<u32>,
    c_out: u32,
    stride: vec3<u32>,
    groups: u32,
    dilation: vec3<u32>,
    offset_groups: u32,
    pad_begin: vec3<u32>,
    activation: u32,
    pad_end: vec3<u32>,
    has_bias: u32,
    has_residual: u32,
    slope: f32,
    // what max pooling takes for padding
    pad_value: f32,
    // of lp pooling
    exponent: f32,
    // of a shuffle
    block: u32,
    // of average pooling; 0 where the taps are counted
    divisor: u32,
    // how many partial sums an output has
    slices: u32,
    // length of the part of a sum that one of them takes: in products, items or panels of the kernel
    slice: u32,
    // factor of what the result's buffer held before
    beta: f32,
    // stride / gcd(stride, dilation): distance of the taps that one output of a transposed window sees
    tap_step_d: u32,
    tap_step_h: u32,
    tap_step_w: u32,
}

@group(0) @binding(0) var<uniform> params: WindowParams;
