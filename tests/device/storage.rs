//! Tensors of f16: every algorithm against the oracle on the numbers that f16 holds, on devices with and without
//! `SHADER_F16`, forward and backward, strided, accumulated and split along the batch, with every buffer's surroundings
//! watched to the half word.

use std::collections::BTreeMap;

use crate::common::{Reached, agrees, applicable, inputs as fill, layouts, open, random, relaxed, run_guarded, zoo};
use half::f16;
use wgconv::gpu::{Bindings, Context, Gpu, Plan};
use wgconv::reference::{self, Outcome};
use wgconv::{
    Algorithm, Capabilities, Conv, DeformConv2d, Geometry, Gradient, Inputs, KernelClass, Options, Pool, Problem,
    Storage, TensorName,
};

/// Both kernel classes as the device is, and the first as if it had no `SHADER_F16`.
fn contexts(gpu: &Gpu) -> Vec<Context> {
    let own = *gpu.capabilities();
    let classes = [
        Capabilities { class: KernelClass::Gpu, ..own },
        Capabilities { class: KernelClass::Cpu, ..own },
        Capabilities { class: KernelClass::Gpu, f16: false, ..own },
    ];
    classes.into_iter().map(|caps| gpu.context().view(caps)).collect()
}

fn in_f16(options: Options) -> Options {
    options.storage(Storage::F16)
}

/// What must come of a problem by an algorithm, by the name of what it writes.
fn expected(problem: &Problem, inputs: &Inputs, algorithm: Algorithm) -> BTreeMap<TensorName, Outcome> {
    let outcomes: BTreeMap<TensorName, Outcome> = match problem {
        Problem::Gradient(gradient) => {
            let wanted: Vec<TensorName> = gradient.wanted.iter().copied().collect();
            reference::gradients(&gradient.of, inputs, &inputs[&TensorName::GradOutput], &wanted)
                .expect("zoo problems are valid")
                .into_iter()
                .map(|(name, outcome)| (name.gradient().expect("an input"), outcome))
                .collect()
        }
        _ => {
            let outcome = reference::run_by(problem, inputs, algorithm).expect("zoo problems are valid");
            BTreeMap::from([(TensorName::Output, outcome)])
        }
    };
    outcomes.into_iter().map(|(name, outcome)| (name, outcome.stored(Storage::F16))).collect()
}

/// Runs every applicable algorithm, and says how many there were.
fn judge(gpu: &Gpu, context: &Context, name: &str, problem: &Problem, options: &Options, inputs: &Inputs) -> usize {
    let beta = if let Problem::Gradient(gradient) = problem { gradient.beta } else { 0.0 };
    let algorithms = applicable(problem, context.capabilities(), options);
    assert!(algorithms.contains(&Algorithm::of(problem)[0]), "{name}: the always-correct kernel must apply");
    for &algorithm in &algorithms {
        let run = run_guarded(gpu, context, problem, &options.clone().algorithm(algorithm), inputs);
        for (tensor, outcome) in expected(problem, inputs, algorithm) {
            let got = if tensor == TensorName::Output { &run.output } else { &run.gradients[&tensor] };
            assert_eq!(got.len(), outcome.output.len(), "{name}: {} {tensor}", run.label);
            for (i, (&got, &value)) in got.iter().zip(&outcome.output).enumerate() {
                let before = f64::from(beta) * inputs.get(&tensor).map_or(0.0, |data| f64::from(data[i]));
                let tolerance = outcome.tolerance(i) + before.abs() / 1024.0;
                assert!(
                    agrees(got, value + before, tolerance),
                    "{name}: {} {tensor} {i} of {:?} is {got}, want {} +- {tolerance}",
                    run.label,
                    outcome.shape,
                    value + before
                );
            }
            if tensor == TensorName::Output {
                assert_eq!(run.indices, outcome.indices, "{name}: {} indices", run.label);
            }
        }
    }
    algorithms.len()
}

