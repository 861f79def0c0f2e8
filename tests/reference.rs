//! The oracles against small cases computed by hand.
#![cfg(feature = "reference")]

use wgconv::reference::{Inputs, activate, bilinear, bilinear_corners, run};
use wgconv::{
    Activation, Col2im, Conv, ConvTranspose, DeformConv2d, DepthToSpace, DepthwiseSeparable2d, Error, Im2col,
    LocallyConnected2d, PaddingMode, Pool, PoolMode, Problem, ShuffleOrder, SpaceToDepth, SpatialSeparable2d,
    TensorName,
};

use TensorName::{Bias, Input, Mask, Offset, Residual, Weight, WeightDw, WeightH, WeightPw, WeightV};

fn output<const N: usize>(problem: impl Into<Problem>, inputs: [(TensorName, Vec<f32>); N]) -> Vec<f64> {
    run(&problem.into(), &Inputs::from(inputs)).expect("a valid problem").output
}

/// 0, 1, 2, …
fn counting(n: usize) -> Vec<f32> {
    (0..n).map(|i| i as f32).collect()
}

fn close(got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance, "{got} instead of {want}");
    }
}

#[test]
fn conv1d_slides_without_flipping() {
    let signal = vec![0., 0., 1., 2., 3., 0., 0.];
    let conv = Conv::new(1, 1, [7], 1, [2]);
    let inputs = || [(Input, signal.clone()), (Weight, vec![1., -1.])];
    assert_eq!(output(conv.clone(), inputs()), [0., -1., -1., -1., 3., 0.]);
    assert_eq!(output(conv.clone().flip_kernel(true), inputs()), [0., 1., 1., 1., -3., 0.]);
    // Two zeros in front only, every second position: windows start at -2, 0, 2, 4.
    assert_eq!(output(conv.clone().padding([[2, 0]]).stride(2), inputs()), [0., 0., -1., 3.]);
    assert_eq!(output(conv.dilation(3), inputs()), [-2., -3., 1., 2.]);
}

#[test]
fn conv2d_of_one_window_is_a_dot_product() {
    let conv = Conv::new(1, 2, [2, 2], 1, [2, 2]);
    // 0·1 + 1·2 + … + 7·8
    assert_eq!(output(conv, [(Input, counting(8)), (Weight, (1..9).map(|i| i as f32).collect())]), [168.0]);
}

#[test]
fn conv2d_with_asymmetric_padding() {
    // Ones over [[0, 1], [2, 3]] with a row above and a column to the right.
    let conv = Conv::new(1, 1, [2, 2], 1, [2, 2]).padding([[1, 0], [0, 1]]);
    assert_eq!(output(conv, [(Input, counting(4)), (Weight, vec![1.; 4])]), [1., 1., 6., 4.]);
}

#[test]
fn conv2d_groups_see_their_own_channels() {
    let conv = Conv::new(1, 4, [1, 1], 2, [1, 1]).groups(2).bias(true);
    let inputs = [(Input, vec![1., 2., 3., 4.]), (Weight, vec![10., 100., 1000., 10000.]), (Bias, vec![0.5, 0.25])];
    assert_eq!(output(conv, inputs), [210.5, 43000.25]);
}

#[test]
fn conv3d_of_ones_counts_taps() {
    let conv = Conv::new(1, 1, [2, 3, 3], 1, [2, 3, 3]).padding([0, 1, 1]);
    let want = [8., 12., 8., 12., 18., 12., 8., 12., 8.];
    assert_eq!(output(conv, [(Input, vec![1.; 18]), (Weight, vec![1.; 18])]), want);
}

#[test]
fn padding_modes_read_what_their_names_say() {
    // A window of one tap with padding shows the padded signal itself.
    let padded = |mode| {
        let conv = Conv::new(1, 1, [4], 1, [1]).padding([[2, 3]]).padding_mode(mode);
        output(conv, [(Input, vec![1., 2., 3., 4.]), (Weight, vec![1.])])
    };
    assert_eq!(padded(PaddingMode::Zeros), [0., 0., 1., 2., 3., 4., 0., 0., 0.]);
    assert_eq!(padded(PaddingMode::Reflect), [3., 2., 1., 2., 3., 4., 3., 2., 1.]);
    assert_eq!(padded(PaddingMode::Replicate), [1., 1., 1., 2., 3., 4., 4., 4., 4.]);
    assert_eq!(padded(PaddingMode::Circular), [3., 4., 1., 2., 3., 4., 1., 2., 3.]);
}

