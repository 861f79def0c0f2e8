//! The backward pass that a case asks for.

use wgconv::{Algorithm, Geometry, Gradient, Inputs, Options, Storage, TensorName, reference};

use crate::backend::{Backend, Method, expect_reference};
use crate::case::Case;
use crate::document::did_you_mean;
use crate::failure::{Failure, Result};
use crate::request::Task;

/// A checked backward pass with its data.
pub struct Backward {
    pub geometry: Geometry,
    inputs: Inputs,
    wanted: Vec<TensorName>,
    task: Task,
}

/// A gradient as it is written to a file.
pub struct Computed {
    /// Its name in case files.
    pub name: &'static str,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Backward {
    /// What the case asks for; `None` when it names no gradient.
    pub fn of(case: &Case, task: &Task) -> Result<Option<Backward>> {
        let names = case.gradients();
        let Some(first) = names.first() else { return Ok(None) };
        let problem = task.checked.geometry.problem();
        let differentiable = problem.differentiable();
        let tensor = |name: &&str| {
            let of = |tensor: &&TensorName| tensor.gradient().is_some_and(|gradient| gradient.as_str() == *name);
            differentiable.iter().find(of).copied().ok_or_else(|| {
                let names = differentiable.iter().filter_map(|tensor| Some(tensor.gradient()?.as_str()));
                let rule = format!("this {} has no such gradient{}", task.op.name(), did_you_mean(name, names));
                Failure::invalid(format!("outputs = {name:?}: {rule}"))
            })
        };
        let wanted = names.iter().map(tensor).collect::<Result<Vec<_>>>()?;
        let upstream = case
            .grad_output()?
            .ok_or_else(|| Failure::invalid(format!("outputs = {first}: a gradient needs the input grad_output")))?;
        let shape = task.checked.given_shape(task.checked.geometry.output_shape());
        if upstream.shape != shape {
            let rule = format!("grad_output has shape {:?}: the output has {shape:?}", upstream.shape);
            return Err(Failure::invalid(rule));
        }
        let upstream = upstream.to_f32().map_err(|error| Failure::from(error).of("grad_output"))?;
        let mut inputs = task.inputs.clone();
        inputs.insert(TensorName::GradOutput, upstream);
        let geometry = Geometry::new(&Gradient::new(problem.clone(), wanted.clone()).into())?;
        Ok(Some(Backward { geometry, inputs, wanted, task: task.clone() }))
    }

    /// The options for an algorithm that was asked for by name: a pass that does not have it chooses its own, as long as
    /// the other pass has it.
    pub fn options(&self, method: Method, options: &Options) -> Options {
        let algorithm = match method {
            Method::One(algorithm) if Algorithm::of(self.geometry.problem()).contains(&algorithm) => Some(algorithm),
            _ => None,
        };
        Options { algorithm, ..options.clone() }
    }

    /// The same pass on the inputs that a storage holds.
    pub fn rounded(&self, storage: Storage) -> Backward {
        Backward {
            geometry: self.geometry.clone(),
            inputs: storage.round_all(&self.inputs),
            wanted: self.wanted.clone(),
            task: self.task.clone(),
        }
    }

    /// The gradients, and how they were computed.
    pub fn run(&self, device: &Backend, options: &Options) -> Result<(Vec<Computed>, String)> {
        let named = |name: TensorName, values: Vec<f32>| {
            // Cannot be absent: the geometry lists what is wanted.
            let spec = self.geometry.tensor(name)?;
            let shape =
                if spec.takes_layout() { self.task.checked.given_shape(&spec.shape) } else { spec.shape.clone() };
            Some(Computed { name: name.as_str(), shape, values })
        };
        match device {
            Backend::Reference => {
                expect_reference(&self.geometry)?;
                let problem = self.task.checked.geometry.problem();
                let storage = options.storage;
                let inputs = storage.round_all(&self.inputs);
                let upstream = &inputs[&TensorName::GradOutput];
                let outcomes = reference::gradients(problem, &inputs, upstream, &self.wanted)?;
                let computed = outcomes.into_iter().filter_map(|(name, outcome)| {
                    named(name.gradient()?, outcome.output.iter().map(|&value| storage.round(value as f32)).collect())
                });
                Ok((computed.collect(), "reference".into()))
            }
            Backend::Adapter(adapter) => {
                let outputs = adapter.gpu.run(self.geometry.problem(), options, &self.inputs)?;
                let computed = outputs.gradients.into_iter().filter_map(|(name, values)| named(name, values));
                Ok((computed.collect(), outputs.algorithm.to_string()))
            }
        }
    }
}

/// The same rule for the forward pass; `None` for the backward one when the case has no gradients.
pub fn forward_options(forward: &Geometry, backward: Option<&Backward>, method: Method, options: &Options) -> Options {
    let Method::One(algorithm) = method else { return options.clone() };
    let has = |geometry: &Geometry| Algorithm::of(geometry.problem()).contains(&algorithm);
    let only_backward = !has(forward) && backward.is_some_and(|backward| has(&backward.geometry));
    Options { algorithm: Some(algorithm).filter(|_| !only_backward), ..options.clone() }
}
