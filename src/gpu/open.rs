//! A device of its own, for tests, tools and small programs that have none.

#![expect(unsafe_code, reason = "the word of those who ask for experimental features")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use half::f16;

use super::bound::{Bindings, Bound};
use super::context::{
    Context, capabilities_with_adapter, experimental_features, optional_features, required_features, required_limits,
};
use super::plan::Plan;
use super::signal;
use crate::algorithm::Algorithm;
use crate::capabilities::Capabilities;
use crate::error::{Error, Result};
use crate::memory;
use crate::options::Options;
use crate::problem::Problem;
use crate::tensor::{Access, ElementType, Inputs, Storage, TensorName};

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

/// Environment variable that picks the adapter of [`Select::Auto`].
const ADAPTER_VARIABLE: &str = "WGCONV_ADAPTER";

/// Environment variable that, set to 1, stands for [`Gpu::open_experimental`]: for tools.
const EXPERIMENTAL_VARIABLE: &str = "WGCONV_EXPERIMENTAL";

/// wgpu's environment variable with the names of backends, separated by commas.
const BACKENDS_VARIABLE: &str = "WGPU_BACKEND";

/// An environment variable as text; one that is empty counts as not set.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.trim().is_empty())
}

/// The backends that a list names, as wgpu spells them. wgpu itself skips what it does not know.
fn backends_named(list: &str) -> Result<wgpu::Backends> {
    let one = |name: &str| match wgpu::Backends::from_comma_list(name) {
        none if none.is_empty() => {
            let rule = "it must be vulkan, metal, dx12, gl or webgpu, or some of them separated by commas";
            Err(Error::invalid(BACKENDS_VARIABLE, format!("{:?}", name.trim()), rule))
        }
        backend => Ok(backend),
    };
    list.split(',').map(one).collect()
}

/// Adapters of some backends; the environment variable `WGPU_BACKEND` overrides the choice. A browser shows one.
async fn enumerate(backends: wgpu::Backends) -> Result<Vec<wgpu::Adapter>> {
    let backends = variable(BACKENDS_VARIABLE).map_or(Ok(backends), |list| backends_named(&list))?;
    // wgpu panics without any.
    if wgpu::Instance::enabled_backend_features().is_empty() {
        return Ok(Vec::new());
    }
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle().with_env();
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor { backends, ..descriptor });
    #[cfg(not(target_arch = "wasm32"))]
    let mut adapters = instance.enumerate_adapters(wgpu::Backends::all()).await;
    #[cfg(target_arch = "wasm32")]
    let mut adapters: Vec<wgpu::Adapter> = {
        let power_preference = wgpu::PowerPreference::HighPerformance;
        let options = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
        instance.request_adapter(&options).await.into_iter().collect()
    };
    adapters
        .retain(|adapter| adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS));
    adapters.sort_by_key(|adapter| rank(&adapter.get_info()));
    Ok(adapters)
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

/// What to do where there is no adapter.
const NO_ADAPTER: &str = if cfg!(target_arch = "wasm32") {
    "this browser offers no WebGPU adapter"
} else {
    "no adapter that runs compute shaders; on Debian install mesa-vulkan-drivers and libvulkan1"
};

