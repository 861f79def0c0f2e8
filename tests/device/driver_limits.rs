//! Sums and windows around the number of iterations after which llvmpipe ends every loop: they are right or refused.

use crate::common::{agrees, classes, open, random};
use wgconv::gpu::{Context, Gpu, Plan};
use wgconv::reference::Outcome;
use wgconv::{
    Algorithm, Axes, Capabilities, Conv, ConvTranspose, DeformConv2d, Error, Geometry, Gradient, KernelClass,
    LocallyConnected2d, Options, PaddingMode, Pool, PoolMode, Problem, SpatialSeparable2d, TensorName, choose,
    reference,
};

fn pool(extent: [usize; 2], kernel: usize, mode: PoolMode) -> Problem {
    Pool { stride: Axes::from([1, 1]), mode, ..Pool::average(1, 1, extent, [kernel, kernel]) }.into()
}

fn average() -> PoolMode {
    PoolMode::Average { count_include_pad: true, divisor_override: None }
}

/// Of its two rows the first stands for all the padding above, which its gradient gathers.
fn replicated(rows: usize) -> Problem {
    SpatialSeparable2d {
        stride: Axes::from([7, 3]),
        padding: Axes::from([[rows, 3], [0, 0]]),
        padding_mode: PaddingMode::Replicate,
        ..SpatialSeparable2d::new(1, 1, [2, 2], [1, 1])
    }
    .into()
}

/// Few elements that the last taps of a huge kernel meet: the loops are long, and what they would miss is not zero.
fn at_the_end(count: usize) -> Axes<[usize; 2]> {
    Axes::from([[count, 0], [count, 0]])
}

/// Below the limit and above it, by a few iterations and by many.
fn long_sums() -> Vec<Problem> {
    let maximum = PoolMode::Max { pad_value: None, indices: true };
    vec![
        Conv::new(1, 65_200, [1, 1], 2, [1, 1]).into(),
        Conv::new(1, 66_000, [1, 1], 2, [1, 1]).into(),
        Conv::new(1, 7_300, [3, 3], 9, [3, 3]).into(),
        Conv { padding: at_the_end(253), ..Conv::new(1, 1, [3, 4], 1, [256, 256]) }.into(),
        Conv::new(1, 2, [300, 257], 2, [1, 3]).groups(2).into(),
        Conv::new(1, 3, [260, 259], 5, [1, 2]).into(),
        Conv::new(70_000, 1, [1, 1], 1, [1, 1]).bias(true).into(),
        ConvTranspose::new(1, 66_000, [1, 1], 2, [1, 1]).into(),
        ConvTranspose { padding: at_the_end(253), ..ConvTranspose::new(1, 1, [3, 4], 1, [257, 256]) }.into(),
        ConvTranspose { stride: Axes::from([1, 33_333]), ..ConvTranspose::new(1, 1, [2, 2], 1, [1, 2]) }.into(),
        ConvTranspose { stride: Axes::from([65_536, 1]), ..ConvTranspose::new(1, 1, [2, 2], 1, [2, 1]) }.into(),
        DeformConv2d::new(1, 66_000, [1, 1], 2, [1, 1]).into(),
        DeformConv2d::new(1, 90_000, [1, 1], 2, [1, 1]).into(),
        DeformConv2d::new(1, 1, [260, 257], 2, [1, 1]).into(),
        LocallyConnected2d::new(1, 66_000, [1, 1], 2, [1, 1]).into(),
        LocallyConnected2d::new(66_000, 1, [1, 1], 1, [1, 1]).into(),
        SpatialSeparable2d::new(1, 1, [256, 257], [256, 256]).into(),
        replicated(10_000),
        replicated(21_755),
        pool([255, 256], 255, average()),
        pool([257, 256], 256, average()),
        pool([256, 257], 256, maximum),
        pool([110, 112], 110, PoolMode::Lp { p: 5.0 }),
    ]
}

fn first_wrong(got: &[f32], want: &Outcome) -> Option<String> {
    assert_eq!(got.len(), want.output.len());
    let wrong = |&(i, (&got, &value)): &(usize, (&f32, &f64))| !agrees(got, value, want.tolerance(i));
    let first = got.iter().zip(&want.output).enumerate().find(wrong);
    first.map(|(i, (got, want))| format!("element {i} is {got}, want {want}"))
}