#[test]
fn every_algorithm_computes_on_halves() {
    let gpu = open();
    let mut computed = 0;
    for context in contexts(&gpu) {
        // A device without `SHADER_F16` launches the same but for loads and stores.
        let mut reached = Reached::default();
        for (name, problem) in &zoo() {
            if context.capabilities().f16 || reached.grows(&context, problem, &in_f16(relaxed())) {
                let inputs = Storage::F16.round_all(&random(problem, 31));
                computed += judge(&gpu, &context, name, problem, &in_f16(relaxed()), &inputs);
            }
        }
    }
    assert!(computed > 300, "only {computed}");
}

#[test]
fn every_gradient_computes_on_halves() {
    let gpu = open();
    for context in contexts(&gpu) {
        // A device without `SHADER_F16` launches the same but for loads and stores.
        let mut reached = Reached::default();
        for (name, problem) in zoo() {
            let problem: Problem = Gradient::all(problem).into();
            if context.capabilities().f16 || reached.grows(&context, &problem, &in_f16(relaxed())) {
                let inputs = Storage::F16.round_all(&random(&problem, 32));
                judge(&gpu, &context, name, &problem, &in_f16(relaxed()), &inputs);
            }
        }
    }
}

#[test]
fn gradients_accumulate_into_halves() {
    let gpu = open();
    for context in contexts(&gpu) {
        for problem in
            [Conv::new(2, 4, [7, 9], 5, [3, 3]).bias(true).into(), Pool::average(1, 3, [7, 7], [2, 2]).into()]
                as [Problem; 2]
        {
            let problem: Problem = Gradient::all(problem).beta(0.5).into();
            let inputs = Storage::F16.round_all(&random(&problem, 33));
            judge(&gpu, &context, "accumulated", &problem, &in_f16(relaxed()), &inputs);
        }
        let deformable = DeformConv2d::new(1, 4, [7, 7], 3, [3, 3]).mask(true).bias(true);
        let problem: Problem = Gradient::all(deformable).beta(0.5).into();
        let inputs = Storage::F16.round_all(&random(&problem, 34));
        judge(&gpu, &context, "accumulated", &problem, &in_f16(relaxed()), &inputs);
    }
}

#[test]
fn views_of_halves_leave_their_neighbours_alone() {
    let gpu = open();
    let conv: Problem = Conv::new(2, 3, [5, 7], 5, [3, 3]).padding(1).bias(true).residual(true).into();
    let deformable: Problem = DeformConv2d::new(2, 4, [6, 5], 3, [3, 3]).mask(true).into();
    let row: Problem = Conv::new(3, 2, [9], 3, [2]).into();
    let problems = [conv.clone(), deformable, row, Pool::max(2, 3, [5, 5], [2, 2]).into(), Gradient::all(conv).into()];
    for context in contexts(&gpu) {
        for problem in &problems {
            for (name, options) in layouts(problem) {
                let inputs = Storage::F16.round_all(&random(problem, 35));
                judge(&gpu, &context, name, problem, &in_f16(options), &inputs);
            }
        }
    }
}

