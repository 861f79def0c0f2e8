//! Values that are not finite, and what is nearly so: who they reach and who not.

use super::kernels::{check, judge};
use crate::common::{applicable, contexts, integers, open, random, relaxed, run_guarded, zoo};
use wgconv::reference;
use wgconv::{
    Accuracy, Algorithm, Conv, ConvTranspose, DeformConv2d, Geometry, Gradient, Options, Pool, PoolMode, Problem,
    Storage, TensorName,
};

#[test]
fn nan_and_infinity_propagate_like_in_the_reference() {
    let gpu = open();
    let contexts = contexts(&gpu);
    for (name, problem) in &zoo() {
        let mut inputs = integers(problem, 9);
        let input = inputs.get_mut(&TensorName::Input).expect("every operation has an input");
        let n = input.len();
        input[n / 3] = f32::NAN;
        input[n / 2] = f32::INFINITY;
        input[2 * n / 3] = f32::NEG_INFINITY;
        // What adds neighbours first spreads them: see the next test.
        judge(&gpu, &contexts, name, problem, &Options::default().accuracy(Accuracy::Strict), &inputs, false);
    }
}

#[test]
fn winograd_spreads_nan_and_infinity_over_a_tile_and_no_further() {
    let gpu = open();
    let problem: Problem = Conv::new(2, 3, [13, 14], 5, [3, 3]).padding(1).into();
    let mut inputs = integers(&problem, 9);
    let (at, value) = ([6, 9], f32::NAN);
    inputs.get_mut(&TensorName::Input).expect("an input")[(3 + 1) * 13 * 14 + at[0] * 14 + at[1]] = value;
    let want = reference::run(&problem, &inputs).expect("valid");
    for context in contexts(&gpu) {
        for (algorithm, tile) in [(Algorithm::WinogradF2, 2), (Algorithm::WinogradF4, 4)] {
            let run = run_guarded(&gpu, &context, &problem, &relaxed().algorithm(algorithm), &inputs);
            for (i, (&got, want)) in run.output.iter().zip(&want.output).enumerate() {
                let (image, y, x) = (i / 14 / 13 / 5, i / 14 % 13, i % 14);
                // The tile's patch begins one element before it.
                let shares = |o: usize, at: usize| (o / tile * tile..o / tile * tile + tile + 2).contains(&(at + 1));
                let reached = image == 1 && shares(y, at[0]) && shares(x, at[1]);
                assert!(reached || !got.is_nan(), "{algorithm}: {got} at {image}, {y}, {x}");
                assert!(!want.is_nan() || got.is_nan(), "{algorithm}: a NaN was lost at {image}, {y}, {x}");
            }
        }
    }
}

fn multiplies_matrices(algorithm: Algorithm) -> bool {
    use Algorithm::{CooperativeGemm, CooperativeGemmF16, CooperativePackedF16};
    matches!(algorithm, CooperativeGemm | CooperativeGemmF16 | CooperativePackedF16)
}

