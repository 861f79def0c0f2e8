//! Worked examples as textbooks, courses and quizzes set them, with answers that were checked independently.
#![cfg(feature = "reference")]

use wgconv::reference::{Inputs, bilinear_corners, run};
use wgconv::{
    Conv, ConvTranspose, DeformConv2d, DepthToSpace, DepthwiseSeparable2d, Geometry, LayerShape, LocallyConnected2d,
    Pool, PoolMode, Problem, SpatialSeparable2d, TensorName, convolution_matrix, deform_cost, factor_separable,
    offset_channels, overlap_counts, receptive_field, separable_cost,
};

fn geometry(problem: impl Into<Problem>) -> Geometry {
    Geometry::new(&problem.into()).expect("a valid problem")
}

fn output<const N: usize>(problem: impl Into<Problem>, inputs: [(TensorName, Vec<f32>); N]) -> Vec<f64> {
    run(&problem.into(), &Inputs::from(inputs)).expect("a valid problem").output
}

fn filter(input: &[f32], n: [usize; 2], kernel: &[f32], k: [usize; 2], flip: bool) -> Vec<f64> {
    let conv = Conv::new(1, 1, n, 1, k).flip_kernel(flip);
    output(conv, [(TensorName::Input, input.to_vec()), (TensorName::Weight, kernel.to_vec())])
}

fn parameters(c_in: usize, c_out: usize, kernel: [usize; 2], groups: usize, bias: bool) -> u64 {
    geometry(Conv::new(1, c_in, kernel, c_out, kernel).groups(groups).bias(bias)).parameters()
}

fn fully_connected(inputs: usize, outputs: usize) -> u64 {
    parameters(inputs, outputs, [1, 1], 1, false)
}

#[test]
fn output_extents() {
    for (input, kernel, stride, padding, dilation, out) in [
        (56, 3, 2, 1, 1, 28),
        (256, 7, 3, 0, 1, 84),
        (32, 3, 3, 2, 1, 12),
        (15, 3, 1, 0, 1, 13),
        (32, 7, 1, 3, 1, 32),
        (224, 7, 2, 3, 1, 112),
        (224, 7, 2, 3, 2, 109),
        (227, 11, 4, 0, 1, 55),
        (225, 11, 4, 0, 1, 54),
        (13, 3, 4, 0, 1, 3),
        (13, 3, 4, 1, 1, 4),
        (13, 1, 4, 0, 1, 4),
        (26, 7, 3, 1, 1, 8),
        (32, 5, 1, 0, 1, 28),
        (64, 4, 2, 1, 1, 32),
        (256, 11, 4, 5, 1, 64),
        (68, 5, 1, 0, 1, 64),
    ] {
        let conv = Conv::new(1, 1, [input], 1, [kernel]).stride(stride).padding(padding).dilation(dilation);
        assert_eq!(geometry(conv).output_shape(), [1, 1, out], "{input} by {kernel}");
    }
    // Pools of stride 2 take 68 by way of 64, 32, 28 to 14; with stride 1 it would end at 58.
    let extents = |stride: usize| {
        let conv = |n| geometry(Conv::new(1, 1, [n], 1, [5])).output_shape()[2];
        let pool = |n| geometry(Pool::max(1, 1, [n], [2]).stride(stride)).output_shape()[2];
        [conv(68), pool(conv(68)), conv(pool(conv(68))), pool(conv(pool(conv(68))))]
    };
    assert_eq!(extents(2), [64, 32, 28, 14]);
    assert_eq!(extents(1), [64, 63, 59, 58]);
    // Five filters over a colour image: 8 x 8 x 5.
    let conv = geometry(Conv::new(1, 3, [26, 26], 5, [7, 7]).stride(3).padding(1));
    assert_eq!(conv.output_shape(), [1, 5, 8, 8]);
    // N window positions at stride S leave floor((N - 1)/S) + 1, not N/S.
    assert_eq!((217 - 1) / 4 + 1, geometry(Conv::new(1, 1, [227], 1, [11]).stride(4)).output_shape()[2]);
    // Positions before and after: 51,529 and 3,025, a factor of 17.
    assert_eq!((227 * 227, 55 * 55, 227 * 227 / (55 * 55)), (51_529, 3_025, 17));
}

