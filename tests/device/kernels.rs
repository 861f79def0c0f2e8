//! Every algorithm against the oracle: exact on small integers, bounded on random data, in both kernel classes and both
//! runtime-check modes, with every buffer's surroundings watched and repeats bit-identical.

use std::slice;

use crate::common::{
    Judged, Reached, Run, agrees, applicable, contexts, epilogues, integers, layouts, open, random, relaxed,
    run_guarded, zoo,
};
use wgconv::gpu::{Context, Gpu, Plan};
use wgconv::reference::{self, Outcome};
use wgconv::{
    Accuracy, Activation, Algorithm, Capabilities, Conv, ConvTranspose, DeformConv2d, Geometry, Gradient, Inputs,
    KernelClass, Layout, Machine, Options, PaddingMode, Pool, PoolMode, Problem, Storage, TensorName, Tile, candidates,
    choose,
};

fn check(name: &str, run: &Run, want: &Outcome, exact: bool) {
    assert_eq!(run.output.len(), want.output.len(), "{name}: {}", run.label);
    for (i, (&got, &value)) in run.output.iter().zip(&want.output).enumerate() {
        let tolerance = if exact { 0.0 } else { want.tolerance(i) };
        assert!(
            agrees(got, value, tolerance),
            "{name}: {} output {i} of {:?} is {got}, want {value} +- {tolerance}",
            run.label,
            want.shape
        );
    }
    assert_eq!(run.indices, want.indices, "{name}: {} indices", run.label);
}

/// Runs every applicable algorithm of both classes.
fn judge(
    gpu: &Gpu,
    contexts: &[Context],
    name: &str,
    problem: &Problem,
    options: &Options,
    inputs: &Inputs,
    exact: bool,
) {
    let want = reference::run(problem, inputs).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut judged = Judged::default();
    for context in contexts {
        let algorithms = applicable(problem, context.capabilities(), options);
        assert!(algorithms.contains(&Algorithm::Direct), "{name}: the always-correct kernel must apply");
        for algorithm in algorithms {
            if !judged.is_new(context, problem, options, algorithm) {
                continue;
            }
            let run = run_guarded(gpu, context, problem, &options.clone().algorithm(algorithm), inputs);
            if algorithm.accuracy() == Accuracy::Strict {
                check(name, &run, &want, exact);
            } else {
                let want = reference::run_by(problem, inputs, algorithm).expect("the operation has this algorithm");
                // Thirds and fifteenths of integers are not exact.
                check(name, &run, &want, exact && algorithm.accuracy() < Accuracy::Relaxed);
            }
        }
    }
}

/// Sums of small integers are exact in f32, but a quotient or a root is not.
fn is_exact_on_integers(problem: &Problem) -> bool {
    let arithmetic = match problem {
        Problem::Pool(pool) => matches!(pool.mode, PoolMode::Max { .. }),
        _ => true,
    };
    arithmetic && problem.epilogue().is_none_or(|e| matches!(e.activation, Activation::Identity | Activation::Relu))
}

#[test]
fn integers_are_exact() {
    let gpu = open();
    let contexts = contexts(&gpu);
    for (name, problem) in zoo().iter().filter(|(_, problem)| is_exact_on_integers(problem)) {
        judge(&gpu, &contexts, name, problem, &relaxed(), &integers(problem, 1), true);
    }
}

#[test]
fn broadcasts_need_no_more_lanes_than_they_say() {
    let gpu = open();
    let own = *gpu.capabilities();
    // As on a device with smaller subgroups; a larger one serves as well.
    let smaller = [4, 8].into_iter().filter(|&size| own.subgroup_size.is_some_and(|own| own > size));
    let capabilities = smaller.map(|size| Capabilities { class: KernelClass::Cpu, subgroup_size: Some(size), ..own });
    let contexts: Vec<Context> = capabilities.map(|caps| gpu.context().view(caps)).collect();
    for (name, problem) in zoo().iter().filter(|(_, problem)| is_exact_on_integers(problem)) {
        judge(&gpu, &contexts, name, problem, &Options::default(), &integers(problem, 4), true);
    }
}

#[test]
fn random_data_stays_within_the_bound() {
    let gpu = open();
    let contexts = contexts(&gpu);
    for (name, problem) in &zoo() {
        judge(&gpu, &contexts, name, problem, &relaxed(), &random(problem, 2), false);
    }
}

