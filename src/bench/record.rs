//! What a run of the instrument leaves behind. docs/benchmarking.md describes the JSON that it becomes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::problem::{Gradient, Problem};
use crate::tensor::TensorName;
use crate::timing::{ClockKind, Summary};

/// Name and version of the format. A change that old readers would misread gets a new number.
pub const SCHEMA: &str = "wgconv-bench/1";

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: String,
    /// When it began, RFC 3339 in UTC.
    pub created: String,
    /// What the user calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What ran.
    pub software: Software,
    /// What it ran on.
    pub machine: Machine,
    /// How it was measured.
    pub settings: Settings,
    /// Adapters, each seen through one backend.
    pub devices: Vec<Device>,
    /// Measurements.
    pub rows: Vec<Row>,
    /// Whether it was ended before everything was measured.
    #[serde(default)]
    pub interrupted: bool,
}

/// Versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Software {
    /// Of this crate.
    pub wgconv: String,
    /// Of wgpu.
    pub wgpu: String,
    /// Commit of the source, `-dirty` behind it where files had changed; absent where the build did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// The host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Its make.
    pub host: Host,
    /// Load averages of the last 1, 5 and 15 minutes before the first measurement, where the system tells.
    pub load_before: Option<[f64; 3]>,
    /// Share of the processors that other programs kept busy in the moment before the first measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_before: Option<f64>,
    /// Load averages after the last measurement.
    pub load_after: Option<[f64; 3]>,
}

/// What does not change while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Operating system with its version.
    pub os: String,
    /// Instruction set.
    pub arch: String,
    /// Model of the processor.
    pub processor: Option<String>,
    /// Logical processors that the program may use.
    pub processors: Option<usize>,
}

/// How it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Visits to every row, spread over the run.
    pub rounds: usize,
    /// Samples of a visit.
    pub samples: usize,
    /// Milliseconds that a sample aims at.
    pub sample_ms: f64,
    /// Bytes of buffers that executions rotate through, so that one does not find the data of the last in a cache.
    pub rotate_bytes: u64,
}

/// An adapter through a backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// What rows call it.
    pub id: String,
    /// Of the adapter.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl`, `webgpu`.
    pub backend: String,
    /// `DiscreteGpu`, `IntegratedGpu`, `VirtualGpu`, `Cpu`, `Other`.
    pub device_type: String,
    /// Name of the driver.
    pub driver: String,
    /// Its version.
    pub driver_info: String,
    /// `gpu` or `cpu`: the family of kernels that the library uses on it.
    pub kernel_class: String,
    /// Limits that the choice of kernels depends on.
    pub limits: BTreeMap<String, u64>,
    /// Features in use.
    pub features: Vec<String>,
    /// What timed it.
    pub clock: ClockKind,
    /// What the machine can do; empty where that was not measured.
    #[serde(default)]
    pub peaks: Vec<Peak>,
}

impl Device {
    /// The best peak of a kind.
    pub fn peak(&self, kind: PeakKind) -> Option<&Peak> {
        self.peaks.iter().find(|peak| peak.kind == kind)
    }

    /// Bytes per second: the faster of reading and copying.
    pub fn bandwidth(&self) -> Option<f64> {
        let of = |kind| self.peak(kind).map(|peak| peak.per_second);
        [of(PeakKind::Read), of(PeakKind::Copy)].into_iter().flatten().max_by(f64::total_cmp)
    }
}

/// A limit of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeakKind {
    /// Operations of f32 multiply-adds, two each.
    F32Fma,
    /// Likewise in f16.
    F16Fma,
    /// Bytes read from buffers that no cache holds.
    Read,
    /// Bytes read and written by a copy between such buffers.
    Copy,
}

impl PeakKind {
    /// `f32_fma`, `f16_fma`, `read` or `copy`.
    pub fn as_str(self) -> &'static str {
        match self {
            PeakKind::F32Fma => "f32_fma",
            PeakKind::F16Fma => "f16_fma",
            PeakKind::Read => "read",
            PeakKind::Copy => "copy",
        }
    }

    /// Giga-units of `per_second`.
    pub fn unit(self) -> &'static str {
        match self {
            PeakKind::F32Fma | PeakKind::F16Fma => "GFLOP/s",
            PeakKind::Read | PeakKind::Copy => "GB/s",
        }
    }
}

/// A measured limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// Of what.
    pub kind: PeakKind,
    /// The micro-benchmark's best variant.
    pub variant: String,
    /// Operations or bytes per second, of the median sample.
    pub per_second: f64,
    /// Milliseconds, all of them.
    pub samples_ms: Vec<f64>,
    /// What the other variants reached, by name.
    pub variants: BTreeMap<String, f64>,
}

/// The part of training that a row is about. In JSON its name: `forward`, `backward`, `grad_weight` and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Pass {
    /// The output.
    Forward,
    /// Every gradient, by one plan.
    Backward,
    /// The gradient of one tensor alone.
    Gradient(TensorName),
}

impl Pass {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Pass::Forward => "forward",
            Pass::Backward => "backward",
            Pass::Gradient(of) => of.gradient().unwrap_or(of).as_str(),
        }
    }

    /// The pass of that name.
    pub fn parse(name: &str) -> Option<Pass> {
        match name {
            "forward" => Some(Pass::Forward),
            "backward" => Some(Pass::Backward),
            _ => TensorName::ALL
                .into_iter()
                .filter(|&of| of != TensorName::Output)
                .find(|of| of.gradient().is_some_and(|gradient| gradient.as_str() == name))
                .map(Pass::Gradient),
        }
    }

    /// What to compute; `None` where the operation has no such gradient.
    pub fn of(self, problem: &Problem) -> Option<Problem> {
        match self {
            Pass::Forward => Some(problem.clone()),
            Pass::Backward => Some(Gradient::all(problem.clone()).into()),
            Pass::Gradient(tensor) => {
                let has = problem.differentiable().contains(&tensor);
                has.then(|| Gradient::new(problem.clone(), [tensor]).into())
            }
        }
    }
}