#[test]
fn cooperative_matrices_take_any_magnitude() {
    let gpu = open();
    let problem: Problem = Conv::new(2, 19, [9, 11], 37, [3, 2]).padding(1).bias(true).into();
    for context in contexts(&gpu) {
        for algorithm in applicable(&problem, context.capabilities(), &relaxed()) {
            if !multiplies_matrices(algorithm) {
                continue;
            }
            // Far below and beyond what f16 holds, the exponents of both factors together beyond f32, and panels that mix them.
            for [input, weight] in [[30, -30], [-100, 90], [110, -60], [-60, -60], [-120, 0], [60, 60], [-80, 100]] {
                for spread in [0, 20] {
                    let mut inputs = random(&problem, 18);
                    let mut rng = fastrand::Rng::with_seed(19);
                    for (name, exponent) in [(TensorName::Input, input), (TensorName::Weight, weight)] {
                        for value in inputs.get_mut(&name).expect("a convolution's") {
                            let exponent = exponent - rng.i32(0..=spread);
                            // In two steps: one may be subnormal.
                            let half = exponent / 2;
                            *value *= f32::powi(2.0, half);
                            *value *= f32::powi(2.0, exponent - half);
                        }
                    }
                    for value in inputs.get_mut(&TensorName::Bias).expect("it has one") {
                        *value *= f32::powi(2.0, (input + weight).clamp(-120, 120));
                    }
                    let want =
                        reference::run_by(&problem, &inputs, algorithm).expect("the operation has this algorithm");
                    let run = run_guarded(&gpu, &context, &problem, &relaxed().algorithm(algorithm), &inputs);
                    check(&format!("2^{input} times 2^{weight}, spread by {spread}"), &run, &want, false);
                    // It is no bound that all zeros would keep.
                    let largest = want.output.iter().fold(0.0_f64, |max, value| max.max(value.abs()));
                    let loosest = (0..want.output.len()).map(|i| want.tolerance(i)).fold(0.0, f64::max);
                    assert!(input + weight < -110 || loosest < largest / 16.0, "{algorithm}: {loosest} of {largest}");
                }
            }
        }
    }
}

#[test]
fn cooperative_matrices_keep_nan_and_infinity_to_their_own_outputs() {
    let gpu = open();
    let problem: Problem = Conv::new(2, 19, [9, 11], 37, [3, 2]).into();
    let mut inputs = integers(&problem, 20);
    let input = inputs.get_mut(&TensorName::Input).expect("an input");
    let n = input.len();
    (input[n / 3], input[n / 2], input[2 * n / 3]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
    let want = reference::run(&problem, &inputs).expect("valid");
    for context in contexts(&gpu) {
        for algorithm in applicable(&problem, context.capabilities(), &relaxed()) {
            if !multiplies_matrices(algorithm) {
                continue;
            }
            let run = run_guarded(&gpu, &context, &problem, &relaxed().algorithm(algorithm), &inputs);
            for (i, (&got, &want)) in run.output.iter().zip(&want.output).enumerate() {
                // An infinity times a low part of zero is NaN.
                let right = if want.is_finite() { f64::from(got) == want } else { !got.is_finite() };
                assert!(right, "{algorithm}: {got} instead of {want} at {i}");
            }
        }
    }
}

#[test]
fn a_weight_that_is_not_finite_reaches_its_own_outputs_only() {
    let gpu = open();
    let contexts = contexts(&gpu);
    // Over zero padding algorithms may differ (docs/numerics.md), so windows that touch none. Those of a transposed
    // convolution reach beyond the input unless padding cuts off all that do.
    let unpadded = |problem: &Problem| {
        let geometry = Geometry::new(problem).expect("zoo problems are valid");
        let convolves = matches!(problem, Problem::Conv(_) | Problem::LocallyConnected2d(_));
        convolves && geometry.window().is_some_and(|w| w.pad_begin == [0; 3] && w.pad_end == [0; 3])
    };
    let transposed: Problem = ConvTranspose::new(1, 5, [7, 6], 11, [3, 5]).stride(2).padding([2, 4]).into();
    let unit_stride: Problem = ConvTranspose::new(2, 3, [7, 6], 9, [3, 2]).padding([2, 1]).flip_kernel(true).into();
    let dilated: Problem = Conv::new(1, 5, [11, 12], 11, [3, 2]).dilation([2, 3]).into();
    let zoo = zoo();
    let problems = zoo.iter().filter(|(_, problem)| unpadded(problem)).map(|(name, problem)| (*name, problem));
    for (name, problem) in
        problems.chain([("dilated", &dilated), ("transposed", &transposed), ("unit stride", &unit_stride)])
    {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut inputs = integers(problem, 16);
            let weight = inputs.get_mut(&TensorName::Weight).expect("a weight");
            let n = weight.len();
            weight[n - 1] = bad;
            judge(&gpu, &contexts, name, problem, &Options::default().accuracy(Accuracy::Strict), &inputs, false);
        }
    }
}