#[test]
fn transposed_extents() {
    let extent = |n, k, s, p| geometry(ConvTranspose::new(1, 1, [n], 1, [k]).stride(s).padding(p)).output_shape()[2];
    assert_eq!(extent(2, 2, 2, 0), 4);
    assert_eq!(extent(2, 3, 1, 0), 4);
    assert_eq!((0..4).fold(4, |n, _| extent(n, 4, 2, 1)), 64);
    assert_eq!(extent(4, 4, 2, 1), 8);
    // A convolution from 6 to 2 is not undone: 5 comes back unless one position is added.
    assert_eq!(geometry(Conv::new(1, 1, [6], 1, [3]).stride(2)).output_shape()[2], 2);
    assert_eq!(extent(2, 3, 2, 0), 5);
    let added = ConvTranspose::new(1, 1, [2], 1, [3]).stride(2).output_padding(1);
    assert_eq!(geometry(added).output_shape()[2], 6);
}

#[test]
fn parameter_counts() {
    for (c_in, c_out, kernel, bias, count) in [
        (64, 128, 3, true, 73_856),
        (64, 128, 3, false, 73_728),
        (3, 32, 7, false, 4_704),
        (256, 256, 5, false, 1_638_400),
        (3, 64, 3, false, 1_728),
        (3, 64, 3, true, 1_792),
        (3, 1, 11, false, 363),
        (3, 1, 11, true, 364),
        (3, 96, 11, false, 34_848),
        (3, 96, 11, true, 34_944),
        (128, 256, 3, false, 294_912),
        (3, 4, 5, false, 300),
        // In units of channels squared: two or three 3x3 against one 5x5 or 7x7.
        (1, 1, 3, false, 9),
        (1, 1, 5, false, 25),
        (1, 1, 7, false, 49),
        (1, 1, 15, false, 225),
    ] {
        assert_eq!(parameters(c_in, c_out, [kernel; 2], 1, bias), count, "{c_in} to {c_out}, {kernel}");
    }
    let square = |k| parameters(1, 1, [k, k], 1, false);
    assert_eq!((square(5) - 2 * square(3), square(7) - 3 * square(3)), (7, 22));
    assert_eq!((7 * square(3), 100 - 100 * 7 * square(3) / square(15)), (63, 72));
    assert_eq!(fully_connected(256 * 256 * 3, 1000), 196_608_000);
    assert_eq!(fully_connected(3_000_000, 64), 192_000_000);
    assert_eq!(192_000_000 / parameters(3, 64, [3, 3], 1, false), 111_111);
    assert_eq!(fully_connected(100 * 4 * 4, 40 * 4 * 4), 1600 * 640);
    // One 3x3 field each for the 10,000 neurons of a 100 x 100 layer, where full connection takes 10^10 weights.
    let local = geometry(LocallyConnected2d::new(1, 1, [102, 102], 1, [3, 3]));
    assert_eq!(local.parameters(), 90_000);
    let full = 10_000_u64 * 10_000 * 100;
    assert_eq!((full, full * 4 / 1_000_000_000), (10_000_000_000, 40));
    assert!((100.0 - 100.0 * 90_000.0 / full as f64 - 99.9991).abs() < 1e-9);
    // The weight of a convolution is out x in x k x k; of a transposed one in x out x k x k.
    let shape = |problem: Problem| geometry(problem).tensor(TensorName::Weight).expect("a weight").shape.clone();
    assert_eq!(shape(Conv::new(1, 3, [9, 9], 4, [5, 5]).into()), [4, 3, 5, 5]);
    assert_eq!(shape(ConvTranspose::new(1, 3, [9, 9], 4, [5, 5]).into()), [3, 4, 5, 5]);
    // Activations: a detector's 13 x 13 x (5·5 + 80), a classifier's 16 x 14 x 14.
    let elements = |c, n| geometry(Conv::new(1, 1, [n, n], c, [1, 1])).output_shape().iter().product::<usize>();
    assert_eq!((elements(5 * 5 + 80, 13), elements(16, 14)), (17_745, 3_136));
}