/// Algorithms that lower, with those that the number of iterations keeps from it.
fn sorted_out(problem: &Problem, capabilities: &Capabilities) -> (Vec<Algorithm>, usize) {
    let mut refused = 0;
    let mut accepted = Vec::new();
    let geometry = Geometry::new(problem).expect("the problems are valid");
    for &algorithm in Algorithm::of(problem) {
        match choose(&geometry, capabilities, &Options::default().algorithm(algorithm)) {
            Ok(_) => accepted.push(algorithm),
            Err(Error::Limit { limit: "max_loop_iterations", available, needed, .. }) => {
                assert!(needed > available);
                refused += 1;
            }
            Err(_) => {}
        }
    }
    (accepted, refused)
}

fn judge(gpu: &Gpu, context: &Context, problem: &Problem) -> usize {
    let name = problem.op_name();
    let (accepted, mut refused) = sorted_out(problem, context.capabilities());
    let inputs = random(problem, 3);
    let want = reference::run(problem, &inputs).expect("the problems are valid");
    for algorithm in accepted {
        let plan = Plan::new(context, problem, &Options::default().algorithm(algorithm)).expect("it was accepted");
        let got = gpu.run_plan(&plan, &inputs).expect("the inputs fit");
        if let Some(wrong) = first_wrong(&got.output, &want) {
            panic!("{name} by {algorithm} {:?}: {wrong}", plan.kernels());
        }
    }

    let backward: Problem = Gradient::all(problem.clone()).into();
    let inputs = random(&backward, 4);
    let upstream = &inputs[&TensorName::GradOutput];
    let want = reference::gradients(problem, &inputs, upstream, &problem.differentiable()).expect("as the problem");
    let (accepted, refused_backward) = sorted_out(&backward, context.capabilities());
    refused += refused_backward;
    for algorithm in accepted {
        let plan = Plan::new(context, &backward, &Options::default().algorithm(algorithm)).expect("it was accepted");
        let got = gpu.run_plan(&plan, &inputs).expect("the inputs fit");
        for (of, outcome) in &want {
            let gradient = of.gradient().expect("differentiable tensors have gradients");
            if let Some(wrong) = first_wrong(&got.gradients[&gradient], outcome) {
                panic!("{name} by {algorithm} {:?}: {gradient} {wrong}", plan.kernels());
            }
        }
    }
    refused
}

#[test]
fn what_only_an_unusual_algorithm_serves_is_served() {
    let limited = |caps| Capabilities { max_loop_iterations: Some(65_535), ..caps };
    let problem: Problem = Conv::new(1, 2, [43_002], 1, [16_400]).into();
    let geometry = Geometry::new(&problem).expect("valid");
    for capabilities in [Capabilities::gpu(), Capabilities::cpu()].map(limited) {
        let direct = Options::default().algorithm(Algorithm::Direct);
        assert!(choose(&geometry, &capabilities, &direct).is_err(), "the direct kernel loops too long");
        let choice = choose(&geometry, &capabilities, &Options::default()).expect("columns are short");
        assert_ne!(choice.algorithm, Algorithm::Direct);
    }
}

#[test]
fn no_loop_is_cut_short() {
    let gpu = open();
    let limit = gpu.capabilities().max_loop_iterations;
    let subgroup_size = gpu.capabilities().subgroup_size;
    let mut refused = 0;
    for capabilities in classes(&gpu).into_iter().filter(|caps| caps.subgroup_size == subgroup_size) {
        let class = capabilities.class;
        let context = gpu.context().view(capabilities);
        for problem in long_sums() {
            let n_refused = judge(&gpu, &context, &problem);
            refused += if class == KernelClass::Gpu { n_refused } else { 0 };
        }
    }
    assert_eq!(refused > 0, limit.is_some(), "{refused} refused with a limit of {limit:?}");
}

#[test]
fn the_limit_is_told() {
    let limited = Capabilities { max_loop_iterations: Some(65_535), ..Capabilities::cpu() };
    let geometry = Geometry::new(&pool([256, 257], 256, average())).expect("valid");
    let error = choose(&geometry, &limited, &Options::default().algorithm(Algorithm::Direct)).expect_err("too long");
    assert!(error.to_string().starts_with("max_loop_iterations = 65535: avg_pool2d needs "), "{error}");
    assert!(choose(&geometry, &Capabilities::cpu(), &Options::default()).is_ok());
}
