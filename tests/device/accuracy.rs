//! What algorithms err by on data of one scale, as multiples of a plain sum's error, on the device and in every class.

use crate::common::{applicable, contexts, inputs, open, relaxed};
use wgconv::gpu::Plan;
use wgconv::{Accuracy, Conv, Problem, reference};

/// Root mean square of the errors.
fn rms(got: &[f32], want: &[f64]) -> f64 {
    let squares: f64 = got.iter().zip(want).map(|(&got, want)| (f64::from(got) - want).powi(2)).sum();
    (squares / want.len() as f64).sqrt()
}

#[test]
fn errors_are_small_multiples_of_a_plain_sum() {
    let gpu = open();
    let problem: Problem = Conv::new(1, 64, [18, 18], 16, [3, 3]).padding(1).into();
    let mut rng = fastrand::Rng::with_seed(23);
    // Twelve uniform variates make a normal one.
    let data = inputs(&problem, |_| (0..12).map(|_| rng.f32()).sum::<f32>() - 6.0);
    let want = reference::run(&problem, &data).expect("valid");
    // The products one after the other, each rounded.
    let plain = {
        let (input, weight) = (&data[&wgconv::TensorName::Input], &data[&wgconv::TensorName::Weight]);
        let one = |i: usize| {
            let (co, y, x) = (i / 324, i / 18 % 18, i % 18);
            let mut sum = 0.0_f32;
            for (ci, tap) in (0..64).flat_map(|ci| (0..9).map(move |tap| (ci, tap))) {
                let (y, x) = (y + tap / 3, x + tap % 3);
                if (1..=18).contains(&y) && (1..=18).contains(&x) {
                    sum += input[ci * 324 + (y - 1) * 18 + x - 1] * weight[(co * 64 + ci) * 9 + tap];
                }
            }
            sum
        };
        rms(&(0..want.output.len()).map(one).collect::<Vec<_>>(), &want.output)
    };
    assert!(plain > 0.0);
    for context in contexts(&gpu) {
        for algorithm in applicable(&problem, context.capabilities(), &relaxed()) {
            let plan = Plan::new(&context, &problem, &relaxed().algorithm(algorithm)).expect("applies");
            let got = gpu.run_plan(&plan, &data).expect("runs").output;
            let multiple = rms(&got, &want.output) / plain;
            println!("{algorithm}: {multiple:.2} ({})", plan.kernels().join(" then "));
            let most = match algorithm.accuracy() {
                // Other orders of summation err differently.
                Accuracy::Strict => 1.5,
                Accuracy::Standard => 1.5,
                Accuracy::Relaxed => 6.0,
                // Factors of 11 bits instead of 24, but sums of 24.
                Accuracy::Half => 4096.0,
            };
            assert!(multiple <= most, "{algorithm} errs {multiple:.2} times as much as a plain sum");
            // And it is no exact oracle in disguise.
            assert!(multiple > 0.01, "{algorithm}: {multiple}");
        }
    }
}

#[test]
fn strict_plans_use_no_winograd_and_relaxed_ones_may() {
    let problem: Problem = Conv::new(1, 128, [28, 28], 128, [3, 3]).padding(1).into();
    let geometry = wgconv::Geometry::new(&problem).expect("valid");
    for capabilities in [wgconv::Capabilities::gpu(), wgconv::Capabilities::cpu()] {
        for accuracy in Accuracy::ALL {
            let options = wgconv::Options::default().accuracy(accuracy).pack_weights();
            let choice = wgconv::choose(&geometry, &capabilities, &options).expect("applies");
            assert!(choice.algorithm.accuracy() <= accuracy, "{accuracy}: {}", choice.algorithm);
            for algorithm in wgconv::Algorithm::of(&problem).iter().filter(|a| a.accuracy() > accuracy) {
                let forced = wgconv::choose(&geometry, &capabilities, &options.clone().algorithm(*algorithm));
                let error = forced.expect_err("not accurate enough").to_string();
                assert!(error.contains("accuracy"), "{error}");
            }
        }
    }
}