#[test]
fn conv_transpose_adds_scaled_kernels() {
    let up = ConvTranspose::new(1, 1, [2], 1, [3]).stride(2);
    let inputs = || [(Input, vec![1., 2.]), (Weight, vec![1., 10., 100.])];
    assert_eq!(output(up.clone(), inputs()), [1., 10., 102., 20., 200.]);
    assert_eq!(output(up.clone().flip_kernel(true), inputs()), [100., 10., 201., 20., 2.]);
    assert_eq!(output(up.clone().padding([[1, 2]]), inputs()), [10., 102.]);
    assert_eq!(output(up.clone().output_padding(1), inputs()), [1., 10., 102., 20., 200., 0.]);
    // The added position lies within the reach of the kernel when the end is cropped by more.
    assert_eq!(output(up.clone().padding([[0, 2]]).output_padding(1), inputs()), [1., 10., 102., 20.]);
    assert_eq!(output(up.dilation(2), inputs()), [1., 0., 12., 0., 120., 0., 200.]);
}

#[test]
fn conv_transpose_groups_and_weight_layout() {
    // Weight (c_in, c_out/groups): input 0 feeds outputs 0 and 1, input 1 feeds 2 and 3.
    let up = ConvTranspose::new(1, 2, [1], 4, [1]).groups(2).bias(true);
    let inputs = [(Input, vec![1., 2.]), (Weight, vec![3., 5., 7., 11.]), (Bias, vec![0., 0., 0., 100.])];
    assert_eq!(output(up, inputs), [3., 5., 14., 122.]);
    let up = ConvTranspose::new(1, 2, [1, 1], 1, [2, 2]);
    let inputs = [(Input, vec![1., 2.]), (Weight, counting(8))];
    assert_eq!(output(up, inputs), [8., 11., 14., 17.]);
}

#[test]
fn bilinear_weights_and_borders() {
    let corners = bilinear_corners(2.3, 1.7);
    close(&corners.map(|corner| corner.weight), &[0.21, 0.49, 0.09, 0.21], 1e-12);
    assert_eq!(corners.map(|corner| (corner.y, corner.x)), [(2, 1), (2, 2), (3, 1), (3, 2)]);
    let plane = [1., 2., 3., 4.];
    let at = |y, x| bilinear(&plane, 2, 2, y, x);
    assert_eq!(at(0.5, 0.5), 2.5);
    assert_eq!(at(1.0, 1.0), 4.0);
    // Half of the weight falls outside.
    assert_eq!(at(-0.5, 0.0), 0.5);
    assert_eq!(at(1.5, 1.5), 1.0);
    for outside in [-1.0, 2.0, 1e30, -1e30, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!((at(outside, 0.0), at(0.0, outside)), (0.0, 0.0), "{outside}");
    }
}

#[test]
fn deform_conv2d_samples_where_the_offsets_say() {
    let deform = DeformConv2d::new(1, 1, [2, 3], 1, [1, 2]);
    // Tap j of output (y, x) reads (y, x + j) plus its offset. Channels: tap 0 y, tap 0 x, tap 1 y, tap 1 x.
    let offsets = [[0.5, 0., 0., 0.], [0., 0.25, 0., 0.], [0., 0., -1., 0.], [0., 0., 0., f32::NAN]].concat();
    let inputs = [(Input, vec![1., 2., 4., 8., 16., 32.]), (Weight, vec![1., 100.]), (Offset, offsets)];
    let want = [
        4.5 + 100. * 2., // (0.5, 0) is halfway between 1 and 8
        2.5 + 100. * 4., // (0, 1.25) is a quarter of the way from 2 to 4
        8. + 100. * 2.,  // tap 1 moves up a row
        16.,             // tap 1 has no sampling point
    ];
    assert_eq!(output(deform.clone(), inputs.clone()), want);

    let masked = [inputs.to_vec(), vec![(Mask, [vec![2.; 4], vec![0.5; 4]].concat())]].concat();
    let outcome = run(&deform.mask(true).into(), &Inputs::from_iter(masked)).expect("a valid problem");
    assert_eq!(outcome.output, [9. + 100., 5. + 200., 16. + 100., 32.]);
    assert_eq!(outcome.terms, 2);
}

