//! Every backward kernel against the gradient oracles, with a gradient from the middle of a graph: exact on small
//! integers and bounded on random data, in both kernel classes and both runtime-check modes, every subset, accumulated,
//! strided, split along the batch, and the same bits every time.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use crate::common::{
    Judged, Reached, Run, agrees, applicable, contexts, epilogues, integers, layouts, open, random, run_guarded, zoo,
};
use wgconv::gpu::{Bindings, Context, Gpu, Plan};
use wgconv::reference::{self, Outcome};
use wgconv::{
    Access, Activation, Algorithm, Capabilities, Conv, ConvTranspose, DeformConv2d, Geometry, Gradient, Inputs,
    KernelClass, Options, PaddingMode, PoolMode, Problem, TensorName,
};

/// What the oracle says, by the name of the gradient.
fn oracle(gradient: &Gradient, inputs: &Inputs) -> BTreeMap<TensorName, Outcome> {
    let wanted: Vec<TensorName> = gradient.wanted.iter().copied().collect();
    let outcomes = reference::gradients(&gradient.of, inputs, &inputs[&TensorName::GradOutput], &wanted);
    let outcomes = outcomes.unwrap_or_else(|error| panic!("{gradient:?}: {error}"));
    outcomes.into_iter().map(|(name, outcome)| (name.gradient().expect("an input"), outcome)).collect()
}

/// Every gradient of `run` against the oracle, with what the buffers held before.
fn check(
    name: &str,
    gradient: &Gradient,
    run: &Run,
    inputs: &Inputs,
    want: &BTreeMap<TensorName, Outcome>,
    exact: bool,
) {
    assert_eq!(run.gradients.keys().collect::<Vec<_>>(), want.keys().collect::<Vec<_>>(), "{name}: {}", run.label);
    for (tensor, outcome) in want {
        let got = &run.gradients[tensor];
        assert_eq!(got.len(), outcome.output.len(), "{name}: {} {tensor}", run.label);
        for (i, (&got, &value)) in got.iter().zip(&outcome.output).enumerate() {
            let before = f64::from(gradient.beta) * inputs.get(tensor).map_or(0.0, |data| f64::from(data[i]));
            let rounding = if before == 0.0 { 0.0 } else { 2.0_f64.powi(-23) * (before.abs() + value.abs()) };
            let tolerance = if exact { 0.0 } else { outcome.tolerance(i) + rounding };
            assert!(
                agrees(got, value + before, tolerance),
                "{name}: {} {tensor} {i} of {:?} is {got}, want {} +- {tolerance}",
                run.label,
                outcome.shape,
                value + before
            );
        }
    }
}

/// Runs every applicable algorithm of both classes.
fn judge(
    gpu: &Gpu,
    contexts: &[Context],
    name: &str,
    gradient: &Gradient,
    options: &Options,
    inputs: &Inputs,
    exact: bool,
) {
    let want = oracle(gradient, inputs);
    let problem: Problem = gradient.clone().into();
    let mut judged = Judged::default();
    for context in contexts {
        let algorithms = applicable(&problem, context.capabilities(), options);
        let first = Algorithm::of(&problem)[0];
        assert!(algorithms.contains(&first), "{name}: the always-correct {first} must apply");
        for algorithm in algorithms {
            if !judged.is_new(context, &problem, options, algorithm) {
                continue;
            }
            let run = run_guarded(gpu, context, &problem, &options.clone().algorithm(algorithm), inputs);
            check(name, gradient, &run, inputs, &want, exact);
        }
    }
}

/// Quotients, powers and smooth activations are not exact on integers.
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
    for (name, problem) in zoo().into_iter().filter(|(_, problem)| is_exact_on_integers(problem)) {
        let gradient = Gradient::all(problem);
        let inputs = integers(&gradient.clone().into(), 21);
        judge(&gpu, &contexts, name, &gradient, &Options::default(), &inputs, true);
    }
}

#[test]
fn random_data_stays_within_the_bound() {
    let gpu = open();
    let contexts = contexts(&gpu);
    for (name, problem) in zoo() {
        let gradient = Gradient::all(problem);
        let inputs = random(&gradient.clone().into(), 22);
        judge(&gpu, &contexts, name, &gradient, &Options::default(), &inputs, false);
    }
}

#[test]
fn runtime_checks_change_nothing() {
    let gpu = open();
    let contexts = contexts(&gpu);
    let options = Options { runtime_checks: true, ..Options::default() };
    for context in &contexts {
        // The checks are put into the text of a kernel, whatever its constants.
        let mut reached = Reached::default();
        for (name, problem) in zoo() {
            let gradient = Gradient::all(problem);
            let problem: Problem = gradient.clone().into();
            if reached.grows(context, &problem, &options) {
                judge(&gpu, slice::from_ref(context), name, &gradient, &options, &random(&problem, 23), false);
            }
        }
    }
}

