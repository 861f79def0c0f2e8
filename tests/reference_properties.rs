//! What the oracles must have in common, and that their tolerances hold for sums in f32.
#![cfg(feature = "reference")]

use wgconv::reference::{Inputs, Outcome, activate, run};
use wgconv::{
    Activation, Axes, Col2im, Conv, ConvTranspose, DeformConv2d, DepthToSpace, DepthwiseSeparable2d, Geometry, Im2col,
    LocallyConnected2d, PaddingMode, Pool, PoolMode, Problem, ShuffleOrder, SpaceToDepth, SpatialSeparable2d,
    TensorName,
};

use TensorName::{Bias, Input, Mask, Offset, Weight, WeightDw, WeightH, WeightPw, WeightV};

/// A small linear congruential generator: the same numbers everywhere.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    /// Integers from -4 to 4: every sum of their products is exact.
    fn integers(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| (self.next() % 9) as f32 - 4.0).collect()
    }

    /// From -1 to 1 with 24 random bits.
    fn reals(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| ((self.next() & 0xff_ffff) as f64 / 0x80_0000 as f64 - 1.0) as f32).collect()
    }
}

fn product(extents: &[usize]) -> usize {
    extents.iter().product()
}

fn outcome<const N: usize>(problem: impl Into<Problem>, inputs: [(TensorName, &[f32]); N]) -> Outcome {
    let problem = problem.into();
    let inputs: Inputs = inputs.into_iter().map(|(name, data)| (name, data.to_vec())).collect();
    let outcome = run(&problem, &inputs).unwrap_or_else(|error| panic!("{problem:?}: {error}"));
    let geometry = Geometry::new(&problem).expect("run has checked it");
    assert_eq!(outcome.shape, geometry.output_shape());
    assert_eq!(outcome.output.len(), product(&outcome.shape));
    outcome
}

fn output<const N: usize>(problem: impl Into<Problem>, inputs: [(TensorName, &[f32]); N]) -> Vec<f64> {
    outcome(problem, inputs).output
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&x| x as f32).collect()
}

fn dot(a: &[f64], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| a * f64::from(b)).sum()
}

/// Convolutions that differ in everything at once, in one to three dimensions.
fn convolutions() -> Vec<Conv> {
    vec![
        Conv::new(2, 4, [11], 6, [3]).stride(2).padding([[2, 1]]).dilation(2).groups(2),
        Conv::new(2, 3, [7, 9], 4, [3, 2]).stride([2, 1]).padding([[0, 2], [1, 3]]).dilation([1, 3]),
        Conv::new(1, 4, [6, 5], 8, [3, 3]).padding(1).groups(4).flip_kernel(true),
        Conv::new(1, 2, [5, 5], 2, [1, 1]).stride(3),
        Conv::new(1, 2, [3, 3], 3, [5, 7]).padding([3, 2]),
        Conv::new(1, 2, [4, 5, 6], 2, [2, 3, 2])
            .stride([1, 2, 3])
            .padding([[0, 1], [1, 0], [2, 2]])
            .dilation([2, 1, 1]),
    ]
}

/// The transposed convolution with the output extents of `conv`'s input.
fn adjoint(conv: &Conv) -> ConvTranspose {
    let out = Geometry::new(&conv.clone().into()).expect("a valid problem").output_shape()[2..].to_vec();
    let unread: Vec<usize> = (0..out.len())
        .map(|a| {
            let [begin, end] = conv.padding[a];
            conv.input[a] + begin + end - ((out[a] - 1) * conv.stride[a] + conv.dilation[a] * (conv.kernel[a] - 1) + 1)
        })
        .collect();
    let axes = |values: &[usize]| Axes::from_slice("axes", values).expect("one to three axes");
    ConvTranspose::new(conv.batch, conv.c_out, axes(&out), conv.c_in, conv.kernel)
        .stride(conv.stride)
        .padding(conv.padding)
        .dilation(conv.dilation)
        .groups(conv.groups)
        .flip_kernel(conv.flip_kernel)
        .output_padding(axes(&unread))
}

