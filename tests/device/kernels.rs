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
    Accuracy, Activation, Algorithm, Capabilities, Conv, Inputs, KernelClass, Layout, Options, PoolMode, Problem,
    TensorName,
};

pub(crate) fn check(name: &str, run: &Run, want: &Outcome, exact: bool) {
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
pub(crate) fn judge(
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
