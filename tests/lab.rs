//! The laboratory: what it says is right, what it trains is reproducible, what it draws is there.

#![cfg(feature = "lab")]

mod common;

use std::collections::BTreeMap;

use common::{open, random};
use wgconv::lab::gradcheck::{Branches, Config, Kernels, Reference, Report, Verdict, gradcheck};
use wgconv::lab::picture::{Drawing, Format, render};
use wgconv::lab::train;
use wgconv::{Activation, Conv, DeformConv2d, Gradient, Inputs, Pool, Problem, TensorName, reference};

/// The oracle's gradients, random inputs and a random gradient of the output.
fn prepared(problem: &Problem) -> (Inputs, Vec<f32>, BTreeMap<TensorName, Vec<f64>>) {
    let mut inputs = random(problem, 51);
    let grad_output = random(&Gradient::all(problem.clone()).into(), 52).remove(&TensorName::GradOutput).expect("read");
    if let Some(offsets) = inputs.get_mut(&TensorName::Offset) {
        // Quarters, none of them an integer: no kink within the smaller steps.
        offsets.iter_mut().for_each(|value| *value = value.floor() + 0.25);
    }
    let gradients = reference::gradients(problem, &inputs, &grad_output, &problem.differentiable()).expect("valid");
    let gradients = gradients.into_iter().map(|(name, outcome)| (name, outcome.output)).collect();
    (inputs, grad_output, gradients)
}

fn checked(problem: &Problem, gradients: &BTreeMap<TensorName, Vec<f64>>, inputs: &Inputs, upstream: &[f32]) -> Report {
    let config = Config { elements: 1000, ..Config::default() };
    gradcheck(problem, inputs, upstream, gradients, &Reference(problem), &config, |_, _| {}).expect("valid")
}

fn problems() -> Vec<Problem> {
    vec![
        Conv::new(1, 2, [5, 6], 3, [3, 2]).padding(1).bias(true).activation(Activation::Gelu).into(),
        DeformConv2d::new(1, 4, [5, 6], 3, [2, 3]).padding(1).mask(true).offset_groups(2).bias(true).into(),
        Pool::lp(1, 2, [6], [3], 3.0).into(),
    ]
}

#[test]
fn right_gradients_agree() {
    for problem in problems() {
        let (inputs, upstream, gradients) = prepared(&problem);
        let report = checked(&problem, &gradients, &inputs, &upstream);
        let bad = report.elements.iter().find(|element| element.verdict != Verdict::Agrees);
        assert!(bad.is_none(), "{}: {bad:?}", problem.op_name());
        assert_eq!(report.tensors().len(), problem.differentiable().len());
    }
}

#[test]
fn wrong_gradients_are_found_element_by_element() {
    for problem in problems() {
        let (inputs, upstream, gradients) = prepared(&problem);
        for name in problem.differentiable() {
            let mut wrong = gradients.clone();
            let values = wrong.get_mut(&name).expect("computed");
            let largest = values.iter().map(|value| value.abs()).fold(0.0, f64::max);
            let at = values.iter().position(|value| value.abs() == largest).expect("there is one");
            values[at] *= 1.001;
            let report = checked(&problem, &wrong, &inputs, &upstream);
            let found = report.elements.iter().find(|e| e.tensor == name && e.index == at);
            assert!(!report.passed(), "{name} of {}: {found:?}", problem.op_name());
            let worst = &report.worst(name)[0];
            assert_eq!((worst.index, worst.verdict), (at, Verdict::Differs), "{name} of {}", problem.op_name());
            let others = report.elements.iter().filter(|e| e.verdict == Verdict::Differs).count();
            assert_eq!(others, 1, "{name} of {}", problem.op_name());
        }
    }
}