#[test]
fn conv_transpose_is_the_adjoint_of_conv() {
    let mut numbers = Numbers(1);
    for conv in convolutions() {
        let x = numbers.integers(conv.batch * conv.c_in * product(&conv.input));
        let w = numbers.integers(conv.c_out * conv.c_in / conv.groups * product(&conv.kernel));
        let forward = output(conv.clone(), [(Input, &x), (Weight, &w)]);
        let y = numbers.integers(forward.len());
        let back = output(adjoint(&conv), [(Input, &y), (Weight, &w)]);
        assert_eq!(dot(&forward, &y), dot(&back, &x), "{conv:?}");
    }
}

#[test]
fn col2im_is_the_adjoint_of_im2col() {
    let mut numbers = Numbers(2);
    for conv in convolutions() {
        let unfold = Im2col::new(conv.batch, conv.c_in, conv.input, conv.kernel)
            .stride(conv.stride)
            .padding(conv.padding)
            .dilation(conv.dilation);
        let fold = Col2im::new(conv.batch, conv.c_in, conv.input, conv.kernel)
            .stride(conv.stride)
            .padding(conv.padding)
            .dilation(conv.dilation);
        let x = numbers.integers(conv.batch * conv.c_in * product(&conv.input));
        let columns = output(unfold, [(Input, &x)]);
        let y = numbers.integers(columns.len());
        assert_eq!(dot(&columns, &y), dot(&output(fold, [(Input, &y)]), &x));
    }
}

#[test]
fn conv_is_a_product_of_weights_and_columns() {
    let mut numbers = Numbers(3);
    for conv in convolutions().into_iter().filter(|conv| conv.groups == 1 && !conv.flip_kernel) {
        let unfold = Im2col::new(conv.batch, conv.c_in, conv.input, conv.kernel)
            .stride(conv.stride)
            .padding(conv.padding)
            .dilation(conv.dilation);
        let x = numbers.integers(conv.batch * conv.c_in * product(&conv.input));
        let w = numbers.integers(conv.c_out * conv.c_in * product(&conv.kernel));
        let columns = outcome(unfold, [(Input, &x)]);
        let (rows, width) = (columns.shape[1], columns.shape[2]);
        let mut want = vec![];
        for n in 0..conv.batch {
            for co in 0..conv.c_out {
                for i in 0..width {
                    let column = |k| columns.output[(n * rows + k) * width + i];
                    want.push((0..rows).map(|k| f64::from(w[co * rows + k]) * column(k)).sum::<f64>());
                }
            }
        }
        assert_eq!(output(conv, [(Input, &x), (Weight, &w)]), want);
    }
}

/// A plane with `[top, bottom], [left, right]` elements around it, written out by repeated reading of rows.
fn padded(
    x: &[f32],
    [h, w]: [usize; 2],
    [[top, bottom], [left, right]]: [[usize; 2]; 2],
    mode: PaddingMode,
) -> Vec<f32> {
    let row = |items: Vec<Option<usize>>, before: usize, after: usize| -> Vec<Option<usize>> {
        let last = items.len() - 1;
        let front: Vec<_> = match mode {
            PaddingMode::Zeros => vec![None; before],
            PaddingMode::Replicate => vec![items[0]; before],
            PaddingMode::Circular => items[items.len() - before..].to_vec(),
            PaddingMode::Reflect => items[1..=before].iter().rev().copied().collect(),
        };
        let back: Vec<_> = match mode {
            PaddingMode::Zeros => vec![None; after],
            PaddingMode::Replicate => vec![items[last]; after],
            PaddingMode::Circular => items[..after].to_vec(),
            PaddingMode::Reflect => items[last - after..last].iter().rev().copied().collect(),
        };
        [front, items, back].concat()
    };
    let rows = row((0..h).map(Some).collect(), top, bottom);
    let columns = row((0..w).map(Some).collect(), left, right);
    let read = |y: Option<usize>, x_at: Option<usize>| y.zip(x_at).map_or(0.0, |(y, x_at)| x[y * w + x_at]);
    rows.iter().flat_map(|&y| columns.iter().map(move |&x_at| read(y, x_at))).collect()
}