#[test]
fn activations_are_differentiated() {
    let gpu = open();
    let contexts = contexts(&gpu);
    for problem in epilogues() {
        let name = format!("{:?}", problem.epilogue());
        let gradient = Gradient::all(problem);
        let mut inputs = random(&gradient.clone().into(), 24);
        judge(&gpu, &contexts, &name, &gradient, &Options::default(), &inputs, false);
        // Large arguments: where exp overflows and the derivative is 0 or 1.
        for (tensor, values) in &mut inputs {
            let factor = if *tensor == TensorName::GradOutput { 1.0 } else { 40.0 };
            values.iter_mut().for_each(|value| *value *= factor);
        }
        judge(&gpu, &contexts, &name, &gradient, &Options::default(), &inputs, false);
    }
}

#[test]
fn every_subset_and_accumulation() {
    let gpu = open();
    let contexts = contexts(&gpu);
    let mut problems: Vec<(&str, Problem)> = zoo();
    problems.extend(epilogues().into_iter().skip(6).map(|problem| ("epilogue", problem)));
    for (i, (name, problem)) in problems.into_iter().enumerate() {
        let names = problem.differentiable();
        for subset in 1..1_u32 << names.len() {
            let wanted = names.iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1).map(|(_, &name)| name);
            let gradient = Gradient::new(problem.clone(), wanted).beta([0.0, 1.0, -0.5][(i + subset as usize) % 3]);
            let inputs = random(&gradient.clone().into(), 25);
            // Both classes lower alike but for the GEMM; one of them is enough here.
            let one = &contexts[subset as usize % 2..][..1];
            judge(&gpu, one, name, &gradient, &Options::default(), &inputs, false);
        }
    }
}

#[test]
fn strided_views_work_for_every_gradient() {
    let gpu = open();
    let contexts = contexts(&gpu);
    let mut problems: Vec<Problem> = zoo().into_iter().map(|(_, problem)| problem).collect();
    problems.extend(epilogues().into_iter().skip(7));
    for problem in problems {
        let gradient = Gradient::all(problem);
        let problem: Problem = gradient.clone().into();
        for (name, options) in layouts(&problem) {
            judge(&gpu, &contexts, name, &gradient, &options, &random(&problem, 26), false);
        }
    }
}

#[test]
fn a_split_batch_adds_up() {
    let gpu = open();
    let problems: [Problem; 4] = [
        Conv::new(7, 4, [9, 10], 6, [3, 3]).padding(1).bias(true).residual(true).activation(Activation::Silu).into(),
        ConvTranspose::new(7, 4, [9, 10], 6, [3, 3]).stride(2).bias(true).into(),
        wgconv::LocallyConnected2d::new(61, 2, [6, 7], 3, [3, 3]).bias(true).into(),
        DeformConv2d::new(5, 4, [9, 10], 6, [3, 3]).padding(1).mask(true).bias(true).into(),
    ];
    for problem in problems {
        for beta in [0.0, 0.5] {
            let gradient = Gradient::all(problem.clone()).beta(beta);
            let inputs = random(&gradient.clone().into(), 27);
            let want = oracle(&gradient, &inputs);
            let problem: Problem = gradient.clone().into();
            let geometry = Geometry::new(&problem).expect("valid");
            let mut splits = 0;
            for algorithm in applicable(&problem, gpu.capabilities(), &Options::default()) {
                // Room for the workspace of two images.
                let whole = wgconv::lower(&geometry, algorithm, gpu.capabilities(), &Options::default());
                let whole = whole.expect("applies").workspace_bytes;
                if whole == 0 {
                    continue;
                }
                let per_image = whole / problem.batch() as u64;
                let options = Options { workspace_limit: Some(2 * per_image + 2048), ..Options::default() };
                let options = options.algorithm(algorithm);
                let lowered = wgconv::lower(&geometry, algorithm, gpu.capabilities(), &options);
                let lowered = lowered.expect("splits");
                splits += usize::from(lowered.is_split());
                let context = gpu.context().clone();
                check(
                    "split",
                    &gradient,
                    &run_guarded(&gpu, &context, &problem, &options, &inputs),
                    &inputs,
                    &want,
                    false,
                );
            }
            // By the size of a binding, which the kernels without workspace feel too.
            let largest = geometry.tensors().iter().map(|spec| spec.len() as u64 * 4).max().unwrap_or(0);
            let tight = Capabilities { max_binding_bytes: largest / 2 + 600, ..*gpu.capabilities() };
            let context = gpu.context().view(tight);
            for algorithm in applicable(&problem, &tight, &Options::default()) {
                let options = Options::default().algorithm(algorithm);
                let lowered = wgconv::lower(&geometry, algorithm, &tight, &options).expect("splits");
                splits += usize::from(lowered.is_split());
                check(
                    "split",
                    &gradient,
                    &run_guarded(&gpu, &context, &problem, &options, &inputs),
                    &inputs,
                    &want,
                    false,
                );
            }
            assert!(splits > 0, "{} was never split", problem.op_name());
        }
    }
}

