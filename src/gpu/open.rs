//! A device of its own, for tests, tools and small programs that have none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::bound::{Bindings, Bound};
use super::context::{Context, optional_features, required_features, required_limits};
use super::plan::Plan;
use crate::capabilities::Capabilities;
use crate::choose::{Algorithm, Options};
use crate::error::{Error, Result};
use crate::problem::Problem;
use crate::tensor::{Access, ELEMENT_BYTES, ElementType, Inputs, Layout, TensorName, TensorSpec};

/// Which adapter to open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Select {
    /// The one that the environment variable `WGCONV_ADAPTER` names, as an index or a part of a name; without it the
    /// most capable: discrete before integrated before virtual before software.
    #[default]
    Auto,
    /// Position in [`Gpu::adapters`].
    Index(usize),
    /// Part of the adapter's name, backend or driver, in any case.
    Name(String),
}

/// An opened adapter.
pub struct Gpu {
    info: wgpu::AdapterInfo,
    queue: wgpu::Queue,
    context: Context,
    /// The first error that wgpu reported outside of any call that could return it.
    trouble: Arc<Mutex<Option<String>>>,
}

/// What an operation computed, contiguous.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs {
    /// How.
    pub algorithm: Algorithm,
    /// The output; empty for a backward pass.
    pub output: Vec<f32>,
    /// Of max pooling with indices.
    pub indices: Option<Vec<u32>>,
    /// Of a backward pass, which has no output of its own: `grad_input` and so on.
    pub gradients: BTreeMap<TensorName, Vec<f32>>,
}

/// Measured durations of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// Milliseconds of one execution, one entry per sample, in order.
    pub samples_ms: Vec<f64>,
    /// `timestamp` (GPU clock) or `wall clock` (submit to completion).
    pub method: &'static str,
    /// Executions per sample.
    pub repeats: usize,
    /// Bytes of workspace.
    pub workspace_bytes: u64,
    /// What the last execution left, for checking.
    pub outputs: Outputs,
}

impl Timing {
    /// Median of the samples in milliseconds.
    pub fn median(&self) -> f64 {
        let mut sorted = self.samples_ms.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        }
    }

    /// From the fastest sample to the slowest, as a fraction of the median: large where the machine had other work.
    pub fn spread(&self) -> f64 {
        let fastest = self.samples_ms.iter().copied().fold(f64::INFINITY, f64::min);
        let slowest = self.samples_ms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (slowest - fastest) / self.median()
    }
}

/// Environment variable that picks the adapter of [`Select::Auto`].
const ADAPTER_VARIABLE: &str = "WGCONV_ADAPTER";

/// Length of one timed sample that the number of repeats aims at.
const SAMPLE_TARGET: Duration = Duration::from_millis(20);
const MAX_REPEATS: usize = 200;

/// Adapters of some backends; the environment variable `WGPU_BACKEND` overrides the choice.
fn enumerate(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    let descriptor = wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
    let instance = wgpu::Instance::new(descriptor.with_env());
    let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    adapters
        .retain(|adapter| adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS));
    adapters.sort_by_key(|adapter| rank(&adapter.get_info()));
    adapters
}

/// Smaller is better.
fn rank(info: &wgpu::AdapterInfo) -> (bool, u8) {
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    };
    (info.backend == wgpu::Backend::Gl, kind)
}

fn device_error(error: impl std::fmt::Display) -> Error {
    Error::Device(error.to_string())
}

impl Gpu {
    /// Every adapter of every backend that runs compute shaders, the most capable first.
    pub fn adapters() -> Vec<wgpu::AdapterInfo> {
        enumerate(wgpu::Backends::all()).iter().map(wgpu::Adapter::get_info).collect()
    }

    /// Opens an adapter, with a timestamp clock where it has one.
    pub fn open(select: &Select) -> Result<Gpu> {
        let select = match (select, std::env::var(ADAPTER_VARIABLE)) {
            (Select::Auto, Ok(wanted)) if !wanted.is_empty() => {
                wanted.parse().map_or(Select::Name(wanted), Select::Index)
            }
            _ => select.clone(),
        };
        // GL is asked only when nothing better is there: it ranks last anyway, and starting it takes time.
        let mut adapters = match select {
            Select::Auto => enumerate(wgpu::Backends::PRIMARY),
            _ => enumerate(wgpu::Backends::all()),
        };
        if adapters.is_empty() {
            adapters = enumerate(wgpu::Backends::all());
        }
        if adapters.is_empty() {
            return Err(Error::Device(
                "no adapter that runs compute shaders; on Debian install mesa-vulkan-drivers and libvulkan1".into(),
            ));
        }
        let names: Vec<String> = adapters.iter().map(|a| describe(&a.get_info())).collect();
        let missing = |wanted: String| Error::Device(format!("no adapter {wanted}; there are: {}", names.join("; ")));
        let index = match &select {
            Select::Auto => 0,
            Select::Index(index) if *index < adapters.len() => *index,
            Select::Index(index) => return Err(missing(format!("number {index}"))),
            Select::Name(name) => {
                let wanted = name.to_lowercase();
                names
                    .iter()
                    .position(|description| description.to_lowercase().contains(&wanted))
                    .ok_or_else(|| missing(format!("named {name}")))?
            }
        };
        Gpu::from_adapter(&adapters[index])
    }

