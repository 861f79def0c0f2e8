//! Gradients that a case asks for. The reference computes them; adapters do not yet.

use std::collections::BTreeMap;

use wgconv::TensorName;
use wgconv::reference::{self, Outcome};

use crate::case::Case;
use crate::failure::{Failure, Result};
use crate::request::Task;

/// What a gradient's name starts with, in case files and in the files that are written.
pub const PREFIX: &str = "grad_";

/// The gradients that the case names, by that name. Empty when it names none.
pub fn compute(case: &Case, task: &Task) -> Result<BTreeMap<String, Outcome>> {
    let names = case.gradients();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let problem = task.checked.geometry.problem();
    let tensor = |name: &&str| {
        TensorName::parse(&name[PREFIX.len()..])
            .ok_or_else(|| Failure::invalid(format!("outputs = {name:?}: {} has no such tensor", task.op.name())))
    };
    let wanted = names.iter().map(tensor).collect::<Result<Vec<_>>>()?;
    let upstream = case
        .grad_output()?
        .ok_or_else(|| Failure::invalid(format!("outputs = {}: a gradient needs the input grad_output", names[0])))?;
    let shape = task.checked.given_shape(task.checked.geometry.output_shape());
    if upstream.shape != shape {
        let rule = format!("grad_output has shape {:?}: the output has {shape:?}", upstream.shape);
        return Err(Failure::invalid(rule));
    }
    let upstream = upstream.to_f32().map_err(|rule| Failure::invalid(format!("grad_output: {rule}")))?;
    let mut gradients = reference::gradients(problem, &task.inputs, &upstream, &wanted)?;
    let named = names.iter().zip(wanted).filter_map(|(&name, tensor)| {
        let mut outcome = gradients.remove(&tensor)?;
        if task.checked.geometry.tensor(tensor).is_some_and(|spec| spec.takes_layout()) {
            outcome.shape = task.checked.given_shape(&outcome.shape);
        }
        Some((name.to_string(), outcome))
    });
    Ok(named.collect())
}