impl Gpu {
    /// Every adapter of every backend that runs compute shaders, the most capable first. None where
    /// [`Gpu::find_adapters`] fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn adapters() -> Vec<wgpu::AdapterInfo> {
        Gpu::find_adapters().unwrap_or_default().iter().map(wgpu::Adapter::get_info).collect()
    }

    /// The same adapters, as wgpu has them; [`Error::Invalid`] where the environment variable `WGPU_BACKEND`, which limits
    /// them to some backends, names what is no backend.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn find_adapters() -> Result<Vec<wgpu::Adapter>> {
        pollster::block_on(enumerate(wgpu::Backends::all()))
    }

    /// Opens an adapter, with a timestamp clock where it has one. With the environment variable `WGCONV_EXPERIMENTAL=1`
    /// as [`Gpu::open_experimental`] does. Blocks: not in browsers.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn open(select: &Select) -> Result<Gpu> {
        pollster::block_on(Gpu::open_async(select))
    }

    /// [`Gpu::open`] without blocking, for browsers.
    pub async fn open_async(select: &Select) -> Result<Gpu> {
        let experimental = if std::env::var(EXPERIMENTAL_VARIABLE).is_ok_and(|value| value == "1") {
            // SAFETY: whoever set the variable acknowledged what `open_experimental` says.
            unsafe { wgpu::ExperimentalFeatures::enabled() }
        } else {
            wgpu::ExperimentalFeatures::disabled()
        };
        Gpu::open_with(select, experimental).await
    }

    /// Likewise, with what wgpu calls experimental where the adapter has it ([`experimental_features`]): cooperative
    /// matrices.
    ///
    /// # Safety
    ///
    /// That of [`wgpu::ExperimentalFeatures::enabled`]: wgpu's implementation of such features may have bugs that are
    /// undefined behaviour, behind calls that are otherwise safe.
    #[cfg(not(target_arch = "wasm32"))]
    pub unsafe fn open_experimental(select: &Select) -> Result<Gpu> {
        // SAFETY: the caller's.
        pollster::block_on(Gpu::open_with(select, unsafe { wgpu::ExperimentalFeatures::enabled() }))
    }

    async fn open_with(select: &Select, experimental: wgpu::ExperimentalFeatures) -> Result<Gpu> {
        let (select, asked_by) = match (select, variable(ADAPTER_VARIABLE)) {
            (Select::Auto, Some(wanted)) => {
                (wanted.parse().map_or(Select::Name(wanted), Select::Index), " as WGCONV_ADAPTER asks for")
            }
            // It would be a part of every name.
            (Select::Name(name), _) if name.trim().is_empty() => {
                return Err(Error::invalid("adapter", format!("{name:?}"), "it must be a number or a part of a name"));
            }
            _ => (select.clone(), ""),
        };
        // GL is asked only when nothing better is there: it ranks last anyway, and starting it takes time.
        let mut adapters = match select {
            Select::Auto => enumerate(wgpu::Backends::PRIMARY).await?,
            _ => enumerate(wgpu::Backends::all()).await?,
        };
        if adapters.is_empty() {
            adapters = enumerate(wgpu::Backends::all()).await?;
        }
        if adapters.is_empty() {
            return Err(Error::Device(match variable(BACKENDS_VARIABLE) {
                Some(list) => format!("{NO_ADAPTER}; {BACKENDS_VARIABLE} = {list} leaves out all other backends"),
                None => NO_ADAPTER.into(),
            }));
        }
        let names: Vec<String> = adapters.iter().map(|a| describe(&a.get_info())).collect();
        let missing =
            |wanted: String| Error::Device(format!("no adapter {wanted}{asked_by}; there are: {}", names.join("; ")));
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
        Gpu::from_adapter(&adapters[index], experimental).await
    }

    async fn from_adapter(adapter: &wgpu::Adapter, experimental: wgpu::ExperimentalFeatures) -> Result<Gpu> {
        let base = wgpu::Limits::downlevel_defaults().using_resolution(adapter.limits());
        // For measurements; no kernel needs them.
        let instruments = wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::PIPELINE_CACHE;
        let mut optional = adapter.features() & instruments;
        if experimental.is_enabled() {
            optional |= experimental_features(adapter);
        }
        let request = adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("wgconv"),
            required_features: required_features(adapter) | optional_features(adapter) | optional,
            required_limits: required_limits(adapter, base),
            experimental_features: experimental,
            ..Default::default()
        });
        let (device, queue) = request.await.map_err(device_error)?;
        let trouble = Arc::new(Mutex::new(None));
        let slot = trouble.clone();
        // wgpu's own handler panics.
        device.on_uncaptured_error(Arc::new(move |error| {
            let words: Vec<String> = error.to_string().split_whitespace().map(Into::into).collect();
            slot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| words.join(" "));
        }));
        let context = Context::with_capabilities(&device, capabilities_with_adapter(&device, adapter));
        Ok(Gpu { info: adapter.get_info(), queue, context, trouble })
    }

    /// A device that the application opened, with its queue, for tuning and for the convenience of [`Gpu::run`]. Installs no error handler: what wgpu reports out of band goes to the application's own.
    pub fn from_device(context: &Context, queue: &wgpu::Queue) -> Gpu {
        let info = context.device().adapter_info();
        Gpu { info, queue: queue.clone(), context: context.clone(), trouble: Arc::default() }
    }

    /// The same device seen through other capabilities: another kernel class, tighter limits.
    #[must_use]
    pub fn with_capabilities(self, capabilities: Capabilities) -> Gpu {
        let context = self.context.view(capabilities);
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

    /// Uploads contiguous inputs, rounded to what [`Options::storage`] holds, lays them out as the options say, computes in one
    /// submit, and reads the results back contiguous. Blocks until done: not in browsers.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run(&self, problem: &Problem, options: &Options, inputs: &Inputs) -> Result<Outputs> {
        pollster::block_on(self.run_async(problem, options, inputs))
    }

    /// Likewise for a plan that was made before, on this device.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn run_plan(&self, plan: &Plan, inputs: &Inputs) -> Result<Outputs> {
        pollster::block_on(self.run_plan_async(plan, inputs))
    }

    /// [`Gpu::run`] without blocking, for browsers. Elsewhere the future waits for the device when it is polled.
    pub async fn run_async(&self, problem: &Problem, options: &Options, inputs: &Inputs) -> Result<Outputs> {
        let plan = Plan::new_async(&self.context, problem, options).await?;
        self.run_plan_async(&plan, inputs).await
    }

    /// Likewise for a plan that was made before, on this device.
    pub async fn run_plan_async(&self, plan: &Plan, inputs: &Inputs) -> Result<Outputs> {
        let prepared = self.prepare(plan, inputs).await?;
        let mut encoder = self.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        prepared.bound.encode(&mut encoder);
        self.queue.submit([encoder.finish()]);
        self.outputs(plan, &prepared).await
    }

    /// Uploads the inputs and packs the weights.
    pub(crate) async fn prepare(&self, plan: &Plan, inputs: &Inputs) -> Result<Prepared> {
        let out_of_memory = self.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let mut buffers = BTreeMap::new();
        let storage = plan.options().storage;
        for spec in plan.geometry().tensors() {
            let buffer = self.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some(spec.name.as_str()),
                size: plan.program().tensor_bytes(spec),
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            if spec.access != Access::Write {
                let data = inputs.get(&spec.name).map_or(&[][..], Vec::as_slice);
                if data.len() != spec.len() {
                    return Err(Error::Shape { tensor: spec.name, got: vec![data.len()], want: spec.shape.clone() });
                }
                let layout = plan.options().layout_of(spec);
                let span = layout.span(&spec.shape).unwrap_or(usize::MAX);
                let strided = (!layout.is_contiguous(&spec.shape)).then(|| {
                    let mut strided = memory::filled(spec.name.as_str(), span, f32::NAN)?;
                    layout.scatter(&spec.shape, data, &mut strided);
                    Ok::<_, Error>(strided)
                });
                let strided = strided.transpose()?;
                let data = strided.as_deref().unwrap_or(data);
                match storage {
                    Storage::F32 => self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(data)),
                    Storage::F16 => {
                        let len = data.len().next_multiple_of(2);
                        let mut halves = memory::filled(spec.name.as_str(), len, f16::NAN)?;
                        halves.iter_mut().zip(data).for_each(|(half, &value)| *half = f16::from_f32(value));
                        self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&halves));
                    }
                }
            }
            buffers.insert(spec.name, buffer);
        }
        let scratch = |label: &'static str, size: u64| {
            let usage = wgpu::BufferUsages::STORAGE;
            let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
            (size > 0).then(|| self.device().create_buffer(&descriptor))
        };
        let workspace = scratch("workspace", plan.workspace_size());
        let packed = scratch("packed weights", plan.packed_size());
        if let Some(error) = out_of_memory.pop().await {
            return Err(device_error(error));
        }
        let prepared = Prepared::bind(plan, buffers, workspace, packed)?;
        if prepared.packed.is_some() {
            let mut encoder = self.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            prepared.bound.encode_packing(&mut encoder);
            self.queue.submit([encoder.finish()]);
        }
        Ok(prepared)
    }

    /// Another set of the tensors that are read, on the same workspace, packed weights and written tensors: what writes there
    /// again waits for what wrote there before, as the layers of a network do.
    #[cfg(any(feature = "bench", feature = "tune"))]
    pub(crate) async fn prepare_like(&self, plan: &Plan, other: &Prepared) -> Result<Prepared> {
        let out_of_memory = self.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let mut encoder = self.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let is_read = |name| plan.geometry().tensor(name).is_some_and(|spec| spec.access == Access::Read);
        let copy = |(&name, from): (&TensorName, &wgpu::Buffer)| {
            if !is_read(name) {
                return (name, from.clone());
            }
            let to = self.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some(name.as_str()),
                size: from.size(),
                usage: from.usage(),
                mapped_at_creation: false,
            });
            encoder.copy_buffer_to_buffer(from, 0, &to, 0, from.size());
            (name, to)
        };
        let buffers = other.buffers.iter().map(copy).collect();
        match out_of_memory.pop().await {
            Some(error) => Err(device_error(error)),
            None => {
                self.queue.submit([encoder.finish()]);
                Prepared::bind(plan, buffers, other.workspace.clone(), other.packed.clone())
            }
        }
    }

    pub(crate) async fn outputs(&self, plan: &Plan, prepared: &Prepared) -> Result<Outputs> {
        let mut outputs = Outputs {
            algorithm: plan.choice().algorithm,
            output: Vec::new(),
            indices: None,
            gradients: BTreeMap::new(),
        };
        for spec in plan.geometry().tensors().iter().filter(|spec| spec.access != Access::Read) {
            let words = self.read_back_async(&prepared.buffers[&spec.name]).await?;
            let layout = plan.options().layout_of(spec);
            if spec.element == ElementType::U32 {
                outputs.indices = Some(layout.gather(&spec.shape, &words));
                continue;
            }
            let dense = match plan.options().storage {
                Storage::F32 => layout.gather(&spec.shape, bytemuck::cast_slice(&words)),
                Storage::F16 => {
                    let halves: Vec<f16> = layout.gather(&spec.shape, bytemuck::cast_slice(&words));
                    halves.into_iter().map(f16::to_f32).collect()
                }
            };
            match spec.name {
                TensorName::Output => outputs.output = dense,
                name => {
                    outputs.gradients.insert(name, dense);
                }
            }
        }
        Ok(outputs)
    }

    /// Copies a buffer to the host as words of 32 bits, through a staging buffer of its size; [`Error::Device`] where there is no
    /// memory for it or the device is lost. Blocks: not in browsers.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn read_back(&self, buffer: &wgpu::Buffer) -> Result<Vec<u32>> {
        pollster::block_on(self.read_back_async(buffer))
    }

    /// [`Gpu::read_back`] without blocking, for browsers. Elsewhere the future waits for the device when it is polled.
    pub async fn read_back_async(&self, buffer: &wgpu::Buffer) -> Result<Vec<u32>> {
        let staging = self.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size: buffer.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        let (sender, mapped) = signal::pair();
        staging.map_async(wgpu::MapMode::Read, .., move |result| sender.send(result));
        self.poll()?;
        mapped.await.ok_or_else(|| device_error("the device was lost"))?.map_err(device_error)?;
        self.complaint()?;
        let words = staging.get_mapped_range(..).map_err(device_error)?;
        let mut read = memory::filled("what is read back", words.len() / size_of::<u32>(), 0)?;
        bytemuck::cast_slice_mut(&mut read).copy_from_slice(&words);
        Ok(read)
    }

    /// Waits for the device, and says what it complained of meanwhile.
    #[cfg(any(feature = "bench", feature = "tune"))]
    pub(crate) async fn wait(&self) -> Result<()> {
        let (sender, done) = signal::pair();
        self.queue.on_submitted_work_done(move || sender.send(()));
        self.poll()?;
        done.await.ok_or_else(|| device_error("the device was lost"))?;
        self.complaint()
    }

    /// Outside browsers callbacks come from here, and wait for the device.
    fn poll(&self) -> Result<()> {
        self.device().poll(wgpu::PollType::wait_indefinitely()).map(|_| ()).map_err(device_error)
    }

    /// What the device complained of since it was last asked.
    fn complaint(&self) -> Result<()> {
        match self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(Error::Device(format!("{}: {error}", self.description()))),
            None => Ok(()),
        }
    }
}