#[test]
fn packed_weights_give_the_same_bits_and_stay() {
    let gpu = open();
    let (mut packs, mut fewer_dispatches) = (0, 0);
    for context in contexts(&gpu) {
        for (name, problem) in &zoo() {
            for algorithm in applicable(problem, context.capabilities(), &relaxed()) {
                let options = relaxed().algorithm(algorithm);
                let packing = options.clone().pack_weights();
                let plan = Plan::new(&context, problem, &packing).expect("applies without packing");
                if plan.packed_size() == 0 {
                    continue;
                }
                packs += 1;
                let unpacked = Plan::new(&context, problem, &options).expect("applies");
                let inputs = random(problem, 17);
                // Where packing does not pay for every execution, tiles of a GPU cut their sums in other slices.
                let kernels = unpacked.kernels();
                let same = plan.kernels().iter().all(|kernel| kernels.contains(kernel));
                if context.capabilities().class == KernelClass::Gpu && !same {
                    let want = reference::run_by(problem, &inputs, algorithm).expect("valid");
                    for options in [&packing, &options] {
                        check(name, &run_guarded(&gpu, &context, problem, options, &inputs), &want, false);
                    }
                    continue;
                }
                // Unless weights that would be packed for every execution are better read as they are.
                let fewer = plan.dispatch_count() < unpacked.dispatch_count();
                // Packed weights may lie where something lay that had been read by then.
                assert!(plan.workspace_size() <= unpacked.workspace_size(), "{name} by {algorithm}");
                assert!(fewer || plan.workspace_size() == unpacked.workspace_size(), "{name} by {algorithm}");
                assert!(fewer || plan.dispatch_count() == unpacked.dispatch_count(), "{name} by {algorithm}");
                fewer_dispatches += usize::from(fewer);
                let run = |options: &Options| run_guarded(&gpu, &context, problem, options, &inputs).output;
                assert_eq!(run(&packing), run(&options), "{name} by {algorithm}");
            }
        }
    }
    assert!(
        packs > fewer_dispatches && fewer_dispatches > 0,
        "{packs} pack weights, {fewer_dispatches} save a dispatch"
    );
}

#[test]
fn runtime_checks_change_nothing() {
    let gpu = open();
    let contexts = contexts(&gpu);
    let options = Options { runtime_checks: true, ..relaxed() };
    for context in &contexts {
        // The checks are put into the text of a kernel, whatever its constants.
        let mut reached = Reached::default();
        for (name, problem) in &zoo() {
            if reached.grows(context, problem, &options) {
                judge(&gpu, slice::from_ref(context), name, problem, &options, &random(problem, 3), false);
            }
        }
    }
}

#[test]
fn epilogues_stay_within_the_bound() {
    let gpu = open();
    let contexts = contexts(&gpu);
    for problem in &epilogues() {
        let name = format!("{:?}", problem.epilogue());
        judge(&gpu, &contexts, &name, problem, &relaxed(), &random(problem, 4), false);
        // Large arguments: where exp overflows and gelu vanishes.
        let mut large = random(problem, 5);
        for value in large.values_mut().flatten() {
            *value *= 40.0;
        }
        judge(&gpu, &contexts, &name, problem, &relaxed(), &large, false);
    }
}

#[test]
fn repeats_are_bit_identical() {
    let gpu = open();
    let contexts = contexts(&gpu);
    for (name, problem) in &zoo() {
        let inputs = random(problem, 6);
        let mut judged = Judged::default();
        for context in &contexts {
            for algorithm in applicable(problem, context.capabilities(), &relaxed()) {
                if !judged.is_new(context, problem, &relaxed(), algorithm) {
                    continue;
                }
                let options = relaxed().algorithm(algorithm);
                let bits = |run: Run| (run.output.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), run.indices);
                let first = bits(run_guarded(&gpu, context, problem, &options, &inputs));
                for _ in 0..2 {
                    let again = bits(run_guarded(&gpu, context, problem, &options, &inputs));
                    assert!(first == again, "{name} by {algorithm} differs between runs");
                }
            }
        }
    }
}

#[test]
fn strided_views_work_for_every_activation() {
    let gpu = open();
    let contexts = contexts(&gpu);
    let mut problems: Vec<Problem> = zoo().into_iter().map(|(_, problem)| problem).collect();
    problems.extend(epilogues().into_iter().skip(7));
    for problem in &problems {
        for (name, options) in layouts(problem) {
            let options = options.accuracy(Accuracy::Half);
            judge(&gpu, &contexts, name, problem, &options, &random(problem, 7), false);
        }
    }
}