/// A column index that leaves the tap out makes every tap's gradient that of the first.
#[test]
fn a_gradient_that_is_right_for_the_first_tap_alone_is_found() {
    let problem: Problem = DeformConv2d::new(1, 3, [5, 6], 2, [3, 3]).padding(1).mask(true).into();
    let (inputs, upstream, mut gradients) = prepared(&problem);
    let mask = gradients.get_mut(&TensorName::Mask).expect("computed");
    let first = mask[..30].to_vec();
    mask.chunks_mut(30).for_each(|plane| plane.copy_from_slice(&first));
    let report = checked(&problem, &gradients, &inputs, &upstream);
    let wrong = report.elements.iter().filter(|element| element.verdict == Verdict::Differs);
    assert!(wrong.clone().count() > 100 && wrong.clone().all(|e| e.tensor == TensorName::Mask && e.index >= 30));
}

#[test]
fn integer_coordinates_are_kinks_and_the_right_hand_side_passes() {
    let problem: Problem = DeformConv2d::new(1, 2, [6, 6], 2, [1, 1]).into();
    let (mut inputs, upstream, _) = prepared(&problem);
    inputs.insert(TensorName::Offset, vec![1.0; 2 * 36]);
    let outcomes = reference::gradients(&problem, &inputs, &upstream, &[TensorName::Offset]).expect("valid");
    let gradients: BTreeMap<_, _> = outcomes.into_iter().map(|(name, o)| (name, o.output)).collect();
    let config = Config { wanted: vec![TensorName::Offset], elements: 100, ..Config::default() };
    let run = |gradients| gradcheck(&problem, &inputs, &upstream, &gradients, &Reference(&problem), &config, |_, _| {});
    let report = run(gradients.clone()).expect("valid");
    let kinks = report.elements.iter().filter(|element| element.verdict == Verdict::Kink).count();
    assert!(report.passed() && kinks > 40, "{kinks} kinks");
    for element in report.elements.iter().filter(|element| element.verdict == Verdict::Kink) {
        assert!((element.analytic - element.sides[1]).abs() < 1e-6, "the right-hand derivative: {element:?}");
    }
    let wrong = gradients.into_iter().map(|(name, values)| (name, values.iter().map(|v| v + 9.0).collect())).collect();
    assert!(!run(wrong).expect("valid").passed());
}

#[test]
fn the_kernels_own_outputs_can_be_differenced() {
    let gpu = open();
    for problem in problems() {
        let (inputs, upstream, gradients) = prepared(&problem);
        let kernels = Kernels::new(&gpu, &problem).expect("valid");
        let config = Config { elements: 20, ..Config::default() };
        let mut calls = 0;
        let report =
            gradcheck(&problem, &inputs, &upstream, &gradients, &kernels, &config, |_, _| calls += 1).expect("valid");
        assert!(
            report.passed(),
            "{}: {:?}",
            problem.op_name(),
            report.elements.iter().find(|e| e.verdict == Verdict::Differs)
        );
        assert_eq!(calls, report.elements.len());
        // Rounding rises as the step falls: the smallest step errs more than the best one.
        let rises = report.elements.iter().filter(|e| e.branches.last().is_some_and(|last| last.1 > 4.0 * e.error()));
        assert!(rises.count() > report.elements.len() / 2, "{}", problem.op_name());
    }
}

#[test]
fn bad_requests_are_refused_by_name() {
    let problem = &problems()[0];
    let (inputs, upstream, gradients) = prepared(problem);
    let refused = |config: Config, gradients: &BTreeMap<_, _>, text: &str| {
        let error = gradcheck(problem, &inputs, &upstream, gradients, &Reference(problem), &config, |_, _| {});
        let error = error.expect_err("refused").to_string();
        assert!(error.contains(text), "{error}");
    };
    refused(Config { elements: 0, ..Config::default() }, &gradients, "elements = 0");
    refused(Config { most_halvings: 1, ..Config::default() }, &gradients, "most_halvings = 1");
    refused(Config { wanted: vec![TensorName::Mask], ..Config::default() }, &gradients, "mask");
    refused(Config::default(), &BTreeMap::new(), "gradients = input");

    let gpu = open();
    let refused = |config: train::Config, text: &str| {
        let error = train::train(&gpu, &config, |_| true).expect_err("refused").to_string();
        assert!(error.contains(text), "{error}");
    };
    let config = train::Config::default();
    refused(train::Config { steps: 0, ..config.clone() }, "steps = 0");
    refused(train::Config { batch: 1, ..config.clone() }, "batch = 1");
    refused(train::Config { extent: 4, ..config.clone() }, "extent = 4");
    refused(train::Config { extent: 4000, ..config.clone() }, "extent = 4000");
    refused(train::Config { every: 0, ..config.clone() }, "every = 0");
    refused(train::Config { rate: f32::NAN, ..config }, "rate = NaN");
}