#[test]
fn padding_modes_equal_an_explicitly_padded_input() {
    let mut numbers = Numbers(4);
    let (x, w) = (numbers.integers(4 * 5), numbers.integers(3 * 2));
    let (v, h) = (numbers.integers(3), numbers.integers(2));
    let pads = [[3, 2], [1, 4]];
    for mode in [PaddingMode::Zeros, PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular] {
        let conv = Conv::new(1, 1, [4, 5], 1, [3, 2]).stride([1, 2]).dilation([2, 1]);
        let bigger = Conv { input: [9, 10].into(), ..conv.clone() };
        let around = padded(&x, [4, 5], pads, mode);
        let want = output(bigger, [(Input, &around), (Weight, &w)]);
        assert_eq!(output(conv.padding(pads).padding_mode(mode), [(Input, &x), (Weight, &w)]), want, "{mode:?}");

        let separable = SpatialSeparable2d::new(1, 1, [4, 5], [3, 2]);
        let bigger = SpatialSeparable2d { input: [9, 10].into(), ..separable.clone() };
        let want = output(bigger, [(Input, &around), (WeightV, &v), (WeightH, &h)]);
        let got = output(separable.padding(pads).padding_mode(mode), [(Input, &x), (WeightV, &v), (WeightH, &h)]);
        assert_eq!(got, want, "{mode:?}");
    }
}

#[test]
fn dilation_is_a_zero_stuffed_kernel() {
    let mut numbers = Numbers(5);
    let (x, w) = (numbers.integers(2 * 9 * 8), numbers.integers(3 * 2 * 3 * 2));
    let mut stuffed = vec![0.0; 3 * 2 * 5 * 4];
    for (plane, kernel) in w.chunks(6).enumerate() {
        for (tap, &value) in kernel.iter().enumerate() {
            stuffed[plane * 20 + tap / 2 * 2 * 4 + tap % 2 * 3] = value;
        }
    }
    let conv = Conv::new(1, 2, [9, 8], 3, [3, 2]).dilation([2, 3]).padding(1);
    let dense = Conv::new(1, 2, [9, 8], 3, [5, 4]).padding(1);
    let want = output(dense, [(Input, &x), (Weight, &stuffed)]);
    assert_eq!(output(conv, [(Input, &x), (Weight, &w)]), want);
}

#[test]
fn a_transposed_convolution_is_a_convolution_of_the_zero_stuffed_input() {
    let mut numbers = Numbers(6);
    let (x, w) = (numbers.integers(3 * 4), numbers.integers(3 * 2));
    let mut stuffed = vec![0.0; 5 * 10];
    for (i, &value) in x.iter().enumerate() {
        stuffed[i / 4 * 2 * 10 + i % 4 * 3] = value;
    }
    let up = ConvTranspose::new(1, 1, [3, 4], 1, [3, 2]).stride([2, 3]);
    let conv = Conv::new(1, 1, [5, 10], 1, [3, 2]).padding([2, 1]).flip_kernel(true);
    assert_eq!(output(up, [(Input, &x), (Weight, &w)]), output(conv, [(Input, &stuffed), (Weight, &w)]));
}

