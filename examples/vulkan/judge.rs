//! Inputs, and results against the f64 reference.

use std::collections::BTreeMap;

use wgconv::{Access, Algorithm, Geometry, Inputs, Problem, Storage, TensorName, reference};

use super::Result;

/// Values in -1..1 for every tensor that a problem reads.
pub fn random(geometry: &Geometry) -> Inputs {
    let mut state = 1_u32;
    let mut number = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let read = geometry.tensors().iter().filter(|spec| spec.access != Access::Write);
    read.map(|spec| (spec.name, (0..spec.len()).map(|_| number()).collect())).collect()
}

/// The worst error of every written tensor, as a share of what the reference allows; an error beyond that is refused.
/// `written` holds integers, or the bits of f32.
pub fn compare(
    problem: &Problem,
    algorithm: Algorithm,
    storage: Storage,
    inputs: &Inputs,
    written: &BTreeMap<TensorName, Vec<u32>>,
) -> Result<BTreeMap<TensorName, f64>> {
    let inputs = &storage.round_all(inputs);
    let mut expected = BTreeMap::new();
    // What gradients are added to.
    let mut beta = 0.0;
    if let Problem::Gradient(gradient) = problem {
        beta = f64::from(gradient.beta);
        let wanted: Vec<TensorName> = gradient.wanted.iter().copied().collect();
        let grad_output = inputs.get(&TensorName::GradOutput).ok_or("there is no grad_output")?;
        for (of, outcome) in reference::gradients(&gradient.of, inputs, grad_output, &wanted)? {
            expected.insert(of.gradient().ok_or("a gradient of nothing")?, outcome);
        }
    } else {
        let outcome = reference::run_by(problem, inputs, algorithm)?;
        if let (Some(want), Some(got)) = (&outcome.indices, written.get(&TensorName::Indices))
            && want != got
        {
            return Err("the indices differ".into());
        }
        expected.insert(TensorName::Output, outcome);
    }
    let mut worst = BTreeMap::new();
    for (name, outcome) in expected {
        let outcome = outcome.stored(storage);
        let got = written.get(&name).ok_or("a result is missing")?;
        if got.len() != outcome.output.len() {
            return Err(format!("{name} has {} elements instead of {}", got.len(), outcome.output.len()).into());
        }
        let share = worst.entry(name).or_insert(0.0_f64);
        for (i, (&got, &want)) in got.iter().zip(&outcome.output).enumerate() {
            let before = inputs.get(&name).and_then(|held| held.get(i)).map_or(0.0, |&held| beta * f64::from(held));
            let rounding = if before == 0.0 { 0.0 } else { f64::from(f32::EPSILON) * (before.abs() + want.abs()) };
            let (want, tolerance) = (want + before, outcome.tolerance(i) + rounding);
            let difference = (f64::from(f32::from_bits(got)) - want).abs();
            // A NaN is within no tolerance.
            if !matches!(difference.partial_cmp(&tolerance), Some(order) if order.is_le()) {
                let got = f32::from_bits(got);
                return Err(format!("{name} {i} is {got}, want {want} +- {tolerance}").into());
            }
            if tolerance > 0.0 {
                *share = share.max(difference / tolerance);
            }
        }
    }
    Ok(worst)
}
