//! The caller's device, with what all plans on it share: capabilities, pipelines, and dummies for absent tensors.

#![expect(unsafe_code, reason = "trusted shader modules, see `compile`; an empty pipeline cache")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::capabilities::{Capabilities, Device, DeviceKind};
use crate::error::Result;
use crate::program::{DUMMY_BYTES, Dispatch, Kernel, Program, Variant};
use crate::tensor::Access;

/// A device prepared for plans. Cheap to clone; clones and [views](Context::view) share the pipelines.
#[derive(Clone)]
pub struct Context {
    shared: Arc<Shared>,
    capabilities: Arc<Capabilities>,
}

struct Shared {
    device: wgpu::Device,
    pipelines: Mutex<HashMap<PipelineKey, Arc<Slot>>>,
    /// The driver's, where the application keeps one.
    cache: Option<wgpu::PipelineCache>,
    /// Bound where a variant declares a read-only tensor that its problem lacks.
    unused_read: wgpu::Buffer,
    /// Likewise for written tensors: one dispatch may not bind a buffer both ways.
    unused_write: wgpu::Buffer,
}

#[derive(PartialEq, Eq, Hash)]
struct PipelineKey {
    variant: Variant,
    runtime_checks: bool,
    shared_buffers: bool,
}

/// Where a pipeline will be: who comes first compiles, and keeps nobody waiting who wants another.
type Slot = Mutex<Option<Arc<Pipeline>>>;

/// A compiled kernel variant.
pub(super) struct Pipeline {
    pub kernel: &'static Kernel,
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// Features that the kernels need. None: every kernel runs on a plain WebGPU device.
pub fn required_features(_adapter: &wgpu::Adapter) -> wgpu::Features {
    wgpu::Features::empty()
}

/// Features that some kernels use where the adapter has them: f32 atomics, for
/// [`Algorithm::AtomicScatter`](crate::Algorithm::AtomicScatter), subgroups, which make CPU adapters several times
/// faster, and f16, without which [`Storage::F16`](crate::Storage::F16) takes workspace for what is written.
pub fn optional_features(adapter: &wgpu::Adapter) -> wgpu::Features {
    adapter.features() & (wgpu::Features::SHADER_FLOAT32_ATOMIC | wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16)
}

/// Experimental features that some kernels use where the adapter has what they need: cooperative matrices, for
/// [`Algorithm::CooperativeGemm`](crate::Algorithm::CooperativeGemm). wgpu gives them to those only who say in the
/// device's descriptor that they accept unfinished interfaces (`unsafe { wgpu::ExperimentalFeatures::enabled() }`);
/// nothing needs them. What the device then offers, [`capabilities_with_adapter`] says.
pub fn experimental_features(adapter: &wgpu::Adapter) -> wgpu::Features {
    let offered = adapter.features().contains(COOPERATIVE) && cooperative_side(adapter).is_some();
    if offered { COOPERATIVE } else { wgpu::Features::empty() }
}

/// What cooperative matrices of f16 take.
const COOPERATIVE: wgpu::Features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(wgpu::Features::SHADER_F16);

/// Side of the largest matrices of f16 that an adapter multiplies into f32, among those that kernels are written for.
/// Metal has them without the sum of two matrices, and multiplies f16 hardly faster than f32.
fn cooperative_side(adapter: &wgpu::Adapter) -> Option<u32> {
    use wgpu::CooperativeScalarType::{F16, F32};
    let offered = adapter.cooperative_matrix_properties();
    let has = |side: &u32| {
        offered.iter().any(|p| [p.m_size, p.n_size, p.k_size] == [*side; 3] && (p.ab_type, p.cr_type) == (F16, F32))
    };
    let vulkan = adapter.get_info().backend == wgpu::Backend::Vulkan;
    [16, 8].into_iter().filter(|_| vulkan).find(has)
}

/// Limits worth asking for: the adapter's own buffer and binding sizes on top of `base`, so that large tensors need not
/// be split along the batch.
pub fn required_limits(adapter: &wgpu::Adapter, base: wgpu::Limits) -> wgpu::Limits {
    let offered = adapter.limits();
    wgpu::Limits {
        max_buffer_size: offered.max_buffer_size,
        max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
        max_storage_buffers_per_shader_stage: offered.max_storage_buffers_per_shader_stage,
        max_compute_workgroups_per_dimension: offered.max_compute_workgroups_per_dimension,
        max_compute_invocations_per_workgroup: offered.max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x: offered.max_compute_workgroup_size_x,
        max_compute_workgroup_storage_size: offered.max_compute_workgroup_storage_size,
        min_storage_buffer_offset_alignment: offered.min_storage_buffer_offset_alignment,
        ..base
    }
}

/// What a device offers: [`Capabilities::of`] what it says of itself.
pub fn capabilities_of(device: &wgpu::Device) -> Capabilities {
    let (limits, info) = (device.limits(), device.adapter_info());
    // A browser wants an `enable` directive that other backends refuse.
    let has_subgroups =
        device.features().contains(wgpu::Features::SUBGROUP) && info.backend != wgpu::Backend::BrowserWebGpu;
    Capabilities::of(&Device {
        vendor: info.vendor,
        kind: match info.device_type {
            wgpu::DeviceType::Cpu => DeviceKind::Cpu,
            wgpu::DeviceType::IntegratedGpu => DeviceKind::IntegratedGpu,
            _ => DeviceKind::Gpu,
        },
        max_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
        max_invocations_per_workgroup: limits
            .max_compute_invocations_per_workgroup
            .min(limits.max_compute_workgroup_size_x),
        max_workgroup_bytes: limits.max_compute_workgroup_storage_size,
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
        storage_alignment: limits.min_storage_buffer_offset_alignment,
        subgroup_sizes: has_subgroups.then_some([info.subgroup_min_size, info.subgroup_max_size]),
        f32_atomics: device.features().contains(wgpu::Features::SHADER_FLOAT32_ATOMIC),
        f16: device.features().contains(wgpu::Features::SHADER_F16),
        cooperative_side: None,
        name: info.name,
        driver: info.driver,
    })
}

/// Likewise, with what a device does not tell of itself: its [cooperative matrices](experimental_features), if it was
/// opened with them. `adapter` is the one that the device comes from.
pub fn capabilities_with_adapter(device: &wgpu::Device, adapter: &wgpu::Adapter) -> Capabilities {
    let has = device.features().contains(COOPERATIVE);
    Capabilities { cooperative_side: cooperative_side(adapter).filter(|_| has), ..capabilities_of(device) }
}

impl Context {
    /// Wraps the caller's device. Creates two buffers of 4 KiB; submits nothing.
    pub fn new(device: &wgpu::Device) -> Self {
        Context::with_capabilities(device, capabilities_of(device))
    }