#[test]
fn a_repeated_residual_is_readable_and_a_repeated_output_is_refused() {
    let gpu = open();
    let problem: Problem = Conv::new(2, 3, [5, 6], 4, [3, 3]).residual(true).into();
    let repeated = Layout { offset: 0, strides: vec![0, 1, 0, 0] };
    let mut inputs = random(&problem, 8);
    // One value per channel, over all images and positions.
    let per_channel = [0.5_f32, -1.0, 2.0, 0.25];
    let residual: Vec<f32> = (0..2 * 4 * 3 * 4).map(|i| per_channel[i / 12 % 4]).collect();
    inputs.insert(TensorName::Residual, residual);
    let options = Options::default().layout(TensorName::Residual, repeated.clone());
    let want = reference::run(&problem, &inputs).expect("valid");
    let got = gpu.run(&problem, &options, &inputs).expect("valid");
    for (i, (&got, &value)) in got.output.iter().zip(&want.output).enumerate() {
        assert!(agrees(got, value, want.tolerance(i)), "{i}: {got} {value}");
    }
    let error = gpu.run(&problem, &Options::default().layout(TensorName::Output, repeated), &inputs);
    assert!(error.is_err_and(|e| e.to_string().contains("output") && e.to_string().contains("overlap")));
}

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

#[test]
fn the_input_is_packed_where_there_is_room() {
    let problem: Problem = DeformConv2d::new(4, 8, [20, 20], 16, [3, 3]).padding(1).into();
    let geometry = Geometry::new(&problem).expect("valid");
    let kernels = |caps: &Capabilities, options: &Options| {
        let lowered = wgconv::lower(&geometry, Algorithm::Im2colGemm, caps, options).expect("applies");
        assert!(!lowered.is_split(), "{}", lowered.describe());
        assert!(options.workspace_limit.is_none_or(|limit| lowered.workspace_bytes <= limit));
        let stems: Vec<&str> = lowered.launches().map(|d| d.variant.kernel.stem).collect();
        stems.contains(&"deform_conv2d_pack_input")
    };
    let gpu = Capabilities::gpu();
    let columns = 4 * 8 * 9 * 400 * 4;
    let packed = 4 * 2 * 22 * 22 * 16;
    let within = |limit: u64| Options { workspace_limit: Some(limit), ..Options::default() };
    assert!(kernels(&gpu, &Options::default()));
    assert!(kernels(&gpu, &within(columns + packed)));
    assert!(!kernels(&gpu, &within(columns + packed - 256)));
    assert!(!kernels(&gpu, &within(columns)));
    assert!(!kernels(&Capabilities::cpu(), &Options::default()));
    // Its frame makes it larger than the columns of a small kernel.
    let pointwise: Problem = DeformConv2d::new(1, 8, [64, 64], 8, [1, 1]).into();
    let geometry = Geometry::new(&pointwise).expect("valid");
    let tight = Capabilities { max_binding_bytes: 8 * 64 * 64 * 4, ..gpu };
    let lowered = wgconv::lower(&geometry, Algorithm::Im2colGemm, &tight, &Options::default());
    assert!(!lowered.expect("applies").describe().contains("deform_conv2d_pack_input"));
}

#[test]
fn more_than_65535_workgroups_fold() {
    let gpu = open();
    // A device that allows 7 workgroups per dimension folds what is small, too; 343 is the most it launches.
    let tight = Capabilities { max_workgroups_per_dimension: 7, ..*gpu.capabilities() };
    let context = gpu.context().view(tight);
    for (name, problem) in &zoo() {
        let inputs = random(problem, 11);
        let want = reference::run(problem, &inputs).expect("valid");
        for algorithm in applicable(problem, context.capabilities(), &Options::default()) {
            let options = Options::default().algorithm(algorithm);
            check(name, &run_guarded(&gpu, &context, problem, &options, &inputs), &want, false);
        }
    }
    // And the real limit: 2^22 + 64 outputs of 64 per workgroup.
    let problem: Problem = Conv::new(1, 1, [2049, 2079], 1, [2, 2]).into();
    let inputs = integers(&problem, 12);
    let want = reference::run(&problem, &inputs).expect("valid");
    let context = gpu.context().clone();
    let options = Options::default().algorithm(Algorithm::Direct);
    check("many workgroups", &run_guarded(&gpu, &context, &problem, &options, &inputs), &want, true);
}