#[test]
fn deform_conv2d_groups_are_independent() {
    // Two weight groups, one offset group that moves both channels; then one weight group, two offset groups.
    let x = vec![1., 2., 3., 4.];
    let shift_x = [vec![0.; 2], vec![1.; 2]].concat();
    let deform = DeformConv2d::new(1, 2, [1, 2], 2, [1, 1]).groups(2);
    let inputs = [(Input, x.clone()), (Weight, vec![1., 10.]), (Offset, shift_x.clone())];
    assert_eq!(output(deform, inputs), [2., 0., 40., 0.]);
    let deform = DeformConv2d::new(1, 2, [1, 2], 1, [1, 1]).offset_groups(2).bias(true);
    let inputs = [(Input, x), (Weight, vec![1., 10.]), (Offset, [vec![0.; 4], shift_x].concat()), (Bias, vec![0.5])];
    assert_eq!(output(deform, inputs), [41.5, 2.5]);
}

#[test]
fn locally_connected_weights_belong_to_positions() {
    let local = LocallyConnected2d::new(1, 1, [1, 3], 2, [1, 2]).bias(true);
    // Weight (1, 2, 2, 1, 1, 2): position, output channel, tap. Bias (2, 1, 2).
    let weight = vec![1., 0., 0., 1., 2., 2., 10., 20.];
    let inputs = [(Input, vec![1., 2., 3.]), (Weight, weight), (Bias, vec![0.1, 0.2, 0.3, 0.4])];
    close(&output(local, inputs), &[1.1, 10.2, 2.3, 80.4], 1e-6);
}

#[test]
fn separable_convolutions() {
    let separable = SpatialSeparable2d::new(1, 1, [3, 3], [3, 3]).padding(1);
    let inputs = [
        (Input, vec![0., 0., 0., 0., 1., 0., 0., 0., 0.]),
        (WeightV, vec![1., 2., 3.]),
        (WeightH, vec![1., 10., 100.]),
    ];
    assert_eq!(output(separable, inputs), [300., 30., 3., 200., 20., 2., 100., 10., 1.]);
    let separable = DepthwiseSeparable2d::new(1, 1, [1, 3], 2, [1, 2]).multiplier(2).bias(true);
    let inputs = [
        (Input, vec![1., 2., 3.]),
        (WeightDw, vec![1., 0., 1., 1.]), // the left element, the sum
        (WeightPw, vec![1., 10., 100., 1000.]),
        (Bias, vec![0., 0.5]),
    ];
    assert_eq!(output(separable, inputs), [31., 52., 3100.5, 5200.5]);
}

fn max_indices(pool: Pool, input: Vec<f32>) -> (Vec<f64>, Vec<u32>) {
    let outcome = run(&pool.into(), &Inputs::from([(Input, input)])).expect("a valid problem");
    (outcome.output, outcome.indices.expect("indices were asked for"))
}

#[test]
fn max_pool_takes_the_first_of_equals_and_the_first_nan() {
    let mode = PoolMode::Max { pad_value: None, indices: true };
    let pool = Pool::max(1, 1, [6], [3]).mode(mode).stride(1);
    assert_eq!(max_indices(pool.clone(), vec![5., 5., 1., 7., 7., 7.]), (vec![5., 7., 7., 7.], vec![0, 3, 3, 3]));
    let (values, at) = max_indices(pool.clone(), vec![1., f32::NAN, 9., f32::NAN, 0., 0.]);
    assert!(values.iter().all(|x| x.is_nan()));
    assert_eq!(at, [1, 1, 3, 3]);
    assert_eq!(max_indices(pool, vec![f32::NEG_INFINITY; 6]).1, [0, 1, 2, 3]);
}

#[test]
fn max_pool_padding_is_minus_infinity_or_competes() {
    let pool = Pool::max(1, 1, [2, 2], [2, 2]).padding(1);
    let x = vec![0., 0.5, 0.5, -1.];
    let none = PoolMode::Max { pad_value: None, indices: true };
    assert_eq!(max_indices(pool.clone().mode(none), x.clone()), (vec![0., 0.5, 0.5, -1.], vec![0, 1, 2, 3]));
    // The zero in the padding comes first in scan order and is not less than the element.
    let zero = PoolMode::Max { pad_value: Some(0.0), indices: true };
    assert_eq!(max_indices(pool.mode(zero), x), (vec![0., 0.5, 0.5, 0.], vec![u32::MAX, 1, 2, u32::MAX]));
}

#[test]
fn pooling_rounds_up_on_request() {
    let pool = Pool::max(1, 1, [5], [2]).mode(PoolMode::Max { pad_value: None, indices: true });
    assert_eq!(max_indices(pool.clone(), counting(5)).0, [1., 3.]);
    assert_eq!(max_indices(pool.clone().ceil_mode(true), counting(5)), (vec![1., 3., 4.], vec![1, 3, 4]));
    // A third window would start at 4 = input + padding_begin: dropped.
    let dropped = Pool::max(1, 1, [3], [2]).stride(2).padding([[1, 1]]).ceil_mode(true);
    assert_eq!(output(dropped, [(Input, counting(3))]), [0., 2.]);
}