#[test]
fn parameters_of_blocks() {
    let plain = |c_in, c_out, k| parameters(c_in, c_out, [k, k], 1, false);
    // A bottleneck from 256 to 64 channels cuts the 3x3 by (256/64)², a 1x1 before a 5x5 cuts that by 4.
    assert_eq!(plain(256, 256, 3) / plain(64, 64, 3), 16);
    assert_eq!(plain(256, 1, 5) / plain(64, 1, 5), 4);
    // Inception branches 3x3 and 5x5 from 256 to 128 channels each, without and with a 1x1 to 64 before.
    assert_eq!(plain(256, 128, 3) + plain(256, 128, 5), 8704 * 128);
    assert_eq!(8704 * 128, 1_114_112);
    assert_eq!(2 * plain(256, 64, 1) + plain(64, 128, 3) + plain(64, 128, 5), 311_296);
    assert_eq!(2 * plain(256, 64, 1) + plain(64, 1, 3) + plain(64, 1, 5), 34_944);
    // Branches of 64, 128, 32 and 32 channels side by side.
    assert_eq!([64, 128, 32, 32].iter().sum::<usize>(), 256);
    // ResNet-50: convolutions without bias and the classifier's weights.
    let mut resnet = plain(3, 64, 7) + fully_connected(2048, 1000);
    let mut c_in = 64;
    for (width, blocks) in [(64, 3), (128, 4), (256, 6), (512, 3)] {
        resnet += plain(c_in, 4 * width, 1);
        for _ in 0..blocks {
            resnet += plain(c_in, width, 1) + plain(width, width, 3) + plain(width, 4 * width, 1);
            c_in = 4 * width;
        }
    }
    assert_eq!(resnet, 25_502_912);
}

#[test]
fn depthwise_separable_costs() {
    let separable = |c_in, c_out| DepthwiseSeparable2d::new(1, c_in, [56, 56], c_out, [3, 3]).padding(1);
    let cost = separable_cost(&separable(256, 256)).expect("a valid problem");
    assert!((cost.parameters_ratio() - 0.115_017_361_111_111_1).abs() < 1e-15);
    assert_eq!((cost.plain.parameters, cost.separable.parameters), (589_824, 67_840));
    assert!((1.0 / cost.parameters_ratio() - 8.694_340).abs() < 1e-6);

    let cost = separable_cost(&separable(64, 128)).expect("a valid problem");
    assert_eq!((cost.plain.macs, cost.separable.macs), (231_211_008, 27_496_448));
    assert!((1.0 / cost.macs_ratio() - 8.4088).abs() < 1e-4);
    assert_eq!((cost.plain.parameters, cost.separable.parameters), (73_728, 8_768));
    assert_eq!(parameters(64, 64, [3, 3], 64, false), 576);
    assert_eq!(parameters(64, 128, [1, 1], 1, false), 8_192);
    let depthwise = Conv::new(1, 64, [56, 56], 64, [3, 3]).padding(1).groups(64);
    assert_eq!(geometry(depthwise).macs(), 1_806_336);
    assert_eq!(geometry(Conv::new(1, 64, [56, 56], 128, [1, 1])).macs(), 25_690_112);

    let cost = separable_cost(&separable(128, 256)).expect("a valid problem");
    assert_eq!((cost.plain.parameters, cost.separable.parameters), (294_912, 1_152 + 32_768));
    assert!((1.0 / cost.parameters_ratio() - 8.6943).abs() < 1e-4);
}