#[test]
fn a_batch_beyond_the_binding_limit_is_split_and_one_image_beyond_it_is_refused() {
    let gpu = open();
    let problem: Problem = Conv::new(7, 4, [9, 10], 6, [3, 3]).padding(1).bias(true).residual(true).into();
    let inputs = random(&problem, 13);
    let want = reference::run(&problem, &inputs).expect("valid");
    // One image of the output takes 2160 bytes; room for two or three of them with the alignment's slack.
    let tight = Capabilities { max_binding_bytes: 7_000, ..*gpu.capabilities() };
    let context = gpu.context().view(tight);
    let geometry = Geometry::new(&problem).expect("valid");
    for algorithm in [Algorithm::Direct, Algorithm::RegisterTiled] {
        let options = Options::default().algorithm(algorithm);
        let lowered = wgconv::lower(&geometry, algorithm, &tight, &options).expect("splits");
        assert!(lowered.parts.len() == 2 && lowered.parts[0].count > 1, "{}", lowered.describe());
        check("split", &run_guarded(&gpu, &context, &problem, &options, &inputs), &want, false);
        let strided = options.layout(TensorName::Input, Layout::channels_last(&[7, 4, 9, 10]));
        check("split strided", &run_guarded(&gpu, &context, &problem, &strided, &inputs), &want, false);
    }
    let tighter = Capabilities { max_binding_bytes: 2_000, ..*gpu.capabilities() };
    let error = wgconv::choose(&geometry, &tighter, &Options::default()).expect_err("one image is too large");
    assert!(error.to_string().contains("max_storage_buffer_binding_size"), "{error}");

    // A workspace limit splits the batch of a GEMM.
    let one_image = 36 * 90 * 4;
    let options =
        Options { workspace_limit: Some(3 * one_image), ..Options::default() }.algorithm(Algorithm::Im2colGemm);
    let context = gpu.context().clone();
    let lowered = wgconv::lower(&geometry, Algorithm::Im2colGemm, gpu.capabilities(), &options).expect("splits");
    assert!(lowered.workspace_bytes <= 3 * one_image && lowered.parts[0].count >= 2, "{}", lowered.describe());
    check("workspace", &run_guarded(&gpu, &context, &problem, &options, &inputs), &want, false);
}

#[test]
fn the_large_gemm_tile_is_right() {
    let gpu = open();
    let contexts = contexts(&gpu);
    // 2 x 1 x 98 tiles of 128 x 128.
    let pointwise: Problem = Conv::new(2, 20, [112, 112], 65, [1, 1]).bias(true).into();
    judge(&gpu, &contexts[..1], "large tile", &pointwise, &relaxed(), &integers(&pointwise, 14), true);
    let transposed: Problem = ConvTranspose::new(1, 5, [100, 90], 30, [2, 2]).stride(2).into();
    judge(&gpu, &contexts[..1], "large tile", &transposed, &Options::default(), &integers(&transposed, 15), true);
    // 131 tiles, the last one in part.
    let deformable: Problem = DeformConv2d::new(2, 3, [91, 91], 66, [2, 1]).padding([1, 0]).mask(true).into();
    judge(&gpu, &contexts[..1], "large tile", &deformable, &Options::default(), &integers(&deformable, 16), true);
}

