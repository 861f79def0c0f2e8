//! Verified measurements of problems on a device, in several rounds.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use super::record::{Bound, Peak, PeakKind, Row, Settings, Status};
use crate::algorithm::{Accuracy, Algorithm};
use crate::error::Result;
use crate::gpu::{Context, Gpu, Outputs, Plan, Prepared, empty_pipeline_cache};
use crate::options::Options;
use crate::problem::Problem;
use crate::reference::{self, Outcome, error_over_tolerance};
use crate::tensor::{Inputs, Storage, TensorName};
use crate::timing::{Clock, ClockKind, Instant, Stopwatch, Summary, buffer_sets, repeats};

/// What must come of a problem, by the f64 reference.
pub struct Expected {
    outcomes: BTreeMap<TensorName, Outcome>,
}

impl Expected {
    /// Runs the reference: for a backward pass that of every wanted gradient, not accumulated. Inputs and results are those
    /// that a storage holds.
    pub fn of(problem: &Problem, inputs: &Inputs, storage: Storage) -> Result<Expected> {
        let inputs = &storage.round_all(inputs);
        let outcomes: BTreeMap<TensorName, Outcome> = match problem {
            Problem::Gradient(gradient) => {
                let wanted: Vec<TensorName> = gradient.wanted.iter().copied().collect();
                let upstream = inputs.get(&TensorName::GradOutput).map_or(&[][..], Vec::as_slice);
                let gradients = reference::gradients(&gradient.of, inputs, upstream, &wanted)?;
                gradients.into_iter().map(|(name, outcome)| (name.gradient().unwrap_or(name), outcome)).collect()
            }
            _ => BTreeMap::from([(TensorName::Output, reference::run(problem, inputs)?)]),
        };
        let stored = outcomes.into_iter().map(|(name, outcome)| (name, outcome.stored(storage)));
        Ok(Expected { outcomes: stored.collect() })
    }

    /// What must come of every tensor that is written, a backward pass's by the names of the gradients.
    pub fn outcomes(&self) -> &BTreeMap<TensorName, Outcome> {
        &self.outcomes
    }

    /// Largest error over its tolerance by [`error_over_tolerance`]: up to 1 is right. Infinite where a value or a position
    /// is missing, or is inexact and must not be.
    pub fn worst_error(&self, outputs: &Outputs) -> f64 {
        let of = |(name, outcome): (&TensorName, &Outcome)| match name {
            TensorName::Output if outputs.indices != outcome.indices => f64::INFINITY,
            TensorName::Output => worst(outcome, &outputs.output, outputs.algorithm),
            _ => outputs.gradients.get(name).map_or(f64::INFINITY, |got| worst(outcome, got, outputs.algorithm)),
        };
        self.outcomes.iter().map(of).fold(0.0, f64::max)
    }
}

/// Largest error of a tensor over its tolerance.
pub(super) fn worst(expected: &Outcome, got: &[f32], algorithm: Algorithm) -> f64 {
    // Two factors of 11 bits err by 2^-10 of their product, and an activation multiplies that by 3/2 at most.
    let of_products = if algorithm.accuracy() == Accuracy::Half { 1.5 / 1024.0 } else { 0.0 };
    if got.len() != expected.output.len() {
        return f64::INFINITY;
    }
    let ratio = |(i, (&got, want)): (usize, (&f32, &f64))| {
        // What must be exact is the nearest f32.
        let tolerance = expected.tolerance(i) + of_products * expected.magnitude[i];
        let want = if tolerance == 0.0 { f64::from(*want as f32) } else { *want };
        error_over_tolerance(got.into(), want, tolerance)
    };
    got.iter().zip(&expected.output).enumerate().map(ratio).fold(0.0, f64::max)
}

/// Measures on one device.
pub struct Session<'a> {
    gpu: &'a Gpu,
    settings: &'a Settings,
    stopwatch: Stopwatch<'a>,
}