#[test]
fn zero_offsets_make_deformable_plain() {
    let mut numbers = Numbers(7);
    let (x, w, b) = (numbers.integers(2 * 4 * 6 * 7), numbers.integers(4 * 2 * 3 * 2), numbers.integers(4));
    let conv = Conv::new(2, 4, [6, 7], 4, [3, 2])
        .stride([1, 2])
        .padding([[2, 1], [0, 3]])
        .dilation([2, 1])
        .groups(2)
        .bias(true);
    let plain = outcome(conv.clone(), [(Input, &x), (Weight, &w), (Bias, &b)]);
    let deform = DeformConv2d::new(2, 4, [6, 7], 4, [3, 2])
        .stride([1, 2])
        .padding([[2, 1], [0, 3]])
        .dilation([2, 1])
        .groups(2)
        .offset_groups(4)
        .bias(true);
    let positions = 2 * 4 * 6 * plain.shape[2] * plain.shape[3];
    let (offset, mask) = (vec![0.0; 2 * positions], vec![1.0; positions]);
    let same = outcome(deform.clone(), [(Input, &x), (Weight, &w), (Bias, &b), (Offset, &offset)]);
    assert_eq!(same.output, plain.output);
    assert_eq!(same.magnitude, plain.magnitude);
    let masked = deform.mask(true);
    let inputs = [(Input, &x[..]), (Weight, &w), (Bias, &b), (Offset, &offset), (Mask, &mask)];
    assert_eq!(output(masked, inputs), plain.output);
}

#[test]
fn whole_offsets_read_shifted_pixels() {
    let mut numbers = Numbers(8);
    let (x, w) = (numbers.integers(6 * 7), numbers.integers(9));
    let deform = DeformConv2d::new(1, 1, [6, 7], 1, [3, 3]).padding(1);
    // Every tap moves by (1, -2): the convolution of the same input with its padding moved.
    let offset: Vec<f32> = (0..18).flat_map(|channel| vec![if channel % 2 == 0 { 1.0 } else { -2.0 }; 42]).collect();
    let conv = Conv::new(1, 1, [6, 7], 1, [3, 3]).padding([[0, 2], [3, 0]]);
    let shifted = outcome(conv, [(Input, &x), (Weight, &w)]);
    assert_eq!(shifted.shape, [1, 1, 6, 8]);
    let got = output(deform, [(Input, &x), (Weight, &w), (Offset, &offset)]);
    for (i, got) in got.iter().enumerate() {
        assert_eq!(*got, shifted.output[i / 7 * 8 + i % 7]);
    }
}

#[test]
fn equal_weights_make_locally_connected_plain() {
    let mut numbers = Numbers(9);
    let (x, w) = (numbers.integers(2 * 4 * 5 * 6), numbers.integers(2 * 2 * 3 * 3));
    let conv = Conv::new(2, 4, [5, 6], 2, [3, 3]).stride(2).padding([[1, 0], [0, 2]]).groups(2);
    let plain = outcome(conv, [(Input, &x), (Weight, &w)]);
    let local = LocallyConnected2d::new(2, 4, [5, 6], 2, [3, 3]).stride(2).padding([[1, 0], [0, 2]]).groups(2);
    let everywhere = w.repeat(plain.shape[2] * plain.shape[3]);
    assert_eq!(output(local, [(Input, &x), (Weight, &everywhere)]), plain.output);
}

#[test]
fn depthwise_then_pointwise_is_separable() {
    let mut numbers = Numbers(10);
    let (x, dw, pw) = (numbers.integers(2 * 3 * 6 * 6), numbers.integers(6 * 9), numbers.integers(4 * 6));
    let depthwise = Conv::new(2, 3, [6, 6], 6, [3, 3]).groups(3).stride(2).padding(1);
    let middle = narrow(&output(depthwise, [(Input, &x), (Weight, &dw)]));
    let want = output(Conv::new(2, 6, [3, 3], 4, [1, 1]), [(Input, &middle), (Weight, &pw)]);
    let separable = DepthwiseSeparable2d::new(2, 3, [6, 6], 4, [3, 3]).multiplier(2).stride(2).padding(1);
    assert_eq!(output(separable, [(Input, &x), (WeightDw, &dw), (WeightPw, &pw)]), want);
}