/// Enough work for tiles eight columns wide, by the algorithm that has them.
fn wide_problems() -> Vec<(Problem, Algorithm, &'static str)> {
    let (wide, vec4s) = ("conv_subgroup_wide(", "conv_subgroup_wide_vec4(");
    let separate = "SEPARATE=true";
    let conv = |c_in, size, c_out, kernel| Conv::new(1, c_in, size, c_out, kernel).bias(true);
    let plain = |conv: Conv, stem| (conv.into(), Algorithm::RegisterTiled, stem);
    let phases = |conv: ConvTranspose, stem| (conv.into(), Algorithm::Phases, stem);
    vec![
        // A rest of channels, of rows and of columns.
        plain(conv(27, [30, 53], 45, [3, 3]).padding(1).activation(Activation::Relu), wide),
        plain(conv(32, [27, 40], 72, [3, 3]).padding(1).flip_kernel(true).residual(true), vec4s),
        plain(conv(16, [40, 40], 32, [5, 5]).padding([[1, 3], [4, 0]]), vec4s),
        plain(conv(16, [40, 40], 64, [4, 5]).padding([[0, 2], [1, 4]]), vec4s),
        plain(conv(27, [40, 36], 45, [5, 4]).padding([2, 3]).groups(3), vec4s),
        plain(conv(60, [40, 44], 45, [3, 2]), vec4s),
        plain(conv(16, [40, 36], 40, [3, 9]).padding([1, 4]), vec4s),
        plain(conv(16, [40, 37], 40, [3, 9]).padding([1, 8]), wide),
        plain(conv(64, [36, 36], 64, [3, 3]).padding(4).dilation(4).groups(2), wide),
        plain(conv(32, [33, 63], 32, [3, 3]).padding(5).dilation(5), wide),
        plain(conv(32, [24, 61], 32, [3, 4]).padding([2, 6]).dilation([1, 2]), wide),
        plain(conv(32, [32, 31], 64, [3, 3]).padding(1).padding_mode(PaddingMode::Reflect), wide),
        plain(conv(32, [32, 31], 64, [3, 3]).padding(1).padding_mode(PaddingMode::Circular), wide),
        plain(conv(96, [61, 31], 32, [3, 3]).stride([2, 1]).padding(1), wide),
        // Every second column.
        plain(conv(64, [48, 56], 64, [3, 3]).stride(2).padding(1), vec4s),
        plain(conv(60, [48, 55], 64, [3, 3]).stride(2).padding(1).padding_mode(PaddingMode::Reflect), wide),
        plain(conv(40, [48, 56], 45, [5, 5]).stride(2).padding([[2, 2], [1, 3]]), vec4s),
        plain(conv(64, [50, 57], 64, [3, 4]).stride(2), wide),
        plain(conv(96, [50, 64], 96, [2, 2]).stride(2), vec4s),
        plain(conv(64, [24, 60], 96, [3, 5]).stride([1, 2]).padding([1, 4]), vec4s),
        plain(Conv::new(2, 16, [6, 20, 24], 40, [3, 3, 3]).padding(1), vec4s),
        plain(Conv::new(1, 128, [1000], 64, [7]).padding(3), vec4s),
        // Taps that share nothing.
        plain(conv(160, [56, 58], 160, [1, 1]).stride(2).groups(1), separate),
        plain(conv(64, [33, 33], 64, [3, 3]).padding(12).dilation(12), separate),
        plain(conv(60, [60, 61], 72, [3, 3]).stride([1, 3]).padding(1).padding_mode(PaddingMode::Circular), separate),
        plain(conv(64, [60, 60], 90, [3, 3]).stride(2).dilation(2).padding(2).groups(2).flip_kernel(true), separate),
        // Transposed, at stride 1.
        (
            ConvTranspose::new(1, 54, [30, 33], 90, [3, 3]).padding(1).groups(2).bias(true).into(),
            Algorithm::Phases,
            wide,
        ),
        (
            ConvTranspose::new(1, 54, [30, 32], 90, [3, 4]).padding(1).groups(2).flip_kernel(true).into(),
            Algorithm::Phases,
            vec4s,
        ),
        // The phases of strided ones, of as many taps and of different ones, with rows that are read by vec4s and one by one.
        phases(ConvTranspose::new(1, 64, [20, 24], 64, [4, 4]).stride(2).padding(1).bias(true), vec4s),
        phases(ConvTranspose::new(2, 44, [45, 40], 90, [3, 3]).stride(2).padding(1).output_padding(1).groups(2), vec4s),
        phases(ConvTranspose::new(1, 64, [24, 23], 70, [5, 3]).stride([3, 2]).padding([2, 0]).flip_kernel(true), wide),
        phases(ConvTranspose::new(1, 72, [24, 28], 72, [2, 3]).stride([1, 3]), vec4s),
        phases(ConvTranspose::new(1, 64, [6, 12, 12], 64, [3, 2, 4]).stride([2, 2, 1]).padding([1, 0, 2]), vec4s),
        phases(ConvTranspose::new(1, 72, [900], 72, [8]).stride(2).padding(4).activation(Activation::Relu), vec4s),
        phases(ConvTranspose::new(1, 64, [24, 20], 64, [4, 7]).stride(2).padding([3, 6]), wide),
        // Columns by vec4s and one by one, a rest of every extent.
        (conv(120, [36, 36], 130, [1, 1]).into(), Algorithm::PointwiseGemm, "gemm_subgroup_vec4_ab("),
        (conv(120, [37, 35], 130, [1, 1]).into(), Algorithm::PointwiseGemm, "gemm_subgroup_vec4_a("),
    ]
}