    fn from_adapter(adapter: &wgpu::Adapter) -> Result<Gpu> {
        let base = wgpu::Limits::downlevel_defaults().using_resolution(adapter.limits());
        let optional = adapter.features() & wgpu::Features::TIMESTAMP_QUERY;
        let request = adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("wgconv"),
            required_features: required_features(adapter) | optional_features(adapter) | optional,
            required_limits: required_limits(adapter, base),
            ..Default::default()
        });
        let (device, queue) = pollster::block_on(request).map_err(device_error)?;
        let trouble = Arc::new(Mutex::new(None));
        let slot = trouble.clone();
        // wgpu's own handler panics.
        device.on_uncaptured_error(Arc::new(move |error| {
            let words: Vec<String> = error.to_string().split_whitespace().map(Into::into).collect();
            slot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| words.join(" "));
        }));
        Ok(Gpu { info: adapter.get_info(), queue, context: Context::new(&device), trouble })
    }

    /// The same device seen through other capabilities: another kernel class, tighter limits.
    #[must_use]
    pub fn with_capabilities(self, capabilities: Capabilities) -> Gpu {
        let context = Context::with_capabilities(self.context.device(), capabilities);
        Gpu { context, ..self }
    }

    /// What the adapter says of itself.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.info
    }

    /// Name, backend and driver in one line.
    pub fn description(&self) -> String {
        describe(&self.info)
    }

    /// What plans are made for.
    pub fn capabilities(&self) -> &Capabilities {
        self.context.capabilities()
    }

    /// The context, for plans of one's own.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        self.context.device()
    }

    /// The queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// Uploads contiguous inputs, lays them out as the options say, computes in one submit, and reads the results back
    /// contiguous. Blocks until done.
    pub fn run(&self, problem: &Problem, options: &Options, inputs: &Inputs) -> Result<Outputs> {
        self.run_plan(&Plan::new(&self.context, problem, options)?, inputs)
    }

    /// Likewise for a plan that was made before, on this device.
    pub fn run_plan(&self, plan: &Plan, inputs: &Inputs) -> Result<Outputs> {
        let prepared = self.prepare(plan, inputs)?;
        let mut encoder = self.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        prepared.bound.encode(&mut encoder);
        self.queue.submit([encoder.finish()]);
        self.outputs(plan, &prepared)
    }

    /// Like [`Gpu::run`], but executes many times and measures. Warms up first; a sample repeats the operation often
    /// enough to last some milliseconds.
    pub fn benchmark(&self, problem: &Problem, options: &Options, inputs: &Inputs, samples: usize) -> Result<Timing> {
        let plan = Plan::new(&self.context, problem, options)?;
        let prepared = self.prepare(&plan, inputs)?;
        let clock = Clock::new(self);
        // The first run compiles on some drivers; the second says how many repeats a sample needs.
        clock.sample(self, &prepared.bound, 1)?;
        let once = clock.sample(self, &prepared.bound, 1)?.max(1e-6);
        let repeats = ((SAMPLE_TARGET.as_secs_f64() * 1e3 / once).ceil() as usize).clamp(1, MAX_REPEATS);
        let samples_ms =
            (0..samples.max(1)).map(|_| clock.sample(self, &prepared.bound, repeats)).collect::<Result<Vec<f64>>>()?;
        Ok(Timing {
            samples_ms,
            method: clock.method(),
            repeats,
            workspace_bytes: plan.workspace_size(),
            outputs: self.outputs(&plan, &prepared)?,
        })
    }

    fn prepare(&self, plan: &Plan, inputs: &Inputs) -> Result<Prepared> {
        let out_of_memory = self.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let mut buffers = BTreeMap::new();
        for spec in plan.geometry().tensors() {
            let layout = layout_of(plan, spec);
            let span = layout.span(&spec.shape).unwrap_or(usize::MAX);
            let buffer = self.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some(spec.name.as_str()),
                size: span as u64 * ELEMENT_BYTES,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            if spec.access != Access::Write {
                let data = inputs.get(&spec.name).map_or(&[][..], Vec::as_slice);
                if data.len() != spec.len() {
                    return Err(Error::Shape { tensor: spec.name, got: vec![data.len()], want: spec.shape.clone() });
                }
                if layout.is_contiguous(&spec.shape) {
                    self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(data));
                } else {
                    let mut strided = vec![f32::NAN; span];
                    layout.scatter(&spec.shape, data, &mut strided);
                    self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&strided));
                }
            }
            buffers.insert(spec.name, buffer);
        }
        let workspace = (plan.workspace_size() > 0).then(|| {
            self.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("workspace"),
                size: plan.workspace_size(),
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            })
        });
        if let Some(error) = pollster::block_on(out_of_memory.pop()) {
            return Err(device_error(error));
        }
        let mut bindings = Bindings::new();
        for (name, buffer) in &buffers {
            bindings = bindings.tensor(*name, buffer);
        }
        if let Some(workspace) = &workspace {
            bindings = bindings.workspace(workspace);
        }
        let bound = plan.bind(&bindings)?;
        Ok(Prepared { bound, buffers })
    }

    fn outputs(&self, plan: &Plan, prepared: &Prepared) -> Result<Outputs> {
        let mut outputs = Outputs {
            algorithm: plan.choice().algorithm,
            output: Vec::new(),
            indices: None,
            gradients: BTreeMap::new(),
        };
        for spec in plan.geometry().tensors().iter().filter(|spec| spec.access != Access::Read) {
            let words = self.read_back(&prepared.buffers[&spec.name])?;
            let layout = layout_of(plan, spec);
            let dense = layout.gather(&spec.shape, &words);
            match (spec.name, spec.element) {
                (_, ElementType::U32) => outputs.indices = Some(dense),
                (TensorName::Output, _) => outputs.output = bytemuck::cast_vec(dense),
                (name, _) => {
                    outputs.gradients.insert(name, bytemuck::cast_vec(dense));
                }
            }
        }
        Ok(outputs)
    }

    /// Copies a buffer to the host. Blocks.
    pub fn read_back(&self, buffer: &wgpu::Buffer) -> Result<Vec<u32>> {
        let staging = self.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size: buffer.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver waits below; it is gone only if this function is.
            let _ = sender.send(result);
        });
        self.wait()?;
        receiver.recv().map_err(device_error)?.map_err(device_error)?;
        let words = staging.get_mapped_range(..).map_err(device_error)?;
        Ok(bytemuck::pod_collect_to_vec(&words))
    }

    /// Waits for the device, and says what it complained of meanwhile.
    fn wait(&self) -> Result<()> {
        self.device().poll(wgpu::PollType::wait_indefinitely()).map_err(device_error)?;
        match self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(Error::Device(format!("{}: {error}", self.description()))),
            None => Ok(()),
        }
    }
}

