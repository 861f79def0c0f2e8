//! Every operation and every gradient in this browser against the f64 reference.

use std::collections::BTreeMap;

use serde::Serialize;
use wgconv::bench::sample_inputs;
use wgconv::gpu::{Gpu, Outputs};
use wgconv::reference::{self, Outcome};
use wgconv::{
    Algorithm, Capabilities, Error, ErrorKind, Geometry, Gradient, Inputs, Options, Problem, Result, TensorName,
    candidates,
};

use wgconv_web_numbers::unit_in_last_place;

use crate::zoo;

/// What is checked: the problems of the project's own tests, with names.
pub fn problems() -> Vec<(String, Problem)> {
    let zoo = zoo::zoo().into_iter().map(|(name, problem)| (name.to_string(), problem));
    let named = |problem: Problem| {
        let activation = problem.epilogue().map(|epilogue| format!("{:?}", epilogue.activation));
        (format!("{} {}", problem.op_name(), activation.unwrap_or_default()), problem)
    };
    zoo.chain(zoo::epilogues().into_iter().map(named)).collect()
}

/// One tensor by one algorithm.
#[derive(Debug, Serialize)]
pub struct Row {
    name: String,
    operation: String,
    tensor: &'static str,
    algorithm: &'static str,
    shape: Vec<usize>,
    /// Largest error in units of the last place of the exact value in f32.
    ulp: f64,
    /// Largest error over its bound; up to 1 is right. `null` where it is not finite.
    error_over_bound: Option<f64>,
    right: bool,
    /// Why there is no result.
    message: Option<String>,
}

/// One of [`problems`]: its output, then all its gradients.
pub async fn check(gpu: &Gpu, index: usize, every_algorithm: bool) -> Result<Vec<Row>> {
    let problems = problems();
    let count = problems.len();
    let (name, problem) = problems
        .into_iter()
        .nth(index)
        .ok_or_else(|| Error::invalid("index", index, format!("there are {count} problems")))?;
    let mut rows = Vec::new();
    let gradient = Gradient::all(problem.clone());
    for task in [problem.clone(), gradient.clone().into()] {
        let inputs = sample_inputs(&Geometry::new(&task)?);
        let mut known = BTreeMap::new();
        for algorithm in algorithms(gpu.capabilities(), &task, every_algorithm)? {
            let options = Options { algorithm, ..Options::default() };
            let row = |tensor: TensorName, algorithm: Option<Algorithm>| Row {
                name: name.clone(),
                operation: problem.op_name(),
                tensor: tensor.as_str(),
                algorithm: algorithm.map_or("auto", Algorithm::name),
                shape: Vec::new(),
                ulp: 0.0,
                error_over_bound: None,
                right: false,
                message: None,
            };
            match gpu.run_async(&task, &options, &inputs).await {
                Ok(outputs) => {
                    if let Problem::Gradient(gradient) = &task {
                        if known.is_empty() {
                            known = gradients(gradient, &inputs)?;
                        }
                    } else {
                        known = BTreeMap::from([(
                            TensorName::Output,
                            reference::run_by(&task, &inputs, outputs.algorithm)?,
                        )]);
                    }
                    for (&tensor, expected) in &known {
                        rows.push(judge(row(tensor, Some(outputs.algorithm)), tensor, expected, &outputs));
                    }
                }
                Err(error) => {
                    let tensor = if task == problem { TensorName::Output } else { TensorName::GradOutput };
                    rows.push(Row {
                        // What a device lacks is no error of a kernel.
                        right: error.kind() == ErrorKind::Unsupported,
                        message: Some(error.to_string()),
                        ..row(tensor, algorithm)
                    });
                }
            }
        }
    }
    Ok(rows)
}

/// The library's choice, or all that apply here.
fn algorithms(capabilities: &Capabilities, problem: &Problem, every: bool) -> Result<Vec<Option<Algorithm>>> {
    if !every {
        return Ok(vec![None]);
    }
    let candidates = candidates(&Geometry::new(problem)?, capabilities, &Options::default());
    let applicable: Vec<_> = candidates.iter().filter(|c| c.verdict.is_ok()).map(|c| Some(c.algorithm)).collect();
    // Where nothing applies, running says why.
    Ok(if applicable.is_empty() { vec![None] } else { applicable })
}

fn gradients(gradient: &Gradient, inputs: &Inputs) -> Result<BTreeMap<TensorName, Outcome>> {
    let wanted: Vec<TensorName> = gradient.wanted.iter().copied().collect();
    let upstream = inputs.get(&TensorName::GradOutput).map_or(&[][..], Vec::as_slice);
    let outcomes = reference::gradients(&gradient.of, inputs, upstream, &wanted)?;
    Ok(outcomes.into_iter().map(|(name, outcome)| (name.gradient().unwrap_or(name), outcome)).collect())
}

fn judge(row: Row, tensor: TensorName, expected: &Outcome, outputs: &Outputs) -> Row {
    let missing = Vec::new();
    let got = match tensor {
        TensorName::Output => &outputs.output,
        name => outputs.gradients.get(&name).unwrap_or(&missing),
    };
    let indices_agree = tensor != TensorName::Output || outputs.indices == expected.indices;
    let (mut ulp, mut ratio) = (0.0_f64, 0.0_f64);
    for (i, (&got, &want)) in got.iter().zip(&expected.output).enumerate() {
        let tolerance = expected.tolerance(i);
        // What must be exact is the nearest f32.
        let want = if tolerance == 0.0 { f64::from(want as f32) } else { want };
        let error = (f64::from(got) - want).abs();
        if error == 0.0 {
            continue;
        }
        // `max` would drop what is no number.
        let of = |unit: f64| if (error / unit).is_nan() { f64::INFINITY } else { error / unit };
        (ulp, ratio) = (ulp.max(of(unit_in_last_place(want))), ratio.max(of(tolerance)));
    }
    if got.len() != expected.output.len() || !indices_agree {
        ratio = f64::INFINITY;
    }
    Row {
        shape: expected.shape.clone(),
        ulp,
        error_over_bound: ratio.is_finite().then_some(ratio),
        right: ratio <= 1.0,
        ..row
    }
}