#[test]
fn tiles_eight_columns_wide_are_exact() {
    let gpu = open();
    let own = *gpu.capabilities();
    if own.subgroup_size.is_none() {
        eprintln!("NOT TESTED: the adapter has no subgroups");
        return;
    }
    let context = gpu.context().view(Capabilities { class: KernelClass::Cpu, ..own });
    for (i, (problem, algorithm, stem)) in wide_problems().into_iter().enumerate() {
        let inputs = integers(&problem, i as u64);
        let run = run_guarded(&gpu, &context, &problem, &Options::default().algorithm(algorithm), &inputs);
        let is_wide = run.label.contains("conv_subgroup_wide") || run.label.contains("WIDE=true");
        assert!(run.label.contains(stem) && is_wide, "{problem:?}: {}", run.label);
        check(&format!("{problem:?}"), &run, &reference::run(&problem, &inputs).expect("valid"), true);
    }
}

#[test]
fn depthwise_rows_of_every_shape_are_exact() {
    let gpu = open();
    let contexts = contexts(&gpu);
    let stems = ["conv2d_depthwise_rows_vec4(", "conv2d_depthwise_rows("];
    let mut walked = [0; 2];
    for (i, pad) in (0..5).flat_map(|pad| (0..42).map(move |i| (i, pad))) {
        let (kernel_w, stride_w, dilation_w) = (1 + i % 7, 1 + i / 7 % 2, 1 + i / 14);
        // Round by round another kernel along y, another stride and another dilation.
        let kernel_h = 1 + (i + pad) % 7;
        let [stride_h, dilation_h] = [[1, 1], [2, 1], [1, 2], [2, 2], [1, 3]][(i + 2 * pad) % 5];
        // Eight columns of the output, whatever the window; one or two fewer of a narrower image.
        let Some(after) = ((kernel_w - 1) * dilation_w + 1).checked_sub(stride_w + pad) else { continue };
        for narrower in [0, 2] {
            let problem = Conv::new(1, 2, [23, 8 * stride_w - narrower], 4, [kernel_h, kernel_w]).groups(2);
            let problem = problem.stride([stride_h, stride_w]).dilation([dilation_h, dilation_w]);
            let problem = problem.padding([[kernel_w / 2, 9], [pad, after]]).flip_kernel(i % 3 == 0);
            let problem: Problem = problem.bias(i % 2 == 0).into();
            let name = format!("{problem:?}");
            let inputs = integers(&problem, i as u64);
            let want = reference::run(&problem, &inputs).expect("valid");
            for context in &contexts {
                let options = Options::default().algorithm(Algorithm::Depthwise);
                let run = run_guarded(&gpu, context, &problem, &options, &inputs);
                check(&name, &run, &want, true);
                for (walked, stem) in walked.iter_mut().zip(stems) {
                    *walked += usize::from(run.label.contains(stem));
                }
            }
        }
    }
    assert!(walked.iter().all(|&walked| walked > 100), "{walked:?} of these shapes by {stems:?}");
}

#[test]
fn every_tap_samples_its_own_point_for_its_own_channels() {
    let gpu = open();
    let contexts = contexts(&gpu);
    // Weight groups of 12 channels, offset groups of 8 or 4: neither divides the other, and some span both.
    for (groups, offset_groups) in [(1, 1), (2, 3), (3, 2), (2, 6), (6, 2), (1, 24)] {
        let problem = DeformConv2d::new(2, 24, [6, 7], 12, [2, 3]).padding(1).mask(true);
        let problem: Problem = problem.groups(groups).offset_groups(offset_groups).into();
        let geometry = Geometry::new(&problem).expect("valid");
        let mut inputs = integers(&problem, 17);
        // Neighbouring pixels, channels, groups and taps differ, in values whose sums are exact.
        let pixels = inputs.get_mut(&TensorName::Input).expect("an input");
        pixels.iter_mut().enumerate().for_each(|(i, value)| *value = (i % 127) as f32);
        let planes = |name: TensorName| geometry.tensor(name).expect("deformable").shape[1];
        let per_plane = geometry.output_shape()[2] * geometry.output_shape()[3];
        for (name, step, modulus, scale) in [(TensorName::Offset, 7, 41, 0.25), (TensorName::Mask, 5, 9, 1.0)] {
            let n = planes(name);
            let values = inputs.get_mut(&name).expect("deformable");
            for (i, value) in values.iter_mut().enumerate() {
                let plane = i / per_plane % n;
                *value = ((plane * step % modulus) as f32 - (modulus / 2) as f32) * scale;
            }
        }
        let name = format!("{groups} groups, {offset_groups} offset groups");
        judge(&gpu, &contexts, &name, &problem, &Options::default(), &inputs, true);
    }
}