    /// Likewise, with another view of the device: a different kernel class, or tighter limits than it has.
    pub fn with_capabilities(device: &wgpu::Device, capabilities: Capabilities) -> Self {
        Context::new_with(device, capabilities, None)
    }

    /// Likewise, compiling through a pipeline cache of the application's, which it may store and load (see
    /// `wgpu::PipelineCache`; the device needs `Features::PIPELINE_CACHE`).
    pub fn with_pipeline_cache(device: &wgpu::Device, capabilities: Capabilities, cache: wgpu::PipelineCache) -> Self {
        Context::new_with(device, capabilities, Some(cache))
    }

    /// The same device with another view of it, as of [`Context::with_capabilities`]. What it compiles, this context and
    /// its other views need not compile again. Creates nothing on the device.
    #[must_use]
    pub fn view(&self, capabilities: Capabilities) -> Self {
        Context { shared: self.shared.clone(), capabilities: Arc::new(capabilities) }
    }

    fn new_with(device: &wgpu::Device, capabilities: Capabilities, cache: Option<wgpu::PipelineCache>) -> Self {
        let unused = |label| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: DUMMY_BYTES,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            })
        };
        Context {
            capabilities: Arc::new(capabilities),
            shared: Arc::new(Shared {
                pipelines: Mutex::default(),
                cache,
                unused_read: unused("wgconv absent input"),
                unused_write: unused("wgconv absent output"),
                device: device.clone(),
            }),
        }
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.shared.device
    }

    /// What plans are made for.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    pub(super) fn unused(&self, access: Access) -> &wgpu::Buffer {
        match access {
            Access::Read => &self.shared.unused_read,
            Access::Write | Access::Update => &self.shared.unused_write,
        }
    }

    /// The pipeline of a dispatch, compiled on first use. A failure is the driver's and is not kept.
    pub(super) fn pipeline(&self, program: &Program, dispatch: &Dispatch) -> Result<Arc<Pipeline>> {
        let variant = &dispatch.variant;
        let (runtime_checks, shared_buffers) = (program.options.runtime_checks, program.shares_buffers(dispatch));
        let key = PipelineKey { variant: variant.clone(), runtime_checks, shared_buffers };
        let slot = lock(&self.shared.pipelines).entry(key).or_default().clone();
        let mut slot = lock(&slot);
        if let Some(pipeline) = &*slot {
            return Ok(pipeline.clone());
        }
        let device = &self.shared.device;
        // Scopes are a thread's own.
        let scope = scope::Scope::open(device);
        let pipeline = Arc::new(compile(device, variant, runtime_checks, shared_buffers, self.shared.cache.as_ref()));
        scope.close(&variant.label())?;
        *slot = Some(pipeline.clone());
        Ok(pipeline)
    }

    /// What a browser says of the pipelines that are made from here on.
    #[cfg(target_arch = "wasm32")]
    pub(super) fn watch(&self) -> scope::Watch {
        scope::Watch::open(self.device())
    }

    /// Forgets every pipeline: one of them was refused, and a browser does not say which.
    #[cfg(target_arch = "wasm32")]
    fn forget(&self) {
        lock(&self.shared.pipelines).clear();
    }

    /// Number of pipelines that this context and its views have compiled so far: plans of the same kernel variants share
    /// them.
    pub fn pipeline_count(&self) -> usize {
        lock(&self.shared.pipelines).values().filter(|slot| lock(slot).is_some()).count()
    }
}