#[test]
fn cost_grows_with_the_square_of_width_and_resolution() {
    let macs = |c, n| geometry(Conv::new(1, c, [n, n], c, [3, 3]).padding(1)).macs();
    assert_eq!(macs(64, 56), 64 * 64 * 9 * 56 * 56);
    assert_eq!(macs(128, 56) / macs(64, 56), 4);
    assert_eq!(macs(64, 112) / macs(64, 56), 4);
}

#[test]
fn receptive_fields() {
    let layer = |(kernel, stride)| LayerShape::new(kernel).stride(stride);
    let size = |layers: &[(usize, usize)]| {
        receptive_field(&layers.iter().copied().map(layer).collect::<Vec<_>>()).expect("a field").size
    };
    for (layers, field) in [(1, 3), (2, 5), (3, 7), (4, 9), (5, 11), (7, 15)] {
        assert_eq!(size(&vec![(3, 1); layers]), field);
        assert_eq!(field, 1 + (3 - 1) * layers);
    }
    assert_eq!([1, 2, 3, 4].map(|n| size(&[(5, 1), (2, 2), (3, 1), (2, 2)][..n])), [5, 6, 10, 12]);
    assert_eq!(size(&[(4, 2), (2, 2)]), 6);
    assert_eq!([1, 2, 3].map(|n| size(&[(11, 4), (3, 2), (5, 1)][..n])), [11, 19, 51]);
    for (kernel, dilation, covered) in [(7, 2, 13), (3, 18, 37), (3, 2, 5), (3, 4, 9)] {
        assert_eq!(LayerShape::new(kernel).dilation(dilation).effective_kernel(), Ok(covered));
    }
}

#[test]
fn a_convolution_as_a_matrix() {
    let kernel: Vec<f32> = (1..10).map(|i| i as f32).collect();
    let a = convolution_matrix(&Conv::new(1, 1, [4, 4], 1, [3, 3]), &kernel).expect("small");
    #[rustfmt::skip]
    assert_eq!(a.values(), [
        1., 2., 3., 0., 4., 5., 6., 0., 7., 8., 9., 0., 0., 0., 0., 0.,
        0., 1., 2., 3., 0., 4., 5., 6., 0., 7., 8., 9., 0., 0., 0., 0.,
        0., 0., 0., 0., 1., 2., 3., 0., 4., 5., 6., 0., 7., 8., 9., 0.,
        0., 0., 0., 0., 0., 1., 2., 3., 0., 4., 5., 6., 0., 7., 8., 9.,
    ]);
    let x = [1., 1., 1., 1., 2., 2., 2., 0., 3., 3., 0., 0., 4., 0., 0., 0.];
    let wide: Vec<f64> = x.iter().map(|&x: &f32| x.into()).collect();
    assert_eq!(a.multiply(&wide), Ok(vec![81., 45., 67., 18.]));
    assert_eq!(filter(&x, [4, 4], &kernel, [3, 3], false), [81., 45., 67., 18.]);
    assert_eq!(filter(&x, [4, 4], &kernel, [3, 3], true), [69., 55., 93., 52.]);
}

