// The uniform of every windowed kernel. `View` says where a tensor's elements lie in its binding, in elements; axes
// that a tensor lacks have stride 0. Sizes are [d, h, w] with leading ones for 1d and 2d operations.

struct View {
    base: u32,
    n: u32,
    c: u32,
    d: u32,
    h: u32,
    w: u32,
    reserved0: u32,
    reserved1: u32,
}

struct WindowParams {
    input: View,
    output: View,
    residual: View,
    offset: View,
    mask: View,
    indices: View,
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
    // pad value, exponent of lp pooling
    value: f32,
    // block of a shuffle, divisor of average pooling
    count: u32,
}

@group(0) @binding(0) var<uniform> params: WindowParams;

fn view_index(view: View, n: u32, c: u32, p: vec3<u32>) -> u32 {
    return view.base + n * view.n + c * view.c + p.x * view.d + p.y * view.h + p.z * view.w;
}