/// What a thread that panicked left is whole: slots are written last.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pipeline cache with nothing in it, where the device has such.
#[cfg(feature = "bench")]
pub(crate) fn empty_pipeline_cache(device: &wgpu::Device) -> Option<wgpu::PipelineCache> {
    let descriptor = wgpu::PipelineCacheDescriptor { label: Some("wgconv"), data: None, fallback: true };
    // SAFETY: there are no data that could be wrong.
    let create = || unsafe { device.create_pipeline_cache(&descriptor) };
    device.features().contains(wgpu::Features::PIPELINE_CACHE).then(create)
}

/// Turns errors that wgpu reports out of band into results. A browser reports them later: to a [`scope::Watch`] where one
/// waits, else to the device's handler.
mod scope {
    #[cfg(target_arch = "wasm32")]
    use super::Context;
    use crate::error::{Error, Result};
    #[cfg(target_arch = "wasm32")]
    use crate::problem::Problem;

    /// Scopes around all that one plan compiles.
    #[cfg(target_arch = "wasm32")]
    pub struct Watch([wgpu::ErrorScopeGuard; 2]);

    #[cfg(target_arch = "wasm32")]
    impl Watch {
        pub fn open(device: &wgpu::Device) -> Self {
            // A pipeline that a driver cannot compile is an internal error.
            Watch(
                [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation].map(|kind| device.push_error_scope(kind)),
            )
        }

        /// Scopes end before anything is awaited: others may open theirs meanwhile.
        pub async fn answer(self, context: &Context, problem: &Problem) -> Result<()> {
            let Watch([outer, inner]) = self;
            let answers = [inner.pop(), outer.pop()];
            for answer in answers {
                if let Some(error) = answer.await {
                    context.forget();
                    return Err(Error::Device(format!("the driver refuses {}: {error}", problem.op_name())));
                }
            }
            Ok(())
        }
    }

    pub struct Scope {
        #[cfg(not(target_arch = "wasm32"))]
        guard: wgpu::ErrorScopeGuard,
    }

    impl Scope {
        #[cfg_attr(target_arch = "wasm32", expect(unused_variables, reason = "no scope in browsers"))]
        pub fn open(device: &wgpu::Device) -> Self {
            Scope {
                #[cfg(not(target_arch = "wasm32"))]
                guard: device.push_error_scope(wgpu::ErrorFilter::Validation),
            }
        }

        /// Outside browsers the answer is there at once: nothing waits.
        #[cfg_attr(target_arch = "wasm32", expect(unused_variables, reason = "no scope in browsers"))]
        pub fn close(self, what: &str) -> Result<()> {
            #[cfg(not(target_arch = "wasm32"))]
            if let Some(error) = pollster::block_on(self.guard.pop()) {
                return Err(Error::Device(format!("the driver refuses {what}: {error}")));
            }
            Ok(())
        }
    }
}

fn compile(
    device: &wgpu::Device,
    variant: &Variant,
    runtime_checks: bool,
    shared_buffers: bool,
    cache: Option<&wgpu::PipelineCache>,
) -> Pipeline {
    let label = variant.label();
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(&label),
        source: wgpu::ShaderSource::Wgsl(variant.source(shared_buffers).into()),
    };
    let module = if runtime_checks {
        device.create_shader_module(descriptor)
    } else {
        // SAFETY: every loop is bounded by a uniform that geometry checked; every index is either derived from such
        // extents, whose spans binding validates, or clamped in the shader. Tests run both ways and watch guard words.
        unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
    };
    let uniform = wgpu::BindGroupLayoutEntry {
        binding: 0,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Uniform,
            has_dynamic_offset: false,
            min_binding_size: wgpu::BufferSize::new(variant.kernel.uniform.size() as u64),
        },
        count: None,
    };
    let storage = variant.kernel.bindings.iter().enumerate().map(|(i, spec)| wgpu::BindGroupLayoutEntry {
        binding: i as u32 + 1,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only: spec.access == Access::Read && !shared_buffers },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    });
    let entries: Vec<wgpu::BindGroupLayoutEntry> = std::iter::once(uniform).chain(storage).collect();
    let layout =
        device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(&label), entries: &entries });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(&label),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(&label),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &[],
            // Every kernel writes its workgroup memory before it reads it.
            zero_initialize_workgroup_memory: runtime_checks,
        },
        cache,
    });
    Pipeline { kernel: variant.kernel, pipeline, layout }
}