/// The bits of all gradients by each of so many runs, on gradients and a workspace that hold what the run before left.
fn repeated(gpu: &Gpu, plan: &Plan, inputs: &Inputs, count: usize) -> Vec<Vec<u32>> {
    const RUNS_OF_A_SUBMISSION: usize = 10;
    let create = |words: usize| {
        gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: words as u64 * 4,
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        })
    };
    let specs = plan.geometry().tensors();
    let buffers: Vec<wgpu::Buffer> = specs.iter().map(|spec| create(spec.len())).collect();
    let workspace = create((plan.workspace_size() as usize / 4).max(1));
    let mut bindings = Bindings::new().workspace(&workspace);
    for (spec, buffer) in specs.iter().zip(&buffers) {
        bindings = bindings.tensor(spec.name, buffer);
        if let Some(data) = inputs.get(&spec.name) {
            gpu.queue().write_buffer(buffer, 0, bytemuck::cast_slice(data));
        }
    }
    let bound = plan.bind(&bindings).unwrap_or_else(|error| panic!("{error}"));

    let written: Vec<_> = specs.iter().zip(&buffers).filter(|(spec, _)| spec.access == Access::Write).collect();
    let words: usize = written.iter().map(|(spec, _)| spec.len()).sum();
    let results = create(count * words);
    let mut end = 0;
    for first in (0..count).step_by(RUNS_OF_A_SUBMISSION) {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for _ in first..count.min(first + RUNS_OF_A_SUBMISSION) {
            bound.encode(&mut encoder);
            for (_, buffer) in &written {
                encoder.copy_buffer_to_buffer(buffer, 0, &results, end, buffer.size());
                end += buffer.size();
            }
        }
        gpu.queue().submit([encoder.finish()]);
    }
    let results = gpu.read_back(&results).expect("the results can be read");
    results.chunks_exact(words).map(<[u32]>::to_vec).collect()
}

/// How often a gradient is computed by what the device would use itself: `WGCONV_REPEATS`, ten times by default.
fn n_repeats() -> usize {
    let variable = std::env::var("WGCONV_REPEATS").ok().filter(|text| !text.is_empty());
    variable.map_or(10, |text| text.parse().expect("WGCONV_REPEATS is a whole number"))
}

#[test]
fn repeats_are_bit_identical() {
    let gpu = open();
    // The device's own class comes first.
    let mut contexts = contexts(&gpu);
    contexts.sort_by_key(|context| context.capabilities() != gpu.capabilities());
    let mut seen = BTreeSet::new();
    for context in &contexts {
        for (name, problem) in zoo() {
            let problem: Problem = Gradient::all(problem).into();
            let inputs = random(&problem, 28);
            for algorithm in applicable(&problem, context.capabilities(), &Options::default()) {
                if algorithm == Algorithm::AtomicScatter {
                    continue;
                }
                let plan = Plan::new(context, &problem, &Options::default().algorithm(algorithm));
                let plan = plan.unwrap_or_else(|error| panic!("{name}: {error}"));
                // The classes share most kernels.
                if !seen.insert((name, plan.kernels())) {
                    continue;
                }
                // Other classes' kernels less often.
                let repeats = if context.capabilities() == gpu.capabilities() { n_repeats() } else { 3 };
                let results = repeated(&gpu, &plan, &inputs, repeats);
                let first = &results[0];
                for (i, other) in results.iter().enumerate() {
                    assert!(first == other, "{name} by {algorithm}: run {i} differs from the first");
                }
                println!("{name} by {algorithm}: {} bits, {repeats} times the same", 32 * first.len());
            }
        }
        println!("every gradient by every algorithm of {}", context.capabilities());
    }
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
    // Rests of rows, of weights and of positions, which a slice boundary cuts.
    let problems = [
        Conv::new(2, 26, [41, 43], 45, [3, 3]).padding(1),
        Conv::new(1, 40, [45, 45], 40, [3, 3]).padding(1).padding_mode(PaddingMode::Reflect).flip_kernel(true),
        Conv::new(1, 96, [60, 61], 96, [3, 3]).stride(2).groups(2).padding(1),
        Conv::new(1, 20, [9, 17, 19], 33, [3, 3, 3]).padding(1),
    ];
    for (i, problem) in problems.into_iter().enumerate() {
        let wanted = [TensorName::Input, TensorName::Weight];
        let gradient = Gradient::new(problem, wanted);
        let problem: Problem = gradient.clone().into();
        let inputs = integers(&problem, i as u64);
        let want = oracle(&gradient, &inputs);
        let options = Options::default().algorithm(Algorithm::Phases);
        let run = run_guarded(&gpu, &context, &problem, &options, &inputs);
        let wide = run.label.contains("conv_grad_weight_subgroup(") && run.label.contains("WIDE=true");
        assert!(wide, "{problem:?}: {}", run.label);
        check(&format!("{problem:?}"), &gradient, &run, &inputs, &want, true);
    }
}