#[test]
fn training_learns_and_a_seed_reproduces_it_bit_for_bit() {
    let gpu = open();
    let config =
        train::Config { steps: 24, batch: 4, extent: 24, every: 12, validation: 2, ..train::Config::default() };
    let run = || train::train(&gpu, &config, |_| true).expect("trains");
    let (first, second) = (run(), run());
    assert_eq!(first, second);
    let bits = |outcome: &train::Outcome| {
        let histories = [&outcome.plain, &outcome.deformable];
        histories.map(|h| h.training.iter().map(|s| (s.loss.to_bits(), s.accuracy.to_bits())).collect::<Vec<_>>())
    };
    assert_eq!(bits(&first), bits(&second));
    for history in [&first.plain, &first.deformable] {
        assert_eq!(history.training.len(), 24);
        let steps: Vec<usize> = history.validation.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, [0, 12, 24]);
        assert!(history.last().loss < history.validation[0].1.loss, "{:?}", history.validation);
    }
    // The plain network may cost a little more, never less.
    let cost = |history: &train::History| history.macs as f64;
    let ratio = cost(&first.plain) / cost(&first.deformable);
    assert!((1.0..1.02).contains(&ratio), "{ratio}");
    // The points start on the regular grid and move.
    let frames = &first.deformable.frames;
    let grid = |probe: &train::Probe| -> [[f32; 2]; 9] {
        std::array::from_fn(|tap| {
            [probe.pixel[0] as f32 + 3.0 * (tap / 3) as f32 - 3.0, probe.pixel[1] as f32 + 3.0 * (tap % 3) as f32 - 3.0]
        })
    };
    let start: Vec<_> = first.probes.iter().map(grid).collect();
    assert_eq!(frames[0].points, start);
    assert_ne!(frames[2].points, start);
    let other = train::train(&gpu, &train::Config { seed: 2, ..config.clone() }, |_| true).expect("trains");
    assert_ne!(bits(&first), bits(&other));
    // Stopped at the first judgement of each network, it still has a score.
    let stopped = train::train(&gpu, &config, |_| false).expect("stops");
    assert_eq!((stopped.plain.training.len(), stopped.plain.validation.len()), (0, 1));

    let png = render(&train::Sheet { outcome: &first }, Format::Png).expect("drawn");
    assert!(png.starts_with(b"\x89PNG"));
    let svg = |drawing: &dyn Fn() -> Vec<u8>| String::from_utf8(drawing()).expect("text");
    let sheet = svg(&|| render(&train::Sheet { outcome: &first }, Format::Svg).expect("drawn"));
    assert!(sheet.contains("Every pixel of the body must know"));
    let frame = train::FramePicture { outcome: &first, index: 1 };
    assert!(svg(&|| render(&frame, Format::Svg).expect("drawn")).contains("step 12"));
    let curves = train::Curves { outcome: &first };
    assert!(svg(&|| render(&curves, Format::Svg).expect("drawn")).contains("plain, same cost"));
    assert_eq!(curves.size(), [1100, 420]);
}

#[test]
fn the_plot_of_a_check_names_its_tensors() {
    let problem = &problems()[1];
    let (inputs, upstream, gradients) = prepared(problem);
    let report = checked(problem, &gradients, &inputs, &upstream);
    let plot = Branches { report: &report, subtitle: "one two three" };
    let svg = String::from_utf8(render(&plot, Format::Svg).expect("drawn")).expect("text");
    for text in ["one two three", "offset", "mask", "weight", "step"] {
        assert!(svg.contains(text), "{text}");
    }
    // An empty check has an empty plot.
    let empty = Branches { report: &Report { elements: Vec::new() }, subtitle: "" };
    assert!(render(&empty, Format::Png).is_ok());
}