#[test]
fn few_outputs_with_long_sums_are_cut_into_slices_on_gpus() {
    // What the chosen algorithm dispatches.
    let dispatched = |batch, capabilities| {
        let problem = Conv::new(batch, 512, [7, 7], 512, [3, 3]).padding(1);
        let geometry = Geometry::new(&problem.into()).expect("valid");
        let options = Options::default().accuracy(Accuracy::Strict);
        let chosen = choose(&geometry, &capabilities, &options).expect("served").algorithm;
        let all = candidates(&geometry, &capabilities, &options);
        all.into_iter().find(|c| c.algorithm == chosen).expect("it is one of them").verdict.expect("it applies")
    };
    assert!(dispatched(1, Capabilities::gpu()).contains("conv_sum_slices"));
    assert!(!dispatched(256, Capabilities::gpu()).contains("conv_sum_slices"));
    assert!(!dispatched(1, Capabilities::cpu()).contains("conv_sum_slices"));
}

/// What the tiles of GPUs multiply, and the kernel that is expected of it.
fn panel_problems() -> Vec<(Problem, Algorithm, &'static str)> {
    let conv = |batch, c_in, input, c_out, kernel| Conv::new(batch, c_in, input, c_out, kernel);
    let (packed, pointwise) = (Algorithm::PackedGemm, Algorithm::PointwiseGemm);
    let (columns, rows) = ("gemm_vec4(", "gemm_vec4_rows(");
    let stem = "conv_packed_gemm";
    vec![
        (conv(2, 16, [9, 11], 20, [3, 3]).padding(1).bias(true).into(), packed, stem),
        // Channels that leave a panel part empty, rows that leave a vec4 part empty.
        (conv(1, 13, [8, 7], 37, [3, 2]).padding([[2, 0], [1, 3]]).into(), packed, stem),
        (
            conv(3, 24, [10, 9], 30, [3, 3]).groups(2).stride([2, 1]).flip_kernel(true).residual(true).into(),
            packed,
            stem,
        ),
        (conv(1, 8, [15, 17], 70, [3, 3]).dilation([2, 3]).padding(3).into(), packed, stem),
        (conv(1, 10, [7, 9], 12, [6, 7]).padding(3).into(), packed, stem),
        (conv(2, 9, [6, 8], 9, [3, 3]).padding(2).padding_mode(PaddingMode::Reflect).into(), packed, stem),
        (conv(1, 9, [6, 8], 9, [3, 3]).padding(2).padding_mode(PaddingMode::Circular).into(), packed, stem),
        (Conv::new(2, 11, [37], 19, [5]).padding(2).into(), packed, stem),
        (Conv::new(1, 8, [4, 5, 6], 14, [2, 3, 3]).padding(1).stride(2).into(), packed, stem),
        (conv(5, 19, [7, 7], 22, [1, 1]).bias(true).into(), packed, stem),
        // Few outputs and long sums: slices.
        (conv(1, 320, [5, 5], 24, [3, 3]).padding(1).bias(true).into(), packed, "conv_sum_slices"),
        (
            conv(2, 24, [8, 8], 36, [1, 1]).bias(true).residual(true).activation(Activation::Relu).into(),
            pointwise,
            rows,
        ),
        (conv(1, 21, [6, 10], 17, [1, 1]).groups(1).into(), pointwise, rows),
        (conv(3, 32, [4, 6], 40, [1, 1]).groups(2).into(), pointwise, rows),
        (conv(1, 3072, [4, 4], 24, [1, 1]).bias(true).into(), pointwise, "conv_sum_slices"),
        (conv(2, 12, [7, 7], 26, [3, 3]).padding(1).into(), Algorithm::Im2colGemm, columns),
        (conv(2, 12, [8, 6], 26, [3, 3]).padding(1).into(), Algorithm::Im2colGemm, rows),
        (conv(1, 20, [9, 13], 28, [3, 3]).padding(1).bias(true).into(), Algorithm::WinogradF2, rows),
        (conv(2, 8, [11, 8], 12, [3, 3]).padding(1).groups(2).into(), Algorithm::WinogradF2, rows),
    ]
}