#[test]
fn a_batch_in_parts_adds_up_in_halves() {
    let gpu = open();
    let own = *gpu.capabilities();
    for f16 in [own.f16, false] {
        // Room for two of five images.
        let limited =
            Capabilities { class: KernelClass::Gpu, f16, max_binding_bytes: 2200, storage_alignment: 256, ..own };
        let context = gpu.context().view(limited);
        let conv = Conv::new(5, 3, [9, 11], 4, [3, 3]).bias(true);
        for beta in [0.0, 0.5] {
            let problem: Problem = Gradient::all(conv.clone()).beta(beta).into();
            let inputs = Storage::F16.round_all(&random(&problem, 36));
            let options = in_f16(Options::default().algorithm(Algorithm::Direct));
            let plan = Plan::new(&context, &problem, &options).expect("parts fit");
            assert!(plan.dispatch_count() > plan.kernels().len(), "it is not split: {:?}", plan.kernels());
            let run = run_guarded(&gpu, &context, &problem, &options, &inputs);
            for (tensor, outcome) in expected(&problem, &inputs, Algorithm::Direct) {
                for (i, (&got, &value)) in run.gradients[&tensor].iter().zip(&outcome.output).enumerate() {
                    let before = f64::from(beta) * inputs.get(&tensor).map_or(0.0, |data| f64::from(data[i]));
                    // Every part is rounded when it is stored.
                    let tolerance = outcome.tolerance(i) + 5.0 * (outcome.magnitude[i] + before.abs()) / 1024.0;
                    let want = value + before;
                    assert!(agrees(got, want, tolerance), "{tensor} {i} is {got}, want {want} +- {tolerance}");
                }
            }
        }
    }
}

/// Values at the ends of what f16 holds.
#[test]
fn what_f16_cannot_hold_is_infinite_and_nan_stays() {
    let gpu = open();
    let problem: Problem = Conv::new(1, 1, [8], 1, [1]).into();
    let data = [65504.0, -65504.0, 1.0, f32::NAN, f32::INFINITY, 2.0, 0.0, 2.0_f32.powi(-14)];
    let weights = [1.0, 1.5];
    for weight in weights {
        let mut inputs = fill(&problem, |_| weight);
        inputs.insert(TensorName::Input, data.to_vec());
        for context in contexts(&gpu) {
            let run = run_guarded(&gpu, &context, &problem, &in_f16(Options::default()), &inputs);
            for (&got, value) in run.output.iter().zip(data) {
                let want = f16::from_f32(weight * value).to_f32();
                assert!(got == want || got.is_nan() && want.is_nan(), "{}: {got}, want {want}", run.label);
            }
        }
    }
}

#[test]
fn halves_take_half_the_room() {
    let gpu = open();
    // An odd number of elements, in both tensors.
    let problem: Problem = Conv::new(1, 3, [3, 3], 1, [3, 3]).into();
    let geometry = Geometry::new(&problem).expect("valid");
    assert_eq!(geometry.min_bytes(Storage::F16) * 2, geometry.min_bytes(Storage::F32));
    let plan = Plan::new(gpu.context(), &problem, &in_f16(Options::default())).expect("it applies");
    assert_eq!(plan.geometry().tensor(TensorName::Input).expect("read").bytes(plan.options().storage), 54);
    let buffer = |size: u64| {
        let usage = wgpu::BufferUsages::STORAGE;
        gpu.device().create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    };
    let (input, weight, output, short) = (buffer(56), buffer(56), buffer(4), buffer(52));
    let workspace = buffer(plan.workspace_size().max(4));
    let bind = |input: &wgpu::Buffer| {
        let bindings = Bindings::new().tensor(TensorName::Input, input).tensor(TensorName::Weight, &weight);
        plan.bind(&bindings.tensor(TensorName::Output, &output).workspace(&workspace)).map(drop)
    };
    assert!(bind(&input).is_ok());
    let error = bind(&short).expect_err("two bytes are missing").to_string();
    assert!(error.contains("the tensor ends at byte 56"), "{error}");
}

#[test]
fn only_devices_without_f16_take_workspace_for_it() {
    let problem: Problem = Conv::new(1, 8, [9, 9], 8, [3, 3]).into();
    let geometry = Geometry::new(&problem).expect("valid");
    for (f16, workspace) in [(true, 0), (false, 4 * 8 * 7 * 7)] {
        let caps = Capabilities { f16, ..Capabilities::gpu() };
        let lowered = wgconv::lower(&geometry, Algorithm::Direct, &caps, &in_f16(Options::default()));
        let bytes = lowered.expect("it applies").workspace_bytes;
        assert!(bytes >= workspace && bytes < workspace + 256, "{bytes} of workspace with f16: {f16}");
    }
}