/// A problem that is measured, and what was found so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    problem: Problem,
    options: Options,
    /// Whether the result may be believed.
    pub status: Status,
    /// Why not.
    pub message: Option<String>,
    /// How it is computed, where a plan was made.
    pub algorithm: Option<Algorithm>,
    /// Largest error over its tolerance.
    pub error_over_tolerance: Option<f64>,
    rounds_ms: Vec<Vec<f64>>,
    repeats: usize,
    buffer_sets: usize,
    /// Of the bits of the verified result.
    digest: Option<u64>,
    costs: Costs,
    visited: bool,
}

/// What is measured once.
#[derive(Debug, Clone, Default, PartialEq)]
struct Costs {
    macs: u64,
    min_bytes: u64,
    traffic_bytes: u64,
    workspace_bytes: u64,
    dispatches: usize,
    plan_cold_ms: Option<f64>,
    plan_cached_ms: Option<f64>,
    plan_ms: Option<f64>,
    first_run_ms: Option<f64>,
    bind_us: Option<f64>,
    encode_us: Option<f64>,
}

impl Item {
    /// Nothing is known of it yet.
    pub fn new(problem: Problem, options: Options) -> Item {
        Item {
            problem,
            options,
            status: Status::Failed,
            message: Some("not measured".into()),
            algorithm: None,
            error_over_tolerance: None,
            rounds_ms: Vec::new(),
            repeats: 0,
            buffer_sets: 0,
            digest: None,
            costs: Costs::default(),
            visited: false,
        }
    }

    /// What is measured.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// How it is computed.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether there is a reason to measure it again.
    pub fn is_alive(&self) -> bool {
        !self.visited || self.status == Status::Right
    }

    /// Whether it was measured, or refused.
    pub fn was_visited(&self) -> bool {
        self.visited
    }

    /// Notes why it is not measured.
    pub fn refuse(&mut self, status: Status, message: &str) {
        self.visited = true;
        (self.status, self.message) = (status, Some(message.into()));
    }

    /// Order statistics of all samples so far.
    pub fn summary_ms(&self) -> Option<Summary> {
        (self.status == Status::Right).then(|| Summary::of(&self.rounds_ms.concat())).flatten()
    }

    /// The row of a record. `peaks` are those of the device.
    pub fn row(&self, names: RowNames<'_>, clock: ClockKind, peaks: &[Peak]) -> Row {
        let right = self.status == Status::Right;
        let summary_ms = self.summary_ms();
        let costs = &self.costs;
        let flops = 2 * costs.macs;
        // One that could not be measured is zero and limits nothing.
        let measured = |peak: &&Peak| peak.per_second > 0.0 && peak.per_second.is_finite();
        let peak = |kind| peaks.iter().filter(measured).find(|peak| peak.kind == kind).map(|peak| peak.per_second);
        let bandwidth = [peak(PeakKind::Read), peak(PeakKind::Copy)].into_iter().flatten().max_by(f64::total_cmp);
        let bound = match (summary_ms, peak(PeakKind::F32Fma), bandwidth) {
            (Some(summary), Some(compute), Some(bandwidth)) => {
                Some(Bound::new(flops, costs.min_bytes, compute, bandwidth, summary.median))
            }
            _ => None,
        };
        Row {
            suite: names.suite.into(),
            layer: names.layer.into(),
            operation: names.operation.into(),
            pass: names.pass,
            device: names.device.into(),
            algorithm: self.algorithm.or(self.options.algorithm).map_or("auto", Algorithm::name).into(),
            chosen: names.chosen,
            element: self.options.storage.name().into(),
            problem: self.problem.clone(),
            status: self.status,
            message: self.message.clone(),
            error_over_tolerance: self.error_over_tolerance.filter(|error| error.is_finite()),
            clock,
            repeats: self.repeats,
            buffer_sets: self.buffer_sets,
            rounds_ms: if right { self.rounds_ms.clone() } else { Vec::new() },
            summary_ms,
            macs: costs.macs,
            flops,
            min_bytes: costs.min_bytes,
            traffic_bytes: costs.traffic_bytes,
            workspace_bytes: costs.workspace_bytes,
            dispatches: costs.dispatches,
            plan_cold_ms: costs.plan_cold_ms,
            plan_cached_ms: costs.plan_cached_ms,
            plan_ms: costs.plan_ms,
            first_run_ms: costs.first_run_ms,
            bind_us: costs.bind_us,
            encode_us: costs.encode_us,
            bound,
        }
    }
}

