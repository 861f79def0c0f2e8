//! Ten thousand random problems through geometry, choose and lowering; whatever is accepted and small enough to compute,
//! the oracle and every applicable kernel agree on.

#![cfg(feature = "reference")]

mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;

use common::{classes, open, random};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use wgconv::gpu::{Context, Plan};
use wgconv::{ErrorKind, Geometry, KernelClass, Options, Problem, candidates, choose, reference};

/// Beyond this a problem goes through geometry and choose only.
const MOST_BYTES: u64 = 1 << 18;
const MOST_MACS: u64 = 1 << 20;

#[test]
fn geometry_choose_oracle_and_kernels_agree_on_ten_thousand_problems() {
    let gpu = open();
    let contexts = classes(&gpu).map(|caps| Context::with_capabilities(gpu.device(), caps));
    let tally = RefCell::new(BTreeMap::<String, usize>::new());
    let count = |what: String| *tally.borrow_mut().entry(what).or_default() += 1;
    let config = Config { cases: 10_000, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&common::strategy::problem(), |problem| {
        let Ok(geometry) = Geometry::new(&problem) else {
            count("refused".into());
            return Ok(());
        };
        count("accepted".into());
        for context in &contexts {
            let chosen = choose(&geometry, context.capabilities(), &Options::default());
            let accepted = candidates(&geometry, context.capabilities(), &Options::default())
                .into_iter()
                .filter(|candidate| candidate.verdict.is_ok())
                .map(|candidate| candidate.algorithm)
                .collect::<Vec<_>>();
            match chosen {
                Ok(choice) => prop_assert!(accepted.contains(&choice.algorithm)),
                // Only a limit refuses what geometry accepts.
                Err(error) => {
                    prop_assert!(accepted.is_empty() && error.kind() == ErrorKind::Unsupported, "{error}");
                    continue;
                }
            }
            if geometry.min_bytes() > MOST_BYTES || geometry.macs() + geometry.sampling_macs() > MOST_MACS {
                count("beyond the size that is computed".into());
                continue;
            }
            let inputs = random(&problem, geometry.min_bytes());
            let want = reference::run(&problem, &inputs).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(&want.shape[..], geometry.output_shape());
            for algorithm in accepted {
                let options = Options::default().algorithm(algorithm);
                let plan = Plan::new(context, &problem, &options).map_err(|e| TestCaseError::fail(e.to_string()))?;
                // Kernels that both classes share are judged once.
                if context.capabilities().class == KernelClass::Cpu && !plan.kernels().concat().contains("regtile") {
                    continue;
                }
                let got = gpu
                    .run_plan(&plan, &inputs)
                    .map_err(|error| TestCaseError::fail(format!("{algorithm}: {error}")))?;
                count(format!("{} by {algorithm}", operation(&problem)));
                for (i, (&got, &value)) in got.output.iter().zip(&want.output).enumerate() {
                    prop_assert!(
                        agrees(got, value, want.tolerance(i)),
                        "{algorithm}: output {i} is {got}, want {value} +- {}",
                        want.tolerance(i)
                    );
                }
                prop_assert_eq!(&got.indices, &want.indices);
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let tally = tally.into_inner();
    println!("{tally:#?}");
    let computed: Vec<&String> = tally.keys().filter(|key| key.contains(" by ")).collect();
    assert!(computed.len() >= 20, "too few operations were computed: {tally:#?}");
    assert!(tally["accepted"] > 2_000, "{tally:#?}");
}

/// A value that f32 cannot hold may come out infinite.
fn agrees(got: f32, want: f64, tolerance: f64) -> bool {
    if want.is_nan() {
        return got.is_nan();
    }
    if want.abs() + tolerance > f64::from(f32::MAX) {
        let toward_zero = want.abs() - tolerance;
        return f64::from(got) * want.signum() >= toward_zero;
    }
    (f64::from(got) - want).abs() <= tolerance
}

fn operation(problem: &Problem) -> String {
    problem.op_name().trim_end_matches(['1', '2', '3', 'd']).to_string()
}