impl From<Pass> for String {
    fn from(pass: Pass) -> String {
        pass.as_str().into()
    }
}

impl TryFrom<String> for Pass {
    type Error = String;

    fn try_from(name: String) -> Result<Pass, String> {
        Pass::parse(&name).ok_or_else(|| format!("pass = {name}: it must be forward, backward or grad_ and a tensor"))
    }
}

/// Whether a row may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The result is within its tolerance.
    Right,
    /// It is not: there are no times.
    Wrong,
    /// The device or the library does not do this.
    Unsupported,
    /// The device gave up.
    Failed,
}

impl Status {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Right => "right",
            Status::Wrong => "wrong",
            Status::Unsupported => "unsupported",
            Status::Failed => "failed",
        }
    }
}

/// One problem by one algorithm on one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Suite that the layer is from.
    pub suite: String,
    /// Its name there.
    pub layer: String,
    /// `conv2d`, `deform_conv2d` and so on.
    pub operation: String,
    /// Which part.
    pub pass: Pass,
    /// [`Device::id`].
    pub device: String,
    /// Its name, as `--algorithm` takes it.
    pub algorithm: String,
    /// Whether the library chooses it here by itself.
    pub chosen: bool,
    /// Type of the elements.
    pub element: String,
    /// What was computed, so that it can be repeated; the backward pass names what it differentiates.
    pub problem: Problem,
    /// Whether the times mean something.
    pub status: Status,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Largest error over its tolerance; absent where there is no result, or where it is not finite.
    pub error_over_tolerance: Option<f64>,
    /// What timed it.
    pub clock: ClockKind,
    /// Executions in a sample.
    pub repeats: usize,
    /// Sets of buffers that they rotate through.
    pub buffer_sets: usize,
    /// Milliseconds of one execution, the samples of each round; empty unless the status is right.
    pub rounds_ms: Vec<Vec<f64>>,
    /// Of all samples.
    pub summary_ms: Option<Summary>,
    /// Multiply-adds of the direct algorithm.
    pub macs: u64,
    /// Two operations for each.
    pub flops: u64,
    /// Bytes of the tensors, each counted once.
    pub min_bytes: u64,
    /// Bytes of everything that the algorithm's dispatches bind, each dispatch's operands counted once.
    pub traffic_bytes: u64,
    /// Bytes of workspace.
    pub workspace_bytes: u64,
    /// Dispatches of one execution.
    pub dispatches: usize,
    /// Milliseconds to make the plan where nothing was compiled before.
    pub plan_cold_ms: Option<f64>,
    /// Likewise with the pipeline cache of an earlier plan, where the device has one.
    pub plan_cached_ms: Option<f64>,
    /// Milliseconds to make it again, when its pipelines are there.
    pub plan_ms: Option<f64>,
    /// Milliseconds of the very first execution on the host's clock: some drivers compile only then.
    pub first_run_ms: Option<f64>,
    /// Microseconds of the host to attach buffers.
    pub bind_us: Option<f64>,
    /// Microseconds of the host for one `encode`.
    pub encode_us: Option<f64>,
    /// How far it is from what the machine can do; absent where the peaks are.
    pub bound: Option<Bound>,
}

impl Row {
    /// What makes two rows of different records the same measurement, the device aside.
    pub fn key(&self) -> (&str, &str, Pass, &str, &str) {
        (&self.suite, &self.layer, self.pass, &self.algorithm, &self.element)
    }

    /// `SUITE/LAYER`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.suite, self.layer)
    }

    /// Median of all samples; only of right rows.
    pub fn median_ms(&self) -> Option<f64> {
        self.summary_ms.map(|summary| summary.median)
    }

    /// Billions of operations per second; `None` of what only moves elements.
    pub fn gflops(&self) -> Option<f64> {
        (self.flops > 0).then_some(self.flops as f64 * 1e-6 / self.median_ms()?)
    }

    /// Billions of bytes per second, each tensor counted once.
    pub fn gbytes(&self) -> Option<f64> {
        Some(self.min_bytes as f64 * 1e-6 / self.median_ms()?)
    }

    /// Operations per byte, each tensor counted once.
    pub fn intensity(&self) -> f64 {
        self.flops as f64 / self.min_bytes.max(1) as f64
    }
}

/// Which of the machine's limits is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Multiply-adds.
    Compute,
    /// Bytes.
    Memory,
}

impl Side {
    /// `compute` or `memory`.
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Compute => "compute",
            Side::Memory => "memory",
        }
    }
}

/// A row under the roofline (S. Williams, A. Waterman, D. Patterson 2009): `min(peak, intensity · bandwidth)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// Which limit it would meet first.
    pub side: Side,
    /// Milliseconds at that limit.
    pub limit_ms: f64,
    /// The limit over the median: 1 is as fast as the machine allows. More than 1 is possible where data stay in a
    /// cache, or where an algorithm needs fewer operations than the direct one.
    pub fraction: f64,
}

impl Bound {
    /// From peaks per second.
    pub fn new(flops: u64, min_bytes: u64, flops_peak: f64, bandwidth: f64, median_ms: f64) -> Bound {
        let compute = flops as f64 / flops_peak * 1e3;
        let memory = min_bytes as f64 / bandwidth * 1e3;
        let (side, limit_ms) = if compute > memory { (Side::Compute, compute) } else { (Side::Memory, memory) };
        Bound { side, limit_ms, fraction: limit_ms / median_ms }
    }
}
