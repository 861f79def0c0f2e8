//! Identities that hold between operations, executed on the GPU with small integers, so that they hold exactly.

use crate::common::{integers, open};
use wgconv::gpu::Gpu;
use wgconv::{
    Conv, ConvTranspose, DeformConv2d, DepthwiseSeparable2d, Geometry, Im2col, Inputs, LocallyConnected2d, Options,
    Problem, SpatialSeparable2d, TensorName, candidates,
};

/// The output under every algorithm that applies; they must agree exactly.
fn run(gpu: &Gpu, problem: &Problem, inputs: &Inputs) -> Vec<f32> {
    let geometry = Geometry::new(problem).expect("valid");
    let mut outputs = candidates(&geometry, gpu.capabilities(), &Options::default())
        .into_iter()
        .filter(|candidate| candidate.verdict.is_ok())
        .map(|c| gpu.run(problem, &Options::default().algorithm(c.algorithm), inputs).expect("runs"));
    let first = outputs.next().expect("the always-correct kernel");
    for other in outputs {
        assert_eq!(first.output, other.output, "{} and {}", first.algorithm, other.algorithm);
    }
    first.output
}

fn inner(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

fn values(seed: u64, n: usize) -> Vec<f32> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..n).map(|_| rng.i32(-4..=4) as f32).collect()
}

#[test]
fn a_shifted_input_shifts_the_output() {
    let gpu = open();
    // Shift by two strides; compare away from the padded border.
    let (size, stride, shift) = (24, 2, 4);
    let problem: Problem = Conv::new(1, 3, [size, size], 5, [3, 3]).stride(stride).padding(1).into();
    let inputs = integers(&problem, 1);
    let mut shifted = inputs.clone();
    for c in 0..3 {
        for y in 0..size {
            for x in 0..size {
                let from = if y >= shift && x >= shift {
                    inputs[&TensorName::Input][(c * size + y - shift) * size + x - shift]
                } else {
                    7.0
                };
                shifted.get_mut(&TensorName::Input).expect("input")[(c * size + y) * size + x] = from;
            }
        }
    }
    let (before, after) = (run(&gpu, &problem, &inputs), run(&gpu, &problem, &shifted));
    let (out, moved) = (size / stride, shift / stride);
    let at = |data: &[f32], co: usize, y: usize, x: usize| data[(co * out + y) * out + x];
    for co in 0..5 {
        for y in moved + 1..out - 1 {
            for x in moved + 1..out - 1 {
                assert_eq!(at(&after, co, y, x), at(&before, co, y - moved, x - moved), "{co} {y} {x}");
            }
        }
    }
}

#[test]
fn the_transposed_convolution_is_the_adjoint() {
    let gpu = open();
    for (input, kernel, stride, padding, dilation, groups) in [
        ([9, 8], [3, 3], [1, 1], [[1, 1], [1, 1]], [1, 1], 1),
        ([9, 8], [3, 2], [2, 3], [[2, 0], [0, 1]], [1, 2], 2),
        ([11, 10], [4, 4], [3, 2], [[1, 2], [3, 0]], [2, 1], 3),
    ] {
        let (batch, c_in, c_out) = (2, 6, 12);
        let forward = Conv::new(batch, c_in, input, c_out, kernel)
            .stride(stride)
            .padding(padding)
            .dilation(dilation)
            .groups(groups);
        let forward: Problem = forward.into();
        let geometry = Geometry::new(&forward).expect("valid");
        let out = [geometry.output_shape()[2], geometry.output_shape()[3]];
        // What the strided windows leave over at the end comes back as output padding.
        let left_over = |axis: usize| {
            let reach = dilation[axis] * (kernel[axis] - 1) + 1;
            (input[axis] + padding[axis][0] + padding[axis][1] - reach) % stride[axis]
        };
        let adjoint: Problem = ConvTranspose::new(batch, c_out, out, c_in, kernel)
            .stride(stride)
            .padding(padding)
            .dilation(dilation)
            .groups(groups)
            .output_padding([left_over(0), left_over(1)])
            .into();
        let inputs = integers(&forward, 2);
        let y = values(3, geometry.output_shape().iter().product());
        let conv_x = run(&gpu, &forward, &inputs);
        let back =
            Inputs::from([(TensorName::Input, y.clone()), (TensorName::Weight, inputs[&TensorName::Weight].clone())]);
        let conv_t_y = run(&gpu, &adjoint, &back);
        assert_eq!(inner(&conv_x, &y), inner(&inputs[&TensorName::Input], &conv_t_y));
    }
}