#[test]
fn spatially_separable_is_depthwise_with_the_outer_product() {
    let mut numbers = Numbers(11);
    let (x, v, h) = (numbers.integers(2 * 3 * 6 * 7), numbers.integers(3 * 3), numbers.integers(3 * 2));
    let outer: Vec<f32> = (0..18).map(|i| v[i / 6 * 3 + i / 2 % 3] * h[i / 6 * 2 + i % 2]).collect();
    let conv = Conv::new(2, 3, [6, 7], 3, [3, 2]).groups(3).dilation([1, 2]).padding([[2, 0], [1, 1]]).stride([1, 2]);
    let separable =
        SpatialSeparable2d::new(2, 3, [6, 7], [3, 2]).dilation([1, 2]).padding([[2, 0], [1, 1]]).stride([1, 2]);
    let want = output(conv, [(Input, &x), (Weight, &outer)]);
    assert_eq!(output(separable, [(Input, &x), (WeightV, &v), (WeightH, &h)]), want);
}

#[test]
fn pooling_agrees_with_convolution_and_unfolding() {
    let mut numbers = Numbers(12);
    let x = numbers.integers(3 * 7 * 8);
    let pool = Pool::average(1, 3, [7, 8], [2, 4]).stride([2, 1]).padding([[1, 0], [1, 2]]);
    let conv = Conv::new(1, 3, [7, 8], 3, [2, 4]).groups(3).stride([2, 1]).padding([[1, 0], [1, 2]]);
    let want = output(conv, [(Input, &x), (Weight, &[0.125; 24])]);
    assert_eq!(output(pool, [(Input, &x)]), want);

    let unfold = Im2col::new(3, 1, [7, 8], [2, 3]).dilation([3, 2]);
    let columns = outcome(unfold, [(Input, &x)]);
    let width = columns.shape[2];
    let column = |plane: usize, i: usize| (0..6).map(move |k| (plane * 6 + k) * width + i);
    let over_columns = |of: &dyn Fn(&mut dyn Iterator<Item = f64>) -> f64| -> Vec<f64> {
        let each = (0..3 * width).map(|i| of(&mut column(i / width, i % width).map(|at| columns.output[at])));
        each.collect()
    };
    let pool = Pool::max(1, 3, [7, 8], [2, 3]).stride(1).dilation([3, 2]);
    assert_eq!(output(pool.clone(), [(Input, &x)]), over_columns(&|xs| xs.fold(f64::NEG_INFINITY, f64::max)));
    let norm = output(pool.mode(PoolMode::Lp { p: 2.0 }), [(Input, &x)]);
    let want = over_columns(&|xs| xs.map(|x| x * x).sum::<f64>().sqrt());
    assert!(norm.iter().zip(&want).all(|(a, b)| (a - b).abs() <= 1e-12));
}

#[test]
fn shuffles_undo_each_other() {
    let x = Numbers(13).integers(2 * 18 * 4 * 5);
    for order in [ShuffleOrder::Crd, ShuffleOrder::Dcr] {
        let space = outcome(DepthToSpace::new(2, 18, [4, 5], 3).order(order), [(Input, &x)]);
        assert_eq!(space.shape, [2, 2, 12, 15]);
        let depth = SpaceToDepth::new(2, 2, [12, 15], 3).order(order);
        assert_eq!(narrow(&output(depth, [(Input, &narrow(&space.output))])), x);
    }
}

#[test]
fn f32_sums_stay_within_the_tolerance_in_any_order() {
    let mut numbers = Numbers(14);
    let conv = Conv::new(1, 40, [4, 4], 2, [3, 3]).padding(1);
    let (x, w) = (numbers.reals(40 * 16), numbers.reals(2 * 40 * 9));
    let exact = outcome(conv.clone(), [(Input, &x), (Weight, &w)]);
    let columns = narrow(&output(Im2col::new(1, 40, [4, 4], [3, 3]).padding(1), [(Input, &x)]));
    assert_eq!(exact.terms, 360);
    for step in [1, 7, 121, 359] {
        for (i, want) in exact.output.iter().enumerate() {
            let (co, position) = (i / 16, i % 16);
            // 360 and each step have no common divisor, so every product comes once.
            let sum = (0..360)
                .map(|k| k * step % 360)
                .fold(0.0_f32, |sum, k| sum + w[co * 360 + k] * columns[k * 16 + position]);
            let error = (f64::from(sum) - want).abs();
            assert!(error <= exact.tolerance(i), "{error} > {}", exact.tolerance(i));
        }
    }
    // The tolerance is not generous: dropping the last 14 bits of the weights leaves it.
    let coarse: Vec<f32> = w.iter().map(|w| f32::from_bits(w.to_bits() & !0x3fff)).collect();
    let other = output(conv, [(Input, &x), (Weight, &coarse)]);
    assert!(other.iter().enumerate().any(|(i, got)| (got - exact.output[i]).abs() > exact.tolerance(i)));
}