#[test]
fn a_window_may_reach_beyond_the_whole_input() {
    let square = || vec![1., 2., 3., 4.];
    let wide = Pool::max(1, 1, [2, 2], [3, 3]).stride(2).ceil_mode(true);
    let indices = PoolMode::Max { pad_value: None, indices: true };
    assert_eq!(max_indices(wide.clone().mode(indices), square()), (vec![4.], vec![3]));
    // The overhang does not compete.
    let positive = PoolMode::Max { pad_value: Some(9.0), indices: true };
    assert_eq!(max_indices(wide.clone().mode(positive), square()), (vec![4.], vec![3]));
    let average = |count_include_pad, divisor_override| PoolMode::Average { count_include_pad, divisor_override };
    for (mode, mean) in [(average(true, None), 2.5), (average(false, None), 2.5), (average(true, Some(5)), 2.0)] {
        assert_eq!(output(wide.clone().mode(mode), [(Input, square())]), [mean]);
    }
    close(&output(wide.clone().mode(PoolMode::Lp { p: 2.0 }), [(Input, square())]), &[30_f64.sqrt()], 1e-12);
    // With a row of padding above, which counts: 10 / (3 x 2).
    let padded = Pool::average(1, 1, [2, 2], [5, 4]).stride(3).padding([[1, 0], [0, 0]]).ceil_mode(true);
    assert_eq!(output(padded, [(Input, square())]), [10.0 / 6.0]);
    // However far.
    let far = Pool::max(1, 1, [2], [i32::MAX as usize]).ceil_mode(true);
    assert_eq!(output(far.clone(), [(Input, vec![3., 5.])]), [5.]);
    assert_eq!(output(far.mode(average(true, None)), [(Input, vec![3., 5.])]), [4.]);
    // A dilated window may step over the input: the maximum of nothing, at no position.
    let over = Pool::max(1, 1, [1], [2]).dilation(2).padding(1).stride(1).mode(indices);
    assert_eq!(max_indices(over, vec![7.]), (vec![f64::NEG_INFINITY], vec![u32::MAX]));
}

#[test]
fn average_pool_divisors() {
    let pool = Pool::average(1, 1, [4], [3]).stride(3).padding([[1, 0]]).ceil_mode(true);
    let mode = |count_include_pad, divisor_override| PoolMode::Average { count_include_pad, divisor_override };
    let x = || [(Input, vec![3., 6., 12., 24.])];
    // Windows {pad, 3, 6}, {12, 24, overhang}: the padding counts, the overhang does not.
    assert_eq!(output(pool.clone(), x()), [3., 18.]);
    assert_eq!(output(pool.clone().mode(mode(false, None)), x()), [4.5, 18.]);
    assert_eq!(output(pool.mode(mode(true, Some(2))), x()), [4.5, 18.]);
}

#[test]
fn lp_and_global_pools() {
    close(&output(Pool::lp(1, 1, [2], [2], 2.0), [(Input, vec![-3., 4.])]), &[5.], 1e-12);
    close(&output(Pool::lp(1, 1, [2], [2], 1.0), [(Input, vec![-3., 4.])]), &[7.], 1e-12);
    close(&output(Pool::lp(1, 1, [2], [2], 3.0).padding(1), [(Input, vec![-2., 1.])]), &[2., 1.], 1e-12);
    let global = |mode| output(Pool::global(1, 2, [2, 2], mode), [(Input, counting(8))]);
    assert_eq!(global(PoolMode::Average { count_include_pad: true, divisor_override: None }), [1.5, 5.5]);
    assert_eq!(global(PoolMode::Max { pad_value: None, indices: false }), [3., 7.]);
}

#[test]
fn shuffles() {
    // Channel c holds the value c; 8 channels, block 2.
    let to_space = DepthToSpace::new(1, 8, [1, 1], 2);
    assert_eq!(output(to_space.clone(), [(Input, counting(8))]), [0., 1., 2., 3., 4., 5., 6., 7.]);
    assert_eq!(output(to_space.order(ShuffleOrder::Dcr), [(Input, counting(8))]), [0., 2., 4., 6., 1., 3., 5., 7.]);
    // Two channels of 2x2, values 0..8, become eight channels.
    let to_depth = SpaceToDepth::new(1, 2, [2, 2], 2);
    assert_eq!(output(to_depth.clone(), [(Input, counting(8))]), [0., 1., 2., 3., 4., 5., 6., 7.]);
    assert_eq!(output(to_depth.order(ShuffleOrder::Dcr), [(Input, counting(8))]), [0., 4., 1., 5., 2., 6., 3., 7.]);
}

