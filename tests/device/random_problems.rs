//! Random problems through geometry, choose and lowering; whatever is accepted and small enough to compute, the oracle and
//! every applicable kernel agree on, forward and backward.
//!
//! `WGCONV_RANDOM_PROBLEMS` is their number, ten thousand by default; `WGCONV_RANDOM_SEED` repeats a run, which prints its
//! own; `WGCONV_RANDOM_PIPELINES` is how many kernels are compiled before geometry and choice alone are judged.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::str::FromStr;

use crate::common::{classes, open, random, relaxed};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use wgconv::gpu::{Context, Gpu, Outputs, Plan};
use wgconv::reference::Outcome;
use wgconv::{
    Accuracy, Algorithm, ErrorKind, Geometry, Gradient, Inputs, KernelClass, Options, Problem, Storage, TensorName,
    candidates, choose, reference,
};

/// Beyond this a problem goes through geometry and choose only.
const MOST_BYTES: u64 = 1 << 18;
const MOST_MACS: u64 = 1 << 20;
/// A software rasteriser compiles some of them for seconds: beyond so many more than other tests have compiled, geometry and
/// choice alone are judged.
const MOST_PIPELINES: usize = 400;

/// A number from the environment.
fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    let number = text.parse().unwrap_or_else(|_| panic!("{name} = {text:?}: it must be a whole number"));
    Some(number)
}