#[test]
fn filters_by_hand() {
    let counting: Vec<f32> = (0..16).map(|i| i as f32).collect();
    let averages = filter(&counting, [4, 4], &[0.25; 4], [2, 2], false);
    assert_eq!(averages, [2.5, 3.5, 4.5, 6.5, 7.5, 8.5, 10.5, 11.5, 12.5]);

    // A 1x1 kernel of ones adds the channels.
    let x = vec![1., -0.5, 2., -2., -2., 1., -1.5, 1., 1., 0., 0., 0.];
    let conv = Conv::new(1, 3, [2, 2], 1, [1, 1]);
    let sum = output(conv, [(TensorName::Input, x), (TensorName::Weight, vec![1.; 3])]);
    assert_eq!(sum, [0., 0.5, 0.5, -1.]);

    // Max pooling of that with padding that is zero, and with padding that never wins.
    let pool = Pool::max(1, 1, [2, 2], [2, 2]).stride(2).padding(1);
    let x = || [(TensorName::Input, vec![0., 0.5, 0.5, -1.])];
    assert_eq!(output(pool.clone(), x()), [0., 0.5, 0.5, -1.]);
    let zero = PoolMode::Max { pad_value: Some(0.0), indices: false };
    assert_eq!(output(pool.mode(zero), x()), [0., 0.5, 0.5, 0.]);

    // A vertical-edge filter does not see horizontal edges, away from the border.
    let edge = [1., 0., -1., 1., 0., -1., 1., 0., -1.];
    let stripes: Vec<f32> = (0..36).map(|i| if i / 6 < 3 { 5.0 } else { -1.0 }).collect();
    assert!(filter(&stripes, [6, 6], &edge, [3, 3], false).iter().all(|&y| y == 0.0));

    // An X template on a black X on white, on white alone, on a black plus.
    let template = [-1., 1., -1., 1., -1., 1., -1., 1., -1.];
    let cross = [0., 1., 0., 1., 0., 1., 0., 1., 0.];
    assert_eq!(filter(&cross, [3, 3], &template, [3, 3], false), [4.]);
    assert_eq!(filter(&[1.; 9], [3, 3], &template, [3, 3], false), [-1.]);
    let plus = [1., 0., 1., 0., 0., 0., 1., 0., 1.];
    assert_eq!(filter(&plus, [3, 3], &template, [3, 3], false), [-4.]);
}

#[test]
fn correlation_and_convolution_shift_with_their_input() {
    let row = |x: &[f32], flip, pads: [usize; 2]| {
        let conv = Conv::new(1, 1, [7], 1, [2]).padding([pads]).flip_kernel(flip);
        output(conv, [(TensorName::Input, x.to_vec()), (TensorName::Weight, vec![1., -1.])])
    };
    let (early, late) = ([0., 0., 1., 2., 3., 0., 0.], [0., 0., 0., 0., 1., 2., 3.]);
    assert_eq!(row(&early, false, [0, 0]), [0., -1., -1., -1., 3., 0.]);
    assert_eq!(row(&early, true, [0, 0]), [0., 1., 1., 1., -3., 0.]);
    assert_eq!(row(&late, false, [0, 0]), [0., 0., 0., -1., -1., -1.]);
    assert_eq!(row(&late, true, [0, 0]), [0., 0., 0., 1., 1., 1.]);
    // With a zero behind, the shift by two is complete.
    assert_eq!(row(&early, true, [0, 1]), [0., 1., 1., 1., -3., 0., 0.]);
    assert_eq!(row(&late, true, [0, 1]), [0., 0., 0., 1., 1., 1., -3.]);

    // Equivariant, not invariant: a shift by stride·m moves the output by m.
    let x: Vec<f32> = (0..20).map(|i| ((i * i) % 13) as f32).collect();
    let strided = |x: &[f32]| {
        let conv = Conv::new(1, 1, [x.len()], 1, [3]).stride(2);
        output(conv, [(TensorName::Input, x.to_vec()), (TensorName::Weight, vec![1., 2., -1.])])
    };
    assert_eq!(strided(&x)[2..], strided(&x[4..]));
    assert_ne!(strided(&x)[..7], strided(&x[4..])[..7]);
    // Flipping the kernel turns correlation into convolution, by the option or by hand.
    let kernel = [1., 2., 3., 4., 5., 6.];
    let mut flipped = kernel;
    flipped.reverse();
    let image: Vec<f32> = (0..20).map(|i| ((i * 7) % 5) as f32).collect();
    assert_eq!(filter(&image, [4, 5], &kernel, [2, 3], true), filter(&image, [4, 5], &flipped, [2, 3], false));
    // A sequence of embeddings is (batch, embedding, length); windows run over the length.
    assert_eq!(geometry(Conv::new(8, 300, [50], 100, [5])).output_shape(), [8, 100, 46]);
}

