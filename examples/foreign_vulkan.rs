//! Convolutions on a Vulkan device that is not wgpu's: an engine makes its instance, device, queue and memory with Vulkan
//! alone. wgpu is put around the handles that are there, the library plans on that device and binds the engine's own
//! buffers, and everything runs on the engine's queue between its own submissions. The engine destroys what it made.
//!
//! cargo run --release --features reference --example foreign_vulkan

use std::error::Error;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where wgpu speaks Vulkan.
#[cfg(any(target_os = "linux", target_os = "windows"))]
pub mod engine {
    use std::ffi::CStr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ash::vk;
    use wgconv::gpu::{Bindings, Context, Plan, optional_features, required_features, required_limits};
    use wgconv::{Access, Geometry, Inputs, Options, Problem, TensorName};
    use wgpu::hal::api::Vulkan;

    use super::Result;

    /// The version of Vulkan that the engine is written for.
    const VERSION: u32 = vk::API_VERSION_1_2;

    /// What an engine has of its own.
    pub struct Engine {
        /// What the driver calls the device.
        pub name: String,
        entry: ash::Entry,
        instance: ash::Instance,
        physical: vk::PhysicalDevice,
        extensions: Vec<&'static CStr>,
    }

    /// The engine's device with wgpu around it.
    pub struct Opened<'e> {
        engine: &'e Engine,
        raw: ash::Device,
        queue: vk::Queue,
        family: u32,
        wgpu: Option<Wrapped>,
        /// How many of the handles that it was lent wgpu has let go.
        released: Arc<AtomicUsize>,
    }

    /// What wgpu made of the handles.
    struct Wrapped {
        device: wgpu::Device,
        queue: wgpu::Queue,
    }

    /// A buffer and its memory, the engine's.
    struct Buffer {
        buffer: vk::Buffer,
        memory: vk::DeviceMemory,
        words: *mut u32,
        len: usize,
    }

    impl Engine {
        /// Makes an instance and picks the first device that computes.
        pub fn new() -> Result<Engine> {
            // SAFETY: the system's Vulkan loader is a library that may be loaded.
            let entry = unsafe { ash::Entry::load()? };
            // An engine has extensions of its own. wgpu takes for granted that those which it would like are on.
            let extensions =
                wgpu::hal::vulkan::Instance::desired_extensions(&entry, VERSION, wgpu::InstanceFlags::empty())?;
            let names: Vec<*const std::ffi::c_char> = extensions.iter().map(|name| name.as_ptr()).collect();
            let application = vk::ApplicationInfo::default().application_name(c"engine").api_version(VERSION);
            let create =
                vk::InstanceCreateInfo::default().application_info(&application).enabled_extension_names(&names);
            // SAFETY: the structures outlive the call.
            let instance = unsafe { entry.create_instance(&create, None)? };
            // SAFETY: the instance is alive; one that finds no device is destroyed.
            unsafe {
                let found = instance.enumerate_physical_devices();
                let Some(physical) = found.ok().and_then(|devices| devices.first().copied()) else {
                    instance.destroy_instance(None);
                    return Err("there is no Vulkan device".into());
                };
                let properties = instance.get_physical_device_properties(physical);
                let name = properties.device_name_as_c_str()?.to_string_lossy().into_owned();
                Ok(Engine { name, entry, instance, physical, extensions })
            }
        }

        /// Makes the device, with what the engine wants and what wgpu and the kernels need, and puts wgpu around it.
        pub fn open(&self) -> Result<Opened<'_>> {
            let released = Arc::new(AtomicUsize::new(0));
            let let_go = || -> Option<Box<dyn FnOnce() + Send + Sync>> {
                let released = released.clone();
                Some(Box::new(move || {
                    released.fetch_add(1, Ordering::SeqCst);
                }))
            };
            // SAFETY: the instance was made from the entry, of that version and with those extensions, and outlives what
            // is made of it here: with a callback, wgpu never destroys it.
            let instance = unsafe {
                wgpu::Instance::from_hal::<Vulkan>(wgpu::hal::vulkan::Instance::from_raw(
                    self.entry.clone(),
                    self.instance.clone(),
                    VERSION,
                    0,
                    None,
                    self.extensions.clone(),
                    wgpu::InstanceFlags::empty(),
                    wgpu::MemoryBudgetThresholds::default(),
                    false,
                    let_go(),
                )?)
            };
            // SAFETY: the physical device is the instance's.
            let adapter = unsafe {
                let hal = instance.as_hal::<Vulkan>().ok_or("not a Vulkan instance")?;
                let exposed = hal.expose_adapter(self.physical).ok_or("wgpu cannot use this device")?;
                instance.create_adapter_from_hal(exposed)
            };
            let features = required_features(&adapter) | optional_features(&adapter);
            let limits =
                required_limits(&adapter, wgpu::Limits::downlevel_defaults().using_resolution(adapter.limits()));

            // SAFETY: the handles are alive; the guard goes before the adapter.
            let (raw, family, opened) = unsafe {
                let hal = adapter.as_hal::<Vulkan>().ok_or("not a Vulkan adapter")?;
                let families = self.instance.get_physical_device_queue_family_properties(self.physical);
                let wanted = vk::QueueFlags::COMPUTE | vk::QueueFlags::TRANSFER;
                let family =
                    families.iter().position(|family| family.queue_flags.contains(wanted)).ok_or("no queue computes")?
                        as u32;
                let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&[1.0])];
                let extensions = hal.required_device_extensions(features);
                let names: Vec<*const std::ffi::c_char> = extensions.iter().map(|name| name.as_ptr()).collect();
                let mut wanted = hal.physical_device_features(&extensions, features);
                let create =
                    vk::DeviceCreateInfo::default().queue_create_infos(&queues).enabled_extension_names(&names);
                let create = wanted.add_to_device_create(create);
                let raw = self.instance.create_device(self.physical, &create, None)?;
                let opened = hal.device_from_raw(
                    raw.clone(),
                    let_go(),
                    &extensions,
                    features,
                    &limits,
                    &wgpu::MemoryHints::default(),
                    family,
                    0,
                );
                (raw.clone(), family, opened.inspect_err(|_| raw.destroy_device(None))?)
            };
            // SAFETY: the device was opened from this adapter with these features.
            let wrapped = unsafe {
                adapter.create_device_from_hal::<Vulkan>(
                    opened,
                    &wgpu::DeviceDescriptor {
                        label: Some("the engine's"),
                        required_features: features,
                        required_limits: limits,
                        ..Default::default()
                    },
                )
            };
            // SAFETY: the device has one queue of this family; nothing uses a device that could not be wrapped.
            unsafe {
                let (device, queue) = wrapped.inspect_err(|_| raw.destroy_device(None))?;
                let raw_queue = raw.get_device_queue(family, 0);
                let wgpu = Some(Wrapped { device, queue });
                Ok(Opened { engine: self, raw, queue: raw_queue, family, wgpu, released })
            }
        }
    }

    impl Drop for Engine {
        fn drop(&mut self) {
            // SAFETY: what was opened borrows the engine, so it is gone.
            unsafe { self.instance.destroy_instance(None) };
        }
    }

    impl Opened<'_> {
        /// Computes a problem: the engine uploads to its own buffers on its own queue, the library's dispatches follow, and
        /// the engine downloads behind them.
        pub fn run(&self, problem: &Problem, inputs: &Inputs) -> Result<Vec<f32>> {
            let mut buffers = Vec::new();
            let outcome = self.run_with(problem, inputs, &mut buffers);
            // SAFETY: nothing runs any more once the device is idle, and wgpu has let the buffers go.
            unsafe {
                let _ = self.raw.device_wait_idle();
                if let Some(wgpu) = &self.wgpu {
                    wgpu.device.poll(wgpu::PollType::wait_indefinitely())?;
                }
                for buffer in buffers {
                    self.raw.destroy_buffer(buffer.buffer, None);
                    self.raw.free_memory(buffer.memory, None);
                }
            }
            outcome
        }

        /// Buffers are left to the caller to destroy, whatever happens.
        fn run_with(&self, problem: &Problem, inputs: &Inputs, buffers: &mut Vec<Buffer>) -> Result<Vec<f32>> {
            let wgpu = self.wgpu.as_ref().ok_or("the device was closed")?;
            let context = Context::new(&wgpu.device);
            let plan = Plan::new(&context, problem, &Options::default())?;
            let geometry = Geometry::new(problem)?;
            let specs = geometry.tensors();
            let sizes = specs.iter().map(|spec| spec.len() as u64 * 4).chain([plan.workspace_size().max(4)]);

            let mut lent = Vec::new();
            for size in sizes {
                let buffer = self.buffer(size)?;
                // SAFETY: the buffer is this device's, was made as the descriptor says, was written, and outlives wgpu's
                // hold on it, which ends before `run` destroys it.
                lent.push(unsafe {
                    wgpu.device.create_buffer_from_hal::<Vulkan>(
                        wgpu::hal::vulkan::Buffer::from_raw_externally_owned(buffer.buffer, Box::new(|| {})),
                        &wgpu::BufferDescriptor {
                            label: Some("the engine's"),
                            size,
                            usage: wgpu::BufferUsages::STORAGE,
                            mapped_at_creation: false,
                        },
                    )
                });
                buffers.push(buffer);
            }
            let mut bindings = Bindings::new();
            for (spec, lent) in specs.iter().zip(&lent) {
                bindings = bindings.tensor(spec.name, lent);
            }
            let bound = plan.bind(&bindings.workspace(lent.last().ok_or("no workspace")?))?;

            // The engine's work before: tensors into its buffers.
            for (spec, buffer) in specs.iter().zip(buffers.iter_mut()) {
                if spec.access != Access::Write {
                    let data = inputs.get(&spec.name).ok_or_else(|| format!("there is no {}", spec.name))?;
                    buffer.words_mut().copy_from_slice(bytemuck::cast_slice(data));
                }
            }
            let (host, kernels) = (vk::PipelineStageFlags::HOST, vk::PipelineStageFlags::COMPUTE_SHADER);
            self.barrier((host, vk::AccessFlags::HOST_WRITE), (kernels, vk::AccessFlags::SHADER_READ))?;

            // The library's, on the same queue.
            let mut encoder = wgpu.device.create_command_encoder(&Default::default());
            bound.encode(&mut encoder);
            wgpu.queue.submit([encoder.finish()]);

            // And the engine's behind it.
            self.barrier((kernels, vk::AccessFlags::SHADER_WRITE), (host, vk::AccessFlags::HOST_READ))?;
            // SAFETY: nobody else uses the queue meanwhile.
            unsafe { self.raw.queue_wait_idle(self.queue)? };
            let output = specs.iter().position(|spec| spec.name == TensorName::Output).ok_or("no output")?;
            Ok(bytemuck::cast_slice(buffers[output].words_mut()).to_vec())
        }

        /// A buffer in memory that the host sees, poisoned.
        fn buffer(&self, size: u64) -> Result<Buffer> {
            let create = vk::BufferCreateInfo::default().size(size).usage(vk::BufferUsageFlags::STORAGE_BUFFER);
            // SAFETY: the buffer is bound to memory of its own, which is large enough, visible to the host and stays
            // mapped until it is freed.
            unsafe {
                let memories = self.engine.instance.get_physical_device_memory_properties(self.engine.physical);
                let buffer = self.raw.create_buffer(&create, None)?;
                let needs = self.raw.get_buffer_memory_requirements(buffer);
                let wanted = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
                let kind = memories.memory_types_as_slice().iter().zip(0..).position(|(memory, number)| {
                    needs.memory_type_bits & (1 << number) != 0 && memory.property_flags.contains(wanted)
                });
                let memory = kind.ok_or(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY).and_then(|kind| {
                    let allocate =
                        vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind as u32);
                    self.raw.allocate_memory(&allocate, None)
                });
                let memory = memory.inspect_err(|_| self.raw.destroy_buffer(buffer, None))?;
                let mapped = self
                    .raw
                    .bind_buffer_memory(buffer, memory, 0)
                    .and_then(|()| self.raw.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty()));
                let words = mapped.inspect_err(|_| {
                    self.raw.destroy_buffer(buffer, None);
                    self.raw.free_memory(memory, None);
                })?;
                let mut buffer = Buffer { buffer, memory, words: words.cast(), len: (size / 4) as usize };
                // A NaN that no kernel produces.
                buffer.words_mut().fill(0x7fc0_1234);
                Ok(buffer)
            }
        }

        /// A submission of the engine's own that orders memory between what ran before and what runs after.
        fn barrier(
            &self,
            before: (vk::PipelineStageFlags, vk::AccessFlags),
            after: (vk::PipelineStageFlags, vk::AccessFlags),
        ) -> Result<()> {
            // SAFETY: all handles are this device's; the pool is destroyed when its commands have run.
            unsafe {
                let create = vk::CommandPoolCreateInfo::default().queue_family_index(self.family);
                let pool = self.raw.create_command_pool(&create, None)?;
                let recorded = || -> Result<()> {
                    let allocate = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(1);
                    let commands = self.raw.allocate_command_buffers(&allocate)?;
                    self.raw.begin_command_buffer(commands[0], &vk::CommandBufferBeginInfo::default())?;
                    let barrier = vk::MemoryBarrier::default().src_access_mask(before.1).dst_access_mask(after.1);
                    let none = vk::DependencyFlags::empty();
                    self.raw.cmd_pipeline_barrier(commands[0], before.0, after.0, none, &[barrier], &[], &[]);
                    self.raw.end_command_buffer(commands[0])?;
                    let submit = vk::SubmitInfo::default().command_buffers(&commands);
                    self.raw.queue_submit(self.queue, &[submit], vk::Fence::null())?;
                    Ok(self.raw.queue_wait_idle(self.queue)?)
                };
                let outcome = recorded();
                self.raw.destroy_command_pool(pool, None);
                outcome
            }
        }

        /// Closes wgpu's side, then the engine's. How many of the two handles that it was lent, instance and device, wgpu
        /// let go before the engine destroys the device.
        pub fn close(mut self) -> usize {
            self.wgpu = None;
            self.released.load(Ordering::SeqCst)
        }
    }

    impl Drop for Opened<'_> {
        fn drop(&mut self) {
            self.wgpu = None;
            // SAFETY: wgpu has let the device go, nothing runs on it, and nobody else has the handle.
            unsafe {
                let _ = self.raw.device_wait_idle();
                self.raw.destroy_device(None);
            }
        }
    }

    impl Buffer {
        fn words_mut(&mut self) -> &mut [u32] {
            // SAFETY: the memory is mapped, of that length, and nothing runs on the device while the host looks.
            unsafe { std::slice::from_raw_parts_mut(self.words, self.len) }
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "windows"))]
fn main() -> Result<()> {
    use wgconv::{Conv, TensorName, reference};

    let engine = engine::Engine::new()?;
    let opened = engine.open()?;
    let problem = Conv::new(1, 8, [32, 32], 16, [3, 3]).padding(1).into();
    let number = |i: usize| (i * 37 % 101) as f32 / 50.0 - 1.0;
    let inputs = [(TensorName::Input, 8 * 32 * 32), (TensorName::Weight, 16 * 8 * 9)]
        .map(|(name, len)| (name, (0..len).map(number).collect()))
        .into();
    let output = opened.run(&problem, &inputs)?;
    let want = reference::run(&problem, &inputs)?;
    let errors = output.iter().zip(&want.output).map(|(&got, &want)| (f64::from(got) - want).abs());
    println!("{} on {}: the largest error is {:.1e}", output.len(), engine.name, errors.fold(0.0, f64::max));
    println!("wgpu let {} of 2 handles go", opened.close());
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "windows")))]
fn main() -> Result<()> {
    Err("wgpu speaks no Vulkan on this platform".into())
}