#[test]
fn panels_of_every_tile_are_exact() {
    let gpu = open();
    let machine = Capabilities::gpu().machine;
    let own = Capabilities { class: KernelClass::Gpu, machine, ..*gpu.capabilities() };
    let context = gpu.context().view(own);
    let more = ["16x8-8x8-k16", "8x8-8x8-k16", "16x8-8x4-k16", "16x8-4x4-k16", "8x8-8x4-k16"];
    let more = more.map(|name| Tile::parse(name).expect("a tile"));
    let fits = |tile: &Tile| tile.invocations() <= own.max_invocations_per_workgroup;
    let tiles: Vec<Tile> = Tile::ALL.into_iter().chain(more).filter(fits).collect();
    for (i, (problem, algorithm, stem)) in panel_problems().into_iter().enumerate() {
        let inputs = integers(&problem, i as u64);
        let want = reference::run(&problem, &inputs).expect("valid");
        // Each problem by two tiles, each tile by several problems: a driver compiles each of them for a second.
        for tile in (0..2).map(|turn| tiles[(i * 2 + turn) % tiles.len()]) {
            let options = relaxed().algorithm(algorithm).tile(tile);
            if tile.panel_bytes() + 16 * tile.block()[1] > own.max_workgroup_bytes {
                continue;
            }
            let run = run_guarded(&gpu, &context, &problem, &options, &inputs);
            assert!(run.label.contains(stem), "{problem:?}: {}", run.label);
            check(&format!("{problem:?} by {tile}"), &run, &want, true);
        }
    }
}

#[test]
fn parts_of_a_batch_read_the_weights_that_are_packed_for_them() {
    let gpu = open();
    let mut reached = [0; 2];
    // Weights are packed by the tile, which suits a number of images: two of them fill the device.
    let machine = Machine { multiprocessors: 8, ..Capabilities::gpu().machine };
    let problems = [
        Conv::new(7, 24, [40, 40], 64, [3, 3]).padding(1).bias(true),
        Conv::new(5, 328, [16, 16], 256, [1, 1]),
        Conv::new(5, 16, [30, 32], 64, [3, 3]).padding(1),
    ];
    for conv in problems {
        let problem: Problem = conv.into();
        let geometry = Geometry::new(&problem).expect("valid");
        let batch = problem.batch() as u64;
        let inputs = integers(&problem, 3);
        let want = reference::run(&problem, &inputs).expect("valid");
        for class in [KernelClass::Gpu, KernelClass::Cpu] {
            for at_once in 2..batch {
                // Room for so many images of the larger tensor.
                let image =
                    geometry.tensors().iter().filter(|spec| spec.takes_layout()).map(|spec| spec.len() * 4).max();
                let bytes = image.expect("an input") as u64 / batch * at_once + 256;
                let own = Capabilities { max_workgroup_bytes: 32 << 10, machine, ..*gpu.capabilities() };
                let capabilities = Capabilities { class, max_binding_bytes: bytes, ..own };
                let context = gpu.context().view(capabilities);
                for algorithm in [Algorithm::PackedGemm, Algorithm::RegisterTiled, Algorithm::PointwiseGemm] {
                    let options = Options::default().algorithm(algorithm).pack_weights();
                    let Ok(program) = wgconv::lower(&geometry, algorithm, &capabilities, &options) else { continue };
                    if program.parts.len() < 2 || program.packed_bytes == 0 {
                        continue;
                    }
                    let differ = program.packing.len() > 1;
                    if reached[usize::from(differ)] > 2 {
                        continue;
                    }
                    reached[usize::from(differ)] += 1;
                    let label = format!("{class:?} {algorithm} of {at_once} images");
                    check(&label, &run_guarded(&gpu, &context, &problem, &options, &inputs), &want, true);
                }
            }
        }
    }
    assert!(reached.iter().all(|&n| n > 0), "packed alike and each for itself: {reached:?}");
}