#[test]
fn checkerboards() {
    let counts = |k| overlap_counts(&ConvTranspose::new(1, 1, [6], 1, [k]).stride(2)).expect("small");
    assert_eq!(counts(3).axis(0)[2..10], [2, 1, 2, 1, 2, 1, 2, 1]);
    assert_eq!(counts(4).axis(0)[2..10], [2; 8]);
    assert!(!counts(3).is_uniform() && counts(4).is_uniform());
    // Sub-pixel convolution from 16x16 to 64x64: 16 channels for one.
    assert_eq!(geometry(DepthToSpace::new(1, 16, [16, 16], 4)).output_shape(), [1, 1, 64, 64]);
}

#[test]
fn a_separable_kernel() {
    let kernel = [1., 2., 1., 2., 4., 2., 1., 2., 1.];
    let factors = factor_separable(&kernel, [3, 3], 1e-6).expect("a valid kernel").expect("rank one");
    assert_eq!((factors.vertical, factors.horizontal), (vec![1., 2., 1.], vec![1., 2., 1.]));
    // Six weights instead of nine: a third less.
    assert_eq!(geometry(SpatialSeparable2d::new(1, 1, [3, 3], [3, 3])).parameters(), 6);
    assert_eq!(parameters(1, 1, [3, 3], 1, false), 9);
}

#[test]
fn deformable_sampling_and_its_cost() {
    assert_eq!(offset_channels([3, 3], 1), Ok(18));
    // Per output position and 256 input channels: one output channel, then 256.
    let cost = |c_out| deform_cost(&DeformConv2d::new(1, 256, [3, 3], c_out, [3, 3])).expect("a valid problem");
    let one = cost(1);
    assert_eq!((one.plain.macs, one.sampling_macs, one.branch.macs), (2_304, 9_216, 41_472));
    assert_eq!((one.total_macs(), one.macs_ratio()), (52_992, 23.0));
    assert_eq!(one.branch.parameters, 41_472 + 18);
    let all = cost(256);
    assert_eq!((all.plain.macs, all.total_macs()), (589_824, 640_512));
    assert!((all.macs_ratio() - 1.086).abs() < 1e-3);

    // (x, y) = (1.7, 2.3), which rounds to (2, 2), as (1.9, 2.4) does; bilinear weights tell them apart.
    let weights = |x, y| bilinear_corners(y, x).map(|corner| ((corner.x, corner.y), corner.weight));
    for ((at, weight), (want_at, want)) in
        weights(1.7, 2.3).into_iter().zip([((1, 2), 0.21), ((2, 2), 0.49), ((1, 3), 0.09), ((2, 3), 0.21)])
    {
        assert!(at == want_at && (weight - want).abs() < 1e-12);
    }
    let slope = (weights(1.7 + 1e-6, 2.3)[1].1 - weights(1.7, 2.3)[1].1) / 1e-6;
    assert!((slope - 0.7).abs() < 1e-6);
    assert_eq!([1.7_f64, 2.3, 1.9, 2.4].map(f64::round), [2.0; 4]);
    // The corners are those of the cell: around (1.1, 2.1) pixel (0, 2) is nearer than corner (2, 3).
    let corners = weights(1.1, 2.1).map(|(at, _)| at);
    let distance = |(x, y): (i64, i64)| (x as f64 - 1.1).hypot(y as f64 - 2.1);
    assert!(corners.contains(&(2, 3)) && !corners.contains(&(0, 2)) && distance((0, 2)) < distance((2, 3)));
}