#[test]
fn a_dilated_window_that_steps_over_the_input_has_no_maximum() {
    let gpu = open();
    let mode = PoolMode::Max { pad_value: None, indices: true };
    let pool = Pool::max(1, 2, [1, 3], [2, 2]).dilation([2, 1]).padding([[1, 1], [0, 0]]).stride(1).mode(mode);
    let problem: Problem = pool.into();
    let mut inputs = integers(&problem, 3);
    let want = reference::run(&problem, &inputs).expect("valid");
    assert_eq!(
        (want.output.as_slice(), want.indices.as_deref()),
        (&[f64::NEG_INFINITY; 4][..], Some(&[u32::MAX; 4][..]))
    );
    for storage in [Storage::F32, Storage::F16] {
        judge(&gpu, &contexts(&gpu), "steps over", &problem, &relaxed().storage(storage), &inputs, true);
    }
    inputs.insert(TensorName::GradOutput, vec![1.0; 4]);
    let outputs = gpu.run(&Gradient::all(problem).into(), &Options::default(), &inputs).expect("valid");
    assert_eq!(outputs.gradients[&TensorName::GradInput], [0.0; 6]);
}

/// What docs/numerics.md says of zero padding under a weight that is not finite.
#[test]
fn only_direct_kernels_skip_a_weight_over_padding() {
    let gpu = open();
    let conv = |kernel: [usize; 2]| Conv::new(1, 8, [13, 14], 8, kernel);
    let problems: [(Problem, usize); 6] = [
        (conv([3, 3]).padding(1).into(), 9),
        (conv([3, 3]).padding(1).stride(2).groups(2).into(), 9),
        (conv([3, 3]).padding(1).groups(8).into(), 9),
        (conv([3, 3]).padding(2).dilation(2).into(), 9),
        (Conv::new(1, 4, [5, 6, 7], 4, [3, 3, 3]).padding(1).into(), 27),
        (conv([1, 1]).padding(1).into(), 1),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for (problem, taps) in &problems {
        for context in contexts(&gpu) {
            for algorithm in applicable(problem, context.capabilities(), &relaxed()) {
                for bad in [f32::INFINITY, f32::NAN] {
                    let mut inputs = integers(problem, 3);
                    let input = inputs.get_mut(&TensorName::Input).expect("an input");
                    // No element is zero, or it would make NaN too.
                    input.iter_mut().for_each(|value| *value = value.abs() + 1.0);
                    let weight = inputs.get_mut(&TensorName::Weight).expect("a weight");
                    weight.iter_mut().step_by(*taps).for_each(|value| *value = bad);
                    let run = run_guarded(&gpu, &context, problem, &relaxed().algorithm(algorithm), &inputs);
                    let want = reference::run(problem, &inputs).expect("valid");
                    let padded = run.output.iter().zip(&want.output).filter(|(_, want)| want.is_finite());
                    assert!(padded.clone().count() > 0);
                    for (got, _) in padded {
                        assert_eq!(got.is_nan(), algorithm != Algorithm::Direct, "{algorithm}: {got}");
                    }
                    seen.insert(algorithm.name());
                }
            }
        }
    }
    for name in ["direct", "depthwise", "dilated", "register-tiled", "implicit-gemm", "im2col-gemm", "winograd-f2"] {
        assert!(seen.contains(name), "{name} is none of {seen:?}");
    }
}

/// What docs/numerics.md says of the sizes from which Winograd's transforms overflow.
#[test]
fn winograd_transforms_overflow_before_the_outputs_do() {
    let gpu = open();
    let problem: Problem = Conv::new(1, 3, [13, 14], 5, [3, 3]).padding(1).into();
    for context in contexts(&gpu) {
        for (algorithm, safe, unsafe_from) in [
            (Algorithm::WinogradF2, 8.5e37, 1e38),
            (Algorithm::WinogradF4, 6.9e36, 5e37),
            (Algorithm::Direct, 3.4e38, 0.0),
        ] {
            let finite = |scale: f32, signs: &mut dyn FnMut(usize) -> bool| {
                let mut inputs = integers(&problem, 3);
                let input = inputs.get_mut(&TensorName::Input).expect("an input");
                input.iter_mut().enumerate().for_each(|(i, value)| *value = if signs(i) { scale } else { -scale });
                let weight = inputs.get_mut(&TensorName::Weight).expect("a weight");
                weight.iter_mut().for_each(|value| *value *= 1e-10);
                let run = run_guarded(&gpu, &context, &problem, &relaxed().algorithm(algorithm), &inputs);
                run.output.iter().all(|value| value.is_finite())
            };
            let mut rng = fastrand::Rng::with_seed(11);
            for _ in 0..8 {
                assert!(finite(safe, &mut |_| rng.bool()), "{algorithm} at {safe:e}");
            }
            assert!(finite(safe, &mut |i| i % 2 == 0), "{algorithm} at {safe:e}");
            if unsafe_from > 0.0 {
                assert!(!finite(unsafe_from, &mut |i| i % 2 == 0), "{algorithm} at {unsafe_from:e}");
            }
        }
    }
}

#[test]
fn offsets_of_any_kind_contribute_nothing_or_what_they_should() {
    let gpu = open();
    let contexts = contexts(&gpu);
    let hostile = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        -f32::MAX,
        1e10,
        -1e10,
        2_147_483_648.0,
        -1.0,
        8.0,
        7.999,
        // The extents of the zoo's images: exactly at H and W, and on the last pixel, for some taps.
        9.0,
        10.0,
        5.0,
        4.0,
        3.0,
        -2.0,
        -0.999,
        1e-40,
    ];
    for (name, problem) in zoo().iter().filter(|(_, p)| matches!(p, Problem::DeformConv2d(_))) {
        let mut inputs = random(problem, 10);
        let offset = inputs.get_mut(&TensorName::Offset).expect("deformable");
        for (i, value) in offset.iter_mut().enumerate().filter(|(i, _)| i % 3 == 0) {
            *value = hostile[i / 3 % hostile.len()];
        }
        judge(&gpu, &contexts, name, problem, &Options::default(), &inputs, false);
    }
}