#[test]
fn columns() {
    let unfold = Im2col::new(1, 1, [2, 3], [2, 2]).padding([[0, 0], [1, 0]]);
    let want = [
        [0., 0., 1.], // tap (0, 0) of the three windows
        [0., 1., 2.],
        [0., 3., 4.],
        [3., 4., 5.],
    ];
    assert_eq!(output(unfold, [(Input, counting(6))]), want.concat());
    let fold = Col2im::new(1, 1, [4], [3]).padding([[0, 1]]);
    // Columns {a0 b0 c0}, {a1 b1 c1}, {a2 b2 c2} at 0, 1, 2; c2 is cropped. Rows are taps.
    assert_eq!(output(fold, [(Input, vec![1., 2., 3., 10., 20., 30., 100., 200., 300.])]), [1., 12., 123., 230.]);
}

#[test]
fn activations() {
    let at = |activation, points: [f64; 4]| points.map(|x| activate(activation, x));
    let points = [-2.0, 0.5, 1.0, 7.0];
    assert_eq!(at(Activation::Identity, points), points);
    assert_eq!(at(Activation::Relu, points), [0., 0.5, 1., 7.]);
    assert_eq!(at(Activation::Relu6, points), [0., 0.5, 1., 6.]);
    assert_eq!(at(Activation::LeakyRelu { slope: 0.25 }, points), [-0.5, 0.5, 1., 7.]);
    close(&at(Activation::HardSwish, points), &[-1. / 3., 1.75 / 6., 2. / 3., 7.], 1e-15);
    // 1/(1 + e) = 0.26894…, Φ(1) = 0.84134…, Φ(-2) = 0.02275…
    close(&at(Activation::Silu, points)[2..3], &[0.731_058_578_630_004_9], 1e-15);
    close(&[activate(Activation::Gelu, 1.0)], &[0.841_344_746_068_542_9], 1e-15);
    close(&[activate(Activation::Gelu, -2.0)], &[-0.045_500_263_896_358_42], 1e-16);
    close(&[activate(Activation::GeluTanh, 1.0)], &[0.841_191_990_608_276_8], 1e-12);
    for activation in [Activation::Relu, Activation::Relu6, Activation::LeakyRelu { slope: 0.5 }, Activation::Silu] {
        assert!(activate(activation, f64::NAN).is_nan());
    }
}

#[test]
fn the_epilogue_adds_before_it_activates() {
    let conv = Conv::new(1, 1, [3], 1, [1]).bias(true).residual(true).activation(Activation::Relu);
    let inputs = [(Input, vec![1., 2., 3.]), (Weight, vec![-1.]), (Bias, vec![0.5]), (Residual, vec![1., 1., 3.])];
    let outcome = run(&conv.into(), &Inputs::from(inputs)).expect("a valid problem");
    assert_eq!(outcome.output, [0.5, 0., 0.5]);
    assert_eq!(outcome.magnitude, [2.5, 3.5, 6.5]);
    assert_eq!(outcome.terms, 3);
    // (K + 2)·u·magnitude, a trifle more for second-order terms and subnormals.
    let linear = 5.0 * 2.0_f64.powi(-24) * 6.5;
    assert!(linear < outcome.tolerance(2) && outcome.tolerance(2) < linear * (1.0 + 1e-6));
}

#[test]
fn wrong_inputs_are_errors() {
    let conv = Problem::from(Conv::new(1, 1, [4], 1, [2]).bias(true));
    let mut inputs = Inputs::from([(Input, vec![0.; 4]), (Weight, vec![0.; 3])]);
    let want = Error::Shape { tensor: Weight, got: vec![3], want: vec![1, 1, 2] };
    assert_eq!(run(&conv, &inputs), Err(want));
    inputs.insert(Weight, vec![0.; 2]);
    let message = run(&conv, &inputs).expect_err("the bias is missing").to_string();
    assert_eq!(message, "bias = nothing: the problem reads this tensor");
    let impossible = Problem::from(Conv::new(1, 1, [4], 1, [usize::MAX]));
    assert!(matches!(run(&impossible, &inputs), Err(Error::Invalid { .. })));
}