#[test]
fn col2im_is_the_adjoint_of_im2col() {
    let gpu = open();
    let forward = Im2col::new(2, 3, [7, 8], [3, 2]).padding([[1, 2], [0, 1]]).dilation([2, 1]).stride([1, 2]);
    let backward = wgconv::Col2im {
        batch: 2,
        channels: 3,
        output: forward.input,
        kernel: forward.kernel,
        stride: forward.stride,
        padding: forward.padding,
        dilation: forward.dilation,
    };
    let (forward, backward): (Problem, Problem) = (forward.into(), backward.into());
    let (x, y) = (integers(&forward, 4), integers(&backward, 5));
    let left = inner(&run(&gpu, &forward, &x), &y[&TensorName::Input]);
    assert_eq!(left, inner(&x[&TensorName::Input], &run(&gpu, &backward, &y)));
}

#[test]
fn convolution_is_linear_in_input_and_weight() {
    let gpu = open();
    let problem: Problem = Conv::new(1, 4, [9, 7], 6, [3, 3]).groups(2).padding(1).into();
    let (a, b) = (integers(&problem, 6), integers(&problem, 7));
    let add = |x: &[f32], y: &[f32]| -> Vec<f32> { x.iter().zip(y).map(|(x, y)| x + y).collect() };
    for varied in [TensorName::Input, TensorName::Weight] {
        let mut other = a.clone();
        other.insert(varied, b[&varied].clone());
        let mut sum = a.clone();
        sum.insert(varied, add(&a[&varied], &b[&varied]));
        let separately = add(&run(&gpu, &problem, &a), &run(&gpu, &problem, &other));
        assert_eq!(run(&gpu, &problem, &sum), separately, "{varied}");
    }
}

#[test]
fn depthwise_then_pointwise_is_depthwise_separable() {
    let gpu = open();
    let whole: Problem = DepthwiseSeparable2d::new(2, 4, [9, 8], 7, [3, 3]).multiplier(2).padding(1).bias(true).into();
    let inputs = integers(&whole, 8);
    let depthwise: Problem = Conv::new(2, 4, [9, 8], 8, [3, 3]).groups(4).padding(1).into();
    let pointwise: Problem = Conv::new(2, 8, [9, 8], 7, [1, 1]).bias(true).into();
    let middle = run(
        &gpu,
        &depthwise,
        &Inputs::from([
            (TensorName::Input, inputs[&TensorName::Input].clone()),
            (TensorName::Weight, inputs[&TensorName::WeightDw].clone()),
        ]),
    );
    let staged = run(
        &gpu,
        &pointwise,
        &Inputs::from([
            (TensorName::Input, middle),
            (TensorName::Weight, inputs[&TensorName::WeightPw].clone()),
            (TensorName::Bias, inputs[&TensorName::Bias].clone()),
        ]),
    );
    assert_eq!(run(&gpu, &whole, &inputs), staged);
}

#[test]
fn a_spatially_separable_convolution_is_depthwise_with_the_outer_product() {
    let gpu = open();
    let separable: Problem = SpatialSeparable2d::new(1, 3, [9, 8], [3, 5]).padding([1, 2]).stride([2, 1]).into();
    let inputs = integers(&separable, 9);
    let mut weight = Vec::new();
    for c in 0..3 {
        for ky in 0..3 {
            for kx in 0..5 {
                weight.push(inputs[&TensorName::WeightV][c * 3 + ky] * inputs[&TensorName::WeightH][c * 5 + kx]);
            }
        }
    }
    let depthwise: Problem = Conv::new(1, 3, [9, 8], 3, [3, 5]).groups(3).padding([1, 2]).stride([2, 1]).into();
    let outer = Inputs::from([(TensorName::Input, inputs[&TensorName::Input].clone()), (TensorName::Weight, weight)]);
    assert_eq!(run(&gpu, &separable, &inputs), run(&gpu, &depthwise, &outer));
}

#[test]
fn zero_offsets_and_a_mask_of_ones_make_a_deformable_convolution_plain() {
    let gpu = open();
    for mask in [false, true] {
        let deformable: Problem = DeformConv2d::new(2, 6, [9, 8], 8, [3, 2])
            .groups(2)
            .offset_groups(3)
            .mask(mask)
            .stride([2, 1])
            .padding([[1, 0], [2, 1]])
            .dilation([1, 2])
            .into();
        let plain: Problem = Conv::new(2, 6, [9, 8], 8, [3, 2])
            .groups(2)
            .stride([2, 1])
            .padding([[1, 0], [2, 1]])
            .dilation([1, 2])
            .into();
        let mut inputs = integers(&deformable, 10);
        inputs.get_mut(&TensorName::Offset).expect("offset").fill(0.0);
        if let Some(mask) = inputs.get_mut(&TensorName::Mask) {
            mask.fill(1.0);
        }
        assert_eq!(run(&gpu, &deformable, &inputs), run(&gpu, &plain, &inputs));
    }
}