#[test]
fn long_sums_are_cut_into_slices() {
    let gpu = open();
    // 2 x 1155 positions: several slices in both classes.
    let conv = Conv::new(2, 12, [35, 33], 33, [3, 3]).padding(1).groups(3).bias(true);
    let transposed = ConvTranspose::new(2, 9, [17, 16], 30, [3, 2]).stride(2).groups(3);
    for problem in [Problem::from(conv), transposed.into()] {
        let gradient = Gradient::new(problem, [TensorName::Weight]);
        let problem: Problem = gradient.clone().into();
        let geometry = Geometry::new(&problem).expect("valid");
        for context in contexts(&gpu) {
            let options = Options::default().algorithm(Algorithm::SplitKGemm);
            let lowered = wgconv::lower(&geometry, Algorithm::SplitKGemm, context.capabilities(), &options);
            let lowered = lowered.expect("applies");
            assert!(lowered.describe().contains("sum_slices"), "{}", lowered.describe());
            let inputs = integers(&problem, 29);
            let want = oracle(&gradient, &inputs);
            check("slices", &gradient, &run_guarded(&gpu, &context, &problem, &options, &inputs), &inputs, &want, true);
        }
    }
}

/// What docs/numerics.md says of NaN in grad_output where windows touch zero padding.
#[test]
fn a_nan_in_grad_output_reaches_its_filter_and_by_direct_kernels_no_padded_tap() {
    let gpu = open();
    let conv = |groups| Conv::new(1, 8, [13, 14], 8, [3, 3]).padding(1).groups(groups);
    let mut spread = BTreeSet::new();
    for problem in [conv(1), conv(1).stride(2), conv(8)] {
        let problem: Problem = problem.into();
        for (wanted, name) in [(TensorName::Weight, TensorName::GradWeight), (TensorName::Input, TensorName::GradInput)]
        {
            let gradient = Gradient::new(problem.clone(), [wanted]);
            for context in contexts(&gpu) {
                let of: Problem = gradient.clone().into();
                for algorithm in applicable(&of, context.capabilities(), &Options::default()) {
                    let mut inputs = integers(&of, 3);
                    // The corner of the first channel's image, whose window lies on padding for the most part.
                    inputs.get_mut(&TensorName::GradOutput).expect("read")[0] = f32::NAN;
                    let want = oracle(&gradient, &with_all(&problem, &inputs));
                    let run = run_guarded(&gpu, &context, &of, &Options::default().algorithm(algorithm), &inputs);
                    let filter = run.gradients[&name].len() / 8;
                    for (i, (got, want)) in run.gradients[&name].iter().zip(&want[&name].output).enumerate() {
                        assert!(got.is_nan() || !want.is_nan(), "{algorithm}: {name} {i} lost a NaN");
                        if got.is_nan() && !want.is_nan() {
                            assert!(name == TensorName::GradWeight && algorithm != Algorithm::Direct, "{algorithm}");
                            assert!(i < filter, "{algorithm}: {name} {i} is another filter's");
                            spread.insert(algorithm.name());
                        }
                    }
                }
            }
        }
    }
    assert_eq!(spread, BTreeSet::from(["depthwise", "implicit-gemm", "split-k-gemm"]));
}

/// Also what this gradient does not read.
fn with_all(problem: &Problem, inputs: &Inputs) -> Inputs {
    let mut all = integers(problem, 3);
    all.extend(inputs.iter().map(|(&name, data)| (name, data.clone())));
    all
}