#[test]
fn geometry_choose_oracle_and_kernels_agree() {
    let n_problems = variable("WGCONV_RANDOM_PROBLEMS").unwrap_or(10_000_u32);
    let seed = variable("WGCONV_RANDOM_SEED").unwrap_or_else(|| fastrand::u64(..));
    let most_pipelines = variable("WGCONV_RANDOM_PIPELINES").unwrap_or(MOST_PIPELINES);
    println!("WGCONV_RANDOM_PROBLEMS={n_problems} WGCONV_RANDOM_SEED={seed}");
    let gpu = open();
    let compiled = gpu.context().pipeline_count();
    // What the device would use itself, of each class: ten thousand problems compile many pipelines.
    let subgroup_size = gpu.capabilities().subgroup_size;
    let own = classes(&gpu).into_iter().filter(|caps| caps.subgroup_size == subgroup_size);
    let contexts: Vec<Context> = own.map(|caps| gpu.context().view(caps)).collect();
    let tally = RefCell::new(BTreeMap::<String, usize>::new());
    let count = |what: String| *tally.borrow_mut().entry(what).or_default() += 1;
    let config = Config { cases: n_problems, failure_persistence: None, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let result = runner.run(&crate::common::strategy::problem(), |problem| {
        let Ok(geometry) = Geometry::new(&problem) else {
            count("refused".into());
            return Ok(());
        };
        count("accepted".into());
        for context in &contexts {
            let Some(accepted) = takers(context, &geometry)? else {
                count("beyond a limit".into());
                continue;
            };
            if geometry.min_bytes(Storage::F32) > MOST_BYTES || geometry.macs() + geometry.sampling_macs() > MOST_MACS {
                count("beyond the size that is computed".into());
                continue;
            }
            if context.pipeline_count() - compiled >= most_pipelines {
                count("beyond the pipelines that are compiled".into());
                continue;
            }
            let inputs = random(&problem, geometry.min_bytes(Storage::F32));
            let want = reference::run(&problem, &inputs).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(&want.shape[..], geometry.output_shape());
            let indices = want.indices.clone();
            let want = BTreeMap::from([(TensorName::Output, want)]);
            for got in run_all(&gpu, context, &problem, &inputs, &accepted)? {
                count(format!("{} by {}", operation(&problem), got.algorithm));
                let mut want = want.clone();
                if got.algorithm.accuracy() > Accuracy::Strict {
                    let by = reference::run_by(&problem, &inputs, got.algorithm);
                    want.insert(TensorName::Output, by.map_err(|error| TestCaseError::fail(error.to_string()))?);
                }
                compare(&BTreeMap::from([(TensorName::Output, got.output)]), &want, got.algorithm)?;
                prop_assert_eq!(&got.indices, &indices);
            }

            // The backward pass, from random gradients.
            let backward: Problem = Gradient::all(problem.clone()).into();
            let geometry = Geometry::new(&backward).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let Some(accepted) = takers(context, &geometry)? else {
                count("backward beyond a limit".into());
                continue;
            };
            let inputs = random(&backward, geometry.min_bytes(Storage::F32));
            let upstream = &inputs[&TensorName::GradOutput];
            let want = reference::gradients(&problem, &inputs, upstream, &problem.differentiable())
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
            let want = want.into_iter().filter_map(|(name, outcome)| Some((name.gradient()?, outcome))).collect();
            for got in run_all(&gpu, context, &backward, &inputs, &accepted)? {
                count(format!("{} by {}", operation(&backward), got.algorithm));
                compare(&got.gradients, &want, got.algorithm)?;
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}\nWGCONV_RANDOM_SEED={seed} repeats it");
    }
    let tally = tally.into_inner();
    println!("{tally:#?}");
    let computed: Vec<&String> = tally.keys().filter(|key| key.contains(" by ")).collect();
    // Fewer problems than usual meet fewer operations.
    let enough = n_problems >= 10_000;
    assert!(!enough || computed.len() >= 20, "too few operations were computed: {tally:#?}");
    assert!(tally["accepted"] > n_problems as usize / 5, "{tally:#?}");
}

/// Every algorithm that takes the problem, the chosen one among them; `None` where limits of the device refuse them all.
/// Nothing else keeps an operation's first algorithm from a problem that geometry accepts.
fn takers(context: &Context, geometry: &Geometry) -> Result<Option<Vec<Algorithm>>, TestCaseError> {
    let candidates = candidates(geometry, context.capabilities(), &relaxed());
    if let Err(reason) = &candidates[0].verdict {
        // A limit of the device, or what a shader can index.
        prop_assert!(reason.starts_with("max_") || reason.contains("exceeds 2^31 - 1 elements"), "{reason}");
    }
    let taken = candidates.into_iter().filter(|candidate| candidate.verdict.is_ok());
    let accepted: Vec<Algorithm> = taken.map(|candidate| candidate.algorithm).collect();
    match choose(geometry, context.capabilities(), &Options::default()) {
        Ok(choice) => {
            prop_assert!(accepted.contains(&choice.algorithm));
            Ok(Some(accepted))
        }
        Err(error) => {
            prop_assert!(accepted.is_empty() && error.kind() == ErrorKind::Unsupported, "{error}");
            Ok(None)
        }
    }
}

/// Results of every algorithm; kernels that both classes share run once.
fn run_all(
    gpu: &Gpu,
    context: &Context,
    problem: &Problem,
    inputs: &Inputs,
    algorithms: &[Algorithm],
) -> Result<Vec<Outputs>, TestCaseError> {
    let mut all = Vec::new();
    for &algorithm in algorithms {
        let options = relaxed().algorithm(algorithm);
        let plan = Plan::new(context, problem, &options).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let kernels = plan.kernels().concat();
        let of_cpus = ["thread_tile", "subgroup"].iter().any(|family| kernels.contains(family));
        if context.capabilities().class == KernelClass::Cpu && !of_cpus {
            continue;
        }
        all.push(gpu.run_plan(&plan, inputs).map_err(|error| TestCaseError::fail(format!("{algorithm}: {error}")))?);
    }
    Ok(all)
}

fn compare(
    got: &BTreeMap<TensorName, Vec<f32>>,
    want: &BTreeMap<TensorName, Outcome>,
    algorithm: Algorithm,
) -> Result<(), TestCaseError> {
    prop_assert!(got.keys().eq(want.keys()));
    for (name, outcome) in want {
        prop_assert_eq!(got[name].len(), outcome.output.len());
        for (i, (&got, &value)) in got[name].iter().zip(&outcome.output).enumerate() {
            let tolerance = outcome.tolerance(i);
            // Terms that f32 cannot hold may cancel to anything.
            let overflows = outcome.magnitude[i] > f64::from(f32::MAX) && got.is_nan();
            prop_assert!(
                overflows || agrees(got, value, tolerance),
                "{algorithm}: {name} {i} is {got}, want {value} +- {tolerance}"
            );
        }
    }
    Ok(())
}

/// A value that f32 cannot hold may come out infinite.
fn agrees(got: f32, want: f64, tolerance: f64) -> bool {
    if want.is_finite() && want.abs() + tolerance > f64::from(f32::MAX) {
        let toward_zero = want.abs() - tolerance;
        return f64::from(got) * want.signum() >= toward_zero;
    }
    crate::common::agrees(got, want, tolerance)
}

fn operation(problem: &Problem) -> String {
    problem.op_name().replace(['1', '2', '3'], "")
}