#[test]
fn whole_offsets_shift_the_taps() {
    let gpu = open();
    // Every tap moved by (1, 2): the same as a kernel on an input moved by (-1, -2), away from the border.
    let (h, w) = (10, 11);
    let problem: Problem = DeformConv2d::new(1, 2, [h, w], 3, [3, 3]).into();
    let mut inputs = integers(&problem, 11);
    let (oh, ow) = (h - 2, w - 2);
    let offset = inputs.get_mut(&TensorName::Offset).expect("offset");
    for (i, value) in offset.iter_mut().enumerate() {
        *value = if i / (oh * ow) % 2 == 0 { 1.0 } else { 2.0 };
    }
    let moved = run(&gpu, &problem, &inputs);
    let plain = run(&gpu, &Conv::new(1, 2, [h, w], 3, [3, 3]).into(), &inputs);
    for co in 0..3 {
        for y in 0..oh - 1 {
            for x in 0..ow - 2 {
                let (here, there) = ((co * oh + y) * ow + x, (co * oh + y + 1) * ow + x + 2);
                assert_eq!(moved[here], plain[there], "{co} {y} {x}");
            }
        }
    }
}

#[test]
fn dilation_is_a_kernel_stuffed_with_zeros() {
    let gpu = open();
    let (kernel, dilation) = ([3, 2], [2, 3]);
    let stuffed_kernel = [5, 4];
    let dilated: Problem = Conv::new(1, 3, [13, 12], 4, kernel).dilation(dilation).padding(2).into();
    let stuffed: Problem = Conv::new(1, 3, [13, 12], 4, stuffed_kernel).padding(2).into();
    let inputs = integers(&dilated, 12);
    let mut weight = vec![0.0; 4 * 3 * 5 * 4];
    for (i, &value) in inputs[&TensorName::Weight].iter().enumerate() {
        let (filter, ky, kx) = (i / 6, i / 2 % 3, i % 2);
        weight[(filter * 5 + ky * dilation[0]) * 4 + kx * dilation[1]] = value;
    }
    let other = Inputs::from([(TensorName::Input, inputs[&TensorName::Input].clone()), (TensorName::Weight, weight)]);
    assert_eq!(run(&gpu, &dilated, &inputs), run(&gpu, &stuffed, &other));
}

#[test]
fn a_flipped_kernel_is_the_textbook_convolution() {
    let gpu = open();
    let flipped: Problem = Conv::new(1, 2, [8, 7], 3, [3, 2]).flip_kernel(true).into();
    let plain: Problem = Conv::new(1, 2, [8, 7], 3, [3, 2]).into();
    let inputs = integers(&flipped, 13);
    let mut mirrored = inputs.clone();
    for filter in mirrored.get_mut(&TensorName::Weight).expect("weight").chunks_mut(6) {
        filter.reverse();
    }
    assert_eq!(run(&gpu, &flipped, &inputs), run(&gpu, &plain, &mirrored));
}

#[test]
fn the_phases_of_a_transposed_convolution_partition_its_output() {
    let gpu = open();
    // Ones everywhere: each output counts the (channel, tap, pixel) triples that reach it; together they are all of them.
    for (kernel, stride, dilation) in [([4, 4], [2, 2], [1, 1]), ([3, 5], [2, 3], [1, 2]), ([2, 3], [3, 4], [1, 2])] {
        let problem: Problem = ConvTranspose::new(1, 3, [5, 6], 2, kernel).stride(stride).dilation(dilation).into();
        let mut inputs = integers(&problem, 14);
        for data in inputs.values_mut() {
            data.fill(1.0);
        }
        let counted: f64 = run(&gpu, &problem, &inputs).iter().map(|&x| f64::from(x)).sum();
        assert_eq!(counted, (3 * 5 * 6 * 2 * kernel[0] * kernel[1]) as f64);
    }
}

#[test]
fn equal_weights_everywhere_make_a_locally_connected_layer_a_convolution() {
    let gpu = open();
    let local: Problem = LocallyConnected2d::new(2, 4, [7, 6], 6, [3, 2]).groups(2).padding(1).into();
    let plain: Problem = Conv::new(2, 4, [7, 6], 6, [3, 2]).groups(2).padding(1).into();
    let shared = integers(&plain, 15);
    let positions = Geometry::new(&plain).expect("valid").output_shape()[2..].iter().product();
    let repeated = Inputs::from([
        (TensorName::Input, shared[&TensorName::Input].clone()),
        (TensorName::Weight, shared[&TensorName::Weight].repeat(positions)),
    ]);
    assert_eq!(run(&gpu, &local, &repeated), run(&gpu, &plain, &shared));
}