#[test]
fn pixels_and_masks_that_are_not_finite_reach_the_samples_that_touch_them_only() {
    let gpu = open();
    let contexts = contexts(&gpu);
    // Channels by fours with and without a rest, and too few for that.
    for (c_in, offset_groups) in [(8, 1), (14, 2), (25, 1), (6, 2)] {
        let problem = DeformConv2d::new(2, c_in, [7, 6], 3, [3, 2]).padding([2, 1]).offset_groups(offset_groups);
        let problem: Problem = problem.mask(true).into();
        for bad in [f32::NAN, f32::INFINITY] {
            let mut inputs = random(&problem, 19);
            let pixels = inputs.get_mut(&TensorName::Input).expect("an input");
            // Corners and edges, which points outside the image would read where an index is clamped.
            for i in [0, 5, 3 * 42 + 36, 4 * 42 + 41, 6 * 42 - 25] {
                pixels[i] = bad;
            }
            let masks = inputs.get_mut(&TensorName::Mask).expect("a mask");
            masks[11] = bad;
            let offsets = inputs.get_mut(&TensorName::Offset).expect("deformable");
            offsets.iter_mut().step_by(7).for_each(|value| *value = f32::NAN);
            offsets.iter_mut().step_by(5).for_each(|value| *value = -1.0);
            judge(&gpu, &contexts, "not finite", &problem, &Options::default(), &inputs, false);
        }
    }
}