fn describe(info: &wgpu::AdapterInfo) -> String {
    format!("{} ({}, {:?}, {} {})", info.name, info.backend, info.device_type, info.driver, info.driver_info)
}

fn layout_of(plan: &Plan, spec: &TensorSpec) -> Layout {
    plan.options().layouts.get(&spec.name).cloned().unwrap_or_else(|| Layout::contiguous(&spec.shape))
}

/// Buffers of one execution.
struct Prepared {
    bound: Bound,
    buffers: BTreeMap<TensorName, wgpu::Buffer>,
}

/// GPU timestamps where the device has them, else the wall clock around a submit.
enum Clock {
    Timestamps { queries: wgpu::QuerySet, resolved: wgpu::Buffer, nanoseconds_per_tick: f64 },
    Wall,
}

impl Clock {
    fn new(gpu: &Gpu) -> Clock {
        let device = gpu.device();
        if !device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Clock::Wall;
        }
        Clock::Timestamps {
            queries: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("wgconv clock"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("wgconv clock"),
                size: 16,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
            nanoseconds_per_tick: gpu.queue.get_timestamp_period().into(),
        }
    }

    fn method(&self) -> &'static str {
        match self {
            Clock::Timestamps { .. } => "timestamp",
            Clock::Wall => "wall clock",
        }
    }

    /// Milliseconds of one of `repeats` executions in one pass.
    fn sample(&self, gpu: &Gpu, bound: &Bound, repeats: usize) -> Result<f64> {
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let timestamp_writes = match self {
            Clock::Timestamps { queries, .. } => Some(wgpu::ComputePassTimestampWrites {
                query_set: queries,
                beginning_of_pass_write_index: Some(0),
                end_of_pass_write_index: Some(1),
            }),
            Clock::Wall => None,
        };
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some("wgconv timed"), timestamp_writes });
        for _ in 0..repeats {
            bound.encode_in_pass(&mut pass);
        }
        drop(pass);
        match self {
            Clock::Timestamps { queries, resolved, nanoseconds_per_tick } => {
                encoder.resolve_query_set(queries, 0..2, resolved, 0);
                gpu.queue.submit([encoder.finish()]);
                let words = gpu.read_back(resolved)?;
                let tick = |i: usize| u64::from(words[2 * i]) | u64::from(words[2 * i + 1]) << 32;
                let ticks = tick(1).saturating_sub(tick(0));
                Ok(ticks as f64 * nanoseconds_per_tick * 1e-6 / repeats as f64)
            }
            Clock::Wall => {
                gpu.wait()?;
                let start = Instant::now();
                gpu.queue.submit([encoder.finish()]);
                gpu.wait()?;
                Ok(start.elapsed().as_secs_f64() * 1e3 / repeats as f64)
            }
        }
    }
}