#[test]
fn f32_samples_stay_within_the_tolerance() {
    let mut numbers = Numbers(15);
    let (x, w) = (numbers.reals(9 * 9), [0.7_f32]);
    let offset: Vec<f32> = numbers.reals(2 * 81).iter().map(|o| o * 3.0).collect();
    let deform = DeformConv2d::new(1, 1, [9, 9], 1, [1, 1]);
    let exact = outcome(deform, [(Input, &x), (Weight, &w), (Offset, &offset)]);
    for (i, want) in exact.output.iter().enumerate() {
        let (y, at) = ((i / 9) as f32 + offset[i], (i % 9) as f32 + offset[81 + i]);
        let (fy, fx) = (y - y.floor(), at - at.floor());
        let pixel = |dy: i32, dx: i32| {
            let (y, at) = (y.floor() as i32 + dy, at.floor() as i32 + dx);
            if (0..9).contains(&y) && (0..9).contains(&at) { x[(y * 9 + at) as usize] } else { 0.0 }
        };
        let upper = (1.0 - fy) * (1.0 - fx) * pixel(0, 0) + (1.0 - fy) * fx * pixel(0, 1);
        let lower = fy * (1.0 - fx) * pixel(1, 0) + fy * fx * pixel(1, 1);
        let error = (f64::from(w[0] * (upper + lower)) - want).abs();
        assert!(error <= exact.tolerance(i), "{error} > {} at {y}, {at}", exact.tolerance(i));
        assert!(exact.tolerance(i) < 1e-5);
    }
}

#[test]
fn f32_activations_stay_within_the_tolerance() {
    let xs: Vec<f32> = (-1200..=1200).map(|i| i as f32 / 12.3).collect();
    let single = |activation, x: f32| match activation {
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::Gelu => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            0.5 * x * (1.0 + (1.0 - 2.0 / ((2.0 * inner).exp() + 1.0)))
        }
        other => activate(other, x.into()) as f32,
    };
    for activation in [
        Activation::Identity,
        Activation::Relu,
        Activation::Relu6,
        Activation::LeakyRelu { slope: 0.01 },
        Activation::Silu,
        Activation::HardSwish,
        Activation::Gelu,
        Activation::GeluTanh,
    ] {
        let conv = Conv::new(1, 1, [xs.len()], 1, [1]).activation(activation);
        let exact = outcome(conv, [(Input, &xs), (Weight, &[1.0])]);
        for (i, &x) in xs.iter().enumerate() {
            let error = (f64::from(single(activation, x)) - exact.output[i]).abs();
            assert!(error <= exact.tolerance(i), "{activation:?}({x}): {error} > {}", exact.tolerance(i));
        }
    }
}

/// Abramowitz and Stegun 7.1.26 in f32, what a shader without `erf` does at worst.
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let poly = t * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    (1.0 - poly * (-x * x).exp()).copysign(x)
}

#[test]
fn moved_elements_have_no_tolerance() {
    let x = Numbers(16).reals(4 * 4 * 4);
    let unfolded = outcome(Im2col::new(1, 4, [4, 4], [2, 2]), [(Input, &x)]);
    let pooled = outcome(Pool::max(1, 4, [4, 4], [2, 2]), [(Input, &x)]);
    for outcome in [unfolded, pooled] {
        assert!((0..outcome.output.len()).all(|i| outcome.tolerance(i) == 0.0));
    }
}