fn describe(info: &wgpu::AdapterInfo) -> String {
    format!("{} ({}, {:?}, {} {})", info.name, info.backend, info.device_type, info.driver, info.driver_info)
}

/// Buffers of one execution.
pub(crate) struct Prepared {
    pub bound: Bound,
    pub buffers: BTreeMap<TensorName, wgpu::Buffer>,
    #[cfg_attr(not(any(feature = "bench", feature = "tune")), expect(dead_code, reason = "another binding needs it"))]
    pub workspace: Option<wgpu::Buffer>,
    pub packed: Option<wgpu::Buffer>,
}

impl Prepared {
    pub(crate) fn bind(
        plan: &Plan,
        buffers: BTreeMap<TensorName, wgpu::Buffer>,
        workspace: Option<wgpu::Buffer>,
        packed: Option<wgpu::Buffer>,
    ) -> Result<Prepared> {
        let bound = bind(plan, &buffers, workspace.as_ref(), packed.as_ref())?;
        Ok(Prepared { bound, buffers, workspace, packed })
    }

    /// The same buffers once more: what binding costs.
    #[cfg(feature = "bench")]
    pub(crate) fn bind_again(&self, plan: &Plan) -> Result<Bound> {
        bind(plan, &self.buffers, self.workspace.as_ref(), self.packed.as_ref())
    }
}

fn bind(
    plan: &Plan,
    buffers: &BTreeMap<TensorName, wgpu::Buffer>,
    workspace: Option<&wgpu::Buffer>,
    packed: Option<&wgpu::Buffer>,
) -> Result<Bound> {
    let mut bindings = Bindings::new();
    for (name, buffer) in buffers {
        bindings = bindings.tensor(*name, buffer);
    }
    if let Some(workspace) = workspace {
        bindings = bindings.workspace(workspace);
    }
    if let Some(packed) = packed {
        bindings = bindings.packed(packed);
    }
    plan.bind(&bindings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_named_as_wgpu_names_them() {
        assert_eq!(backends_named("vulkan").unwrap(), wgpu::Backends::VULKAN);
        assert_eq!(backends_named(" GL, dx12").unwrap(), wgpu::Backends::GL | wgpu::Backends::DX12);
        for (list, value) in
            [("nonsense", "nonsense"), ("vulkan,nonsense", "nonsense"), ("vulkan,", ""), ("vk;gl", "vk;gl")]
        {
            let error = backends_named(list).unwrap_err().to_string();
            assert!(error.starts_with(&format!("WGPU_BACKEND = {value:?}: it must be vulkan, ")), "{error}");
        }
    }
}