/// What a row is called.
#[derive(Debug, Clone, Copy)]
pub struct RowNames<'a> {
    /// Suite that the layer is from.
    pub suite: &'a str,
    /// Its name there.
    pub layer: &'a str,
    /// `conv2d`, `deform_conv2d` and so on.
    pub operation: &'a str,
    /// Which part.
    pub pass: super::Pass,
    /// The device's id.
    pub device: &'a str,
    /// Whether the library chooses the algorithm by itself.
    pub chosen: bool,
}

impl<'a> Session<'a> {
    /// For a device. Submits nothing yet.
    pub fn new(gpu: &'a Gpu, settings: &'a Settings, clock: Clock) -> Session<'a> {
        Session { gpu, settings, stopwatch: Stopwatch::new(gpu, clock) }
    }

    /// What it measures with.
    pub fn clock(&self) -> ClockKind {
        self.stopwatch.kind()
    }

    /// Measures an item for one round. The first visit also times what happens once: plan, compilation, binding, encoding;
    /// and it verifies the result, for which `expected` is asked. Later visits demand the same bits, and ask again where
    /// they differ. Trouble is noted in the item. Blocks: not in browsers.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn visit(&self, item: &mut Item, inputs: &Inputs, expected: &mut dyn FnMut() -> Result<Arc<Expected>>) {
        pollster::block_on(self.visit_async(item, inputs, expected));
    }

    /// Likewise without blocking, for browsers.
    pub async fn visit_async(
        &self,
        item: &mut Item,
        inputs: &Inputs,
        expected: &mut dyn FnMut() -> Result<Arc<Expected>>,
    ) {
        item.visited = true;
        if let Err(error) = self.try_visit(item, inputs, expected).await {
            use crate::error::ErrorKind;
            item.status = match error.kind() {
                ErrorKind::Device => Status::Failed,
                ErrorKind::Invalid | ErrorKind::Unsupported => Status::Unsupported,
            };
            item.message = Some(error.to_string());
        }
    }

    async fn try_visit(
        &self,
        item: &mut Item,
        inputs: &Inputs,
        expected: &mut dyn FnMut() -> Result<Arc<Expected>>,
    ) -> Result<()> {
        let first = item.algorithm.is_none();
        if first {
            let plan = self.plan_costs(item).await?;
            item.algorithm = Some(plan.choice().algorithm);
        }
        let plan = Plan::new_async(self.gpu.context(), &item.problem, &item.options).await?;
        let prepared = self.gpu.prepare(&plan, inputs).await?;
        if first {
            item.costs.first_run_ms = Some(self.once(&prepared).await?);
        }
        self.verify(item, &plan, &prepared, expected).await?;
        if item.status != Status::Right {
            return Ok(());
        }
        let bytes: u64 = prepared.buffers.values().map(wgpu::Buffer::size).sum();
        if first {
            item.repeats = repeats(self.settings.sample_ms, self.stopwatch.settle(&[&prepared], 1).await?);
        }
        // No more than a round executes.
        let executions = item.repeats * self.settings.samples.max(1);
        let sets = buffer_sets(self.settings.rotate_bytes, bytes).min(executions);
        let mut all = vec![prepared];
        while all.len() < sets {
            let another = self.gpu.prepare_like(&plan, &all[0]).await?;
            all.push(another);
        }
        item.buffer_sets = all.len();
        if first {
            item.costs.encode_us = Some(self.encode_us(&all[0]));
            item.costs.bind_us = Some(bind_us(&plan, &all[0])?);
        }
        let all: Vec<&Prepared> = all.iter().collect();
        self.stopwatch.settle(&all, item.repeats).await?;
        let mut next = 0;
        let mut samples = Vec::with_capacity(self.settings.samples);
        for _ in 0..self.settings.samples.max(1) {
            samples.push(self.stopwatch.rotate(&all, next, item.repeats).await?);
            next = (next + item.repeats) % all.len();
        }
        // What was timed is what was verified.
        self.verify(item, &plan, all[0], expected).await?;
        item.rounds_ms.push(samples);
        Ok(())
    }

    /// Plan, compilation and binding.
    async fn plan_costs(&self, item: &mut Item) -> Result<Plan> {
        let (device, capabilities) = (self.gpu.device(), *self.gpu.capabilities());
        let (problem, options) = (&item.problem, &item.options);
        let make = async |context: &Context| -> Result<(Plan, f64)> {
            let start = Instant::now();
            let plan = Plan::new_async(context, problem, options).await?;
            Ok((plan, start.elapsed_ms()))
        };
        let (cold, cached) = match empty_pipeline_cache(device) {
            Some(cache) => {
                let context = || Context::with_pipeline_cache(device, capabilities, cache.clone());
                let (_, cold) = make(&context()).await?;
                (cold, Some(make(&context()).await?.1))
            }
            None => (make(&Context::with_capabilities(device, capabilities)).await?.1, None),
        };
        let (plan, _) = make(self.gpu.context()).await?;
        let mut again = [0.0; 5];
        for ms in &mut again {
            *ms = make(self.gpu.context()).await?.1;
        }
        item.costs = Costs {
            macs: plan.geometry().macs(),
            min_bytes: plan.geometry().min_bytes(plan.options().storage),
            traffic_bytes: plan.traffic_bytes(),
            workspace_bytes: plan.workspace_size(),
            dispatches: plan.dispatch_count(),
            plan_cold_ms: Some(cold),
            plan_cached_ms: cached,
            plan_ms: Summary::of(&again).map(|summary| summary.median),
            ..Costs::default()
        };
        Ok(plan)
    }

    /// Milliseconds of one execution on the wall clock.
    async fn once(&self, prepared: &Prepared) -> Result<f64> {
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        prepared.bound.encode(&mut encoder);
        self.stopwatch.wall(encoder).await
    }

    /// Microseconds of the host to record one execution, without submitting it.
    fn encode_us(&self, prepared: &Prepared) -> f64 {
        const ENCODES: usize = 32;
        let batch = |_| {
            let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            let start = Instant::now();
            for _ in 0..ENCODES {
                prepared.bound.encode_in_pass(&mut pass);
            }
            start.elapsed_ms() * 1e3 / ENCODES as f64
        };
        let batches: Vec<f64> = (0..9).map(batch).collect();
        Summary::of(&batches).map_or(0.0, |summary| summary.median)
    }

    async fn verify(
        &self,
        item: &mut Item,
        plan: &Plan,
        prepared: &Prepared,
        expected: &mut dyn FnMut() -> Result<Arc<Expected>>,
    ) -> Result<()> {
        self.once(prepared).await?;
        let outputs = self.gpu.outputs(plan, prepared).await?;
        let digest = digest(&outputs);
        if item.digest == Some(digest) {
            return Ok(());
        }
        let error = expected()?.worst_error(&outputs);
        item.error_over_tolerance = Some(item.error_over_tolerance.unwrap_or(0.0).max(error));
        // So that a NaN is wrong.
        if error <= 1.0 {
            (item.status, item.message, item.digest) = (Status::Right, None, Some(digest));
        } else {
            item.status = Status::Wrong;
            item.message = Some(format!("the error is {error:.3e} of what is allowed"));
            item.rounds_ms.clear();
        }
        Ok(())
    }
}

/// Microseconds of the host to attach buffers.
fn bind_us(plan: &Plan, prepared: &Prepared) -> Result<f64> {
    let bind = |_| {
        let start = Instant::now();
        prepared.bind_again(plan)?;
        Ok(start.elapsed_ms() * 1e3)
    };
    let times = (0..9).map(bind).collect::<Result<Vec<f64>>>()?;
    Ok(Summary::of(&times).map_or(0.0, |summary| summary.median))
}

fn digest(outputs: &Outputs) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytemuck::cast_slice(&outputs.output));
    hasher.write(bytemuck::cast_slice(outputs.indices.as_deref().unwrap_or(&[])));
    for gradient in outputs.gradients.values() {
        hasher.write(bytemuck::cast_slice(gradient));
    }
    hasher.finish()
}
