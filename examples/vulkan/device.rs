//! Vulkan 1.1 through ash, as far as compute shaders need it: a device in plain numbers, and jobs that it runs.

use std::ffi::CStr;

use ash::vk;
use wgconv::{Device, DeviceKind};

use super::{POISON, Result};

/// Buffers, shaders, and what to launch.
pub struct Job {
    /// What each buffer holds at first; [`Vulkan::run`] says what it holds at last.
    pub buffers: Vec<Vec<u32>>,
    /// The shaders.
    pub shaders: Vec<Shader>,
    /// The launches in order.
    pub launches: Vec<Launch>,
}

/// A shader as SPIR-V, whose entry point is `main`. Its uniform is binding 0, its storage buffers follow.
pub struct Shader {
    /// The words of the module.
    pub spirv: Vec<u32>,
    /// How many storage buffers it declares.
    pub n_storage: usize,
}

/// A launch of a shader.
pub struct Launch {
    /// Which of the shaders.
    pub shader: usize,
    /// Which buffer, from which byte on and how many bytes, for each storage binding.
    pub bindings: Vec<(usize, u64, u64)>,
    /// Contents of the uniform.
    pub params: Vec<u8>,
    /// Workgroups.
    pub grid: [u32; 3],
}

/// A device with a queue that computes, opened with every feature that kernels use.
pub struct Vulkan {
    /// What it is, for [`wgconv::Capabilities::of`].
    pub device_info: Device,
    // The functions of the instance live in the library that the entry holds.
    _entry: ash::Entry,
    instance: ash::Instance,
    device: ash::Device,
    queue: vk::Queue,
    family: u32,
    memories: vk::PhysicalDeviceMemoryProperties,
    uniform_alignment: u64,
}

/// Memory that both the host and the device see, with a buffer on all of it.
struct Buffer {
    buffer: vk::Buffer,
    memory: vk::DeviceMemory,
    words: *mut u32,
    len: usize,
}

/// A compiled shader.
struct Pipeline {
    module: vk::ShaderModule,
    set: vk::DescriptorSetLayout,
    layout: vk::PipelineLayout,
    pipeline: vk::Pipeline,
}

impl Vulkan {
    /// Opens the first device that is not refused.
    pub fn open(refusal: impl Fn(&Device) -> Option<String>) -> Result<Vulkan> {
        // SAFETY: the system's Vulkan loader is a library that may be loaded.
        let entry = unsafe { ash::Entry::load()? };
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_1);
        let create = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: the structures outlive the call.
        let instance = unsafe { entry.create_instance(&create, None)? };
        match open(&instance, refusal) {
            Ok(Opened { physical, device, family, device_info }) => {
                // SAFETY: the device has one queue of this family; `physical` is the instance's.
                let (queue, memories, limits) = unsafe {
                    let queue = device.get_device_queue(family, 0);
                    let memories = instance.get_physical_device_memory_properties(physical);
                    (queue, memories, instance.get_physical_device_properties(physical).limits)
                };
                let uniform_alignment = limits.min_uniform_buffer_offset_alignment.max(16);
                Ok(Vulkan { device_info, _entry: entry, instance, device, queue, family, memories, uniform_alignment })
            }
            Err(error) => {
                // SAFETY: nothing was made of it.
                unsafe { instance.destroy_instance(None) };
                Err(error)
            }
        }
    }

    /// Runs a job in one submit. Returns what its buffers hold then.
    pub fn run(&self, job: &Job) -> Result<Vec<Vec<u32>>> {
        let mut buffers = Vec::new();
        let mut pipelines = Vec::new();
        let outcome = self.run_with(job, &mut buffers, &mut pipelines);
        // SAFETY: nothing runs any more once the device is idle, and nobody else has these handles.
        unsafe {
            let _ = self.device.device_wait_idle();
            for pipeline in pipelines {
                self.device.destroy_pipeline(pipeline.pipeline, None);
                self.device.destroy_pipeline_layout(pipeline.layout, None);
                self.device.destroy_descriptor_set_layout(pipeline.set, None);
                self.device.destroy_shader_module(pipeline.module, None);
            }
            for buffer in buffers {
                self.device.destroy_buffer(buffer.buffer, None);
                self.device.free_memory(buffer.memory, None);
            }
        }
        outcome
    }

    /// Buffers and pipelines are left to the caller to destroy, whatever happens.
    fn run_with(&self, job: &Job, buffers: &mut Vec<Buffer>, pipelines: &mut Vec<Pipeline>) -> Result<Vec<Vec<u32>>> {
        for contents in &job.buffers {
            let mut buffer = self.buffer(contents.len() as u64 * 4, vk::BufferUsageFlags::STORAGE_BUFFER)?;
            buffer.words_mut()[..contents.len()].copy_from_slice(contents);
            buffers.push(buffer);
        }
        for shader in &job.shaders {
            pipelines.push(self.pipeline(shader)?);
        }
        // The parameters of every launch, at offsets that a uniform buffer may have.
        let mut contents = Vec::new();
        let mut parameters = Vec::new();
        for launch in &job.launches {
            parameters.push((contents.len() as u64, launch.params.len() as u64));
            contents.extend(&launch.params);
            contents.resize(contents.len().next_multiple_of(self.uniform_alignment as usize), 0);
        }
        let mut uniforms = self.buffer(contents.len() as u64, vk::BufferUsageFlags::UNIFORM_BUFFER)?;
        for (word, bytes) in uniforms.words_mut().iter_mut().zip(contents.chunks_exact(4)) {
            *word = u32::from_le_bytes(bytes.try_into()?);
        }
        buffers.push(uniforms);

        let sets = self.descriptors(&job.launches, pipelines, buffers, &parameters)?;
        let outcome = self.submit(&job.launches, pipelines, &sets.1);
        // SAFETY: what used the sets has run, or was never submitted.
        unsafe { self.device.destroy_descriptor_pool(sets.0, None) };
        outcome?;
        let read = buffers.iter_mut().zip(&job.buffers);
        Ok(read.map(|(buffer, contents)| buffer.words_mut()[..contents.len()].to_vec()).collect())
    }

    /// A buffer of so many bytes, poisoned.
    fn buffer(&self, bytes: u64, usage: vk::BufferUsageFlags) -> Result<Buffer> {
        let bytes = bytes.max(4).next_multiple_of(4);
        let create = vk::BufferCreateInfo::default().size(bytes).usage(usage);
        // SAFETY: the buffer is bound to memory of its own, which is large enough, visible to the host and stays mapped
        // until it is freed.
        unsafe {
            let buffer = self.device.create_buffer(&create, None)?;
            let needs = self.device.get_buffer_memory_requirements(buffer);
            let wanted = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
            let kind = self.memories.memory_types_as_slice().iter().zip(0..).position(|(memory, number)| {
                needs.memory_type_bits & (1 << number) != 0 && memory.property_flags.contains(wanted)
            });
            let memory = kind.ok_or(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY).and_then(|kind| {
                let allocate =
                    vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind as u32);
                self.device.allocate_memory(&allocate, None)
            });
            let memory = memory.inspect_err(|_| self.device.destroy_buffer(buffer, None))?;
            let mapped = self
                .device
                .bind_buffer_memory(buffer, memory, 0)
                .and_then(|()| self.device.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty()));
            let words = mapped.inspect_err(|_| {
                self.device.destroy_buffer(buffer, None);
                self.device.free_memory(memory, None);
            })?;
            let mut buffer = Buffer { buffer, memory, words: words.cast(), len: (bytes / 4) as usize };
            buffer.words_mut().fill(POISON);
            Ok(buffer)
        }
    }

    fn pipeline(&self, shader: &Shader) -> Result<Pipeline> {
        let kinds = [vk::DescriptorType::UNIFORM_BUFFER].into_iter();
        let kinds = kinds.chain(std::iter::repeat_n(vk::DescriptorType::STORAGE_BUFFER, shader.n_storage));
        let binding = |(kind, number)| {
            let layout = vk::DescriptorSetLayoutBinding::default().binding(number).descriptor_type(kind);
            layout.descriptor_count(1).stage_flags(vk::ShaderStageFlags::COMPUTE)
        };
        let bindings: Vec<_> = kinds.zip(0..).map(binding).collect();
        let device = &self.device;
        // SAFETY: the structures outlive the calls. The module is valid SPIR-V of a program of wgconv, whose memory accesses stay
        // within what its steps bind; what was made is destroyed where something fails.
        unsafe {
            let module =
                device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&shader.spirv), None)?;
            let create = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let undo_module = |_: &vk::Result| device.destroy_shader_module(module, None);
            let set = device.create_descriptor_set_layout(&create, None).inspect_err(undo_module)?;
            let sets = [set];
            let create = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let undo_set = |error: &vk::Result| {
                device.destroy_descriptor_set_layout(set, None);
                undo_module(error);
            };
            let layout = device.create_pipeline_layout(&create, None).inspect_err(undo_set)?;
            let stage = vk::PipelineShaderStageCreateInfo::default().stage(vk::ShaderStageFlags::COMPUTE);
            let stage = stage.module(module).name(c"main");
            let create = vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout);
            let made = device.create_compute_pipelines(vk::PipelineCache::null(), &[create], None);
            let made = made.map_err(|(_, error)| error).inspect_err(|error| {
                device.destroy_pipeline_layout(layout, None);
                undo_set(error);
            })?;
            Ok(Pipeline { module, set, layout, pipeline: made[0] })
        }
    }

    /// A pool with a descriptor set for each launch.
    fn descriptors(
        &self,
        launches: &[Launch],
        pipelines: &[Pipeline],
        buffers: &[Buffer],
        parameters: &[(u64, u64)],
    ) -> Result<(vk::DescriptorPool, Vec<vk::DescriptorSet>)> {
        let uniforms = buffers.last().ok_or("no buffer")?.buffer;
        let n_storage: usize = launches.iter().map(|launch| launch.bindings.len()).sum();
        let size = |ty, n: usize| vk::DescriptorPoolSize { ty, descriptor_count: n.max(1) as u32 };
        let sizes = [
            size(vk::DescriptorType::UNIFORM_BUFFER, launches.len()),
            size(vk::DescriptorType::STORAGE_BUFFER, n_storage),
        ];
        let create = vk::DescriptorPoolCreateInfo::default().max_sets(launches.len() as u32).pool_sizes(&sizes);
        let layouts: Vec<vk::DescriptorSetLayout> =
            launches.iter().map(|launch| pipelines[launch.shader].set).collect();
        // SAFETY: the pool is large enough for the sets, and the structures outlive the calls.
        let (pool, sets) = unsafe {
            let pool = self.device.create_descriptor_pool(&create, None)?;
            let allocate = vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&layouts);
            let sets = self.device.allocate_descriptor_sets(&allocate);
            (pool, sets.inspect_err(|_| self.device.destroy_descriptor_pool(pool, None))?)
        };
        for ((launch, &set), &(offset, range)) in launches.iter().zip(&sets).zip(parameters) {
            let mut infos = vec![vk::DescriptorBufferInfo { buffer: uniforms, offset, range }];
            for &(buffer, offset, range) in &launch.bindings {
                infos.push(vk::DescriptorBufferInfo { buffer: buffers[buffer].buffer, offset, range });
            }
            let writes: Vec<vk::WriteDescriptorSet<'_>> = infos
                .iter()
                .zip(0..)
                .map(|(info, binding)| {
                    let kind = match binding {
                        0 => vk::DescriptorType::UNIFORM_BUFFER,
                        _ => vk::DescriptorType::STORAGE_BUFFER,
                    };
                    let write = vk::WriteDescriptorSet::default().dst_set(set).dst_binding(binding);
                    write.descriptor_type(kind).buffer_info(std::slice::from_ref(info))
                })
                .collect();
            // SAFETY: no command uses the sets yet; the buffers are alive.
            unsafe { self.device.update_descriptor_sets(&writes, &[]) };
        }
        Ok((pool, sets))
    }

    /// Records every launch with a barrier after it, submits once and waits.
    fn submit(&self, launches: &[Launch], pipelines: &[Pipeline], sets: &[vk::DescriptorSet]) -> Result<()> {
        let device = &self.device;
        // SAFETY: all handles are this device's and outlive the wait; the pool goes when nothing runs any more.
        unsafe {
            let create = vk::CommandPoolCreateInfo::default().queue_family_index(self.family);
            let pool = device.create_command_pool(&create, None)?;
            let recorded = || -> Result<()> {
                let allocate = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(1);
                let commands = device.allocate_command_buffers(&allocate)?;
                let buffer = commands[0];
                device.begin_command_buffer(buffer, &vk::CommandBufferBeginInfo::default())?;
                for (launch, &set) in launches.iter().zip(sets) {
                    let pipeline = &pipelines[launch.shader];
                    device.cmd_bind_pipeline(buffer, vk::PipelineBindPoint::COMPUTE, pipeline.pipeline);
                    let point = vk::PipelineBindPoint::COMPUTE;
                    device.cmd_bind_descriptor_sets(buffer, point, pipeline.layout, 0, &[set], &[]);
                    let [x, y, z] = launch.grid;
                    device.cmd_dispatch(buffer, x, y, z);
                    // The next launch reads what this one wrote, and the host reads what the last one wrote.
                    let barrier =
                        vk::MemoryBarrier::default().src_access_mask(vk::AccessFlags::SHADER_WRITE).dst_access_mask(
                            vk::AccessFlags::SHADER_READ | vk::AccessFlags::SHADER_WRITE | vk::AccessFlags::HOST_READ,
                        );
                    let stages = vk::PipelineStageFlags::COMPUTE_SHADER;
                    let after = stages | vk::PipelineStageFlags::HOST;
                    device.cmd_pipeline_barrier(
                        buffer,
                        stages,
                        after,
                        vk::DependencyFlags::empty(),
                        &[barrier],
                        &[],
                        &[],
                    );
                }
                device.end_command_buffer(buffer)?;
                let submit = vk::SubmitInfo::default().command_buffers(&commands);
                device.queue_submit(self.queue, &[submit], vk::Fence::null())?;
                Ok(device.queue_wait_idle(self.queue)?)
            };
            let outcome = recorded();
            device.destroy_command_pool(pool, None);
            outcome
        }
    }
}

impl Drop for Vulkan {
    fn drop(&mut self) {
        // SAFETY: `run` leaves nothing behind that was made of them.
        unsafe {
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}

impl Buffer {
    fn words_mut(&mut self) -> &mut [u32] {
        // SAFETY: so many words are mapped, each initialised by the first call's `fill`, and the device is idle
        // whenever the host looks.
        unsafe { std::slice::from_raw_parts_mut(self.words, self.len) }
    }
}

struct Opened {
    physical: vk::PhysicalDevice,
    device: ash::Device,
    family: u32,
    device_info: Device,
}

/// The first device that computes and is not refused; else why the last one was.
fn open(instance: &ash::Instance, refusal: impl Fn(&Device) -> Option<String>) -> Result<Opened> {
    let mut reason: Box<dyn std::error::Error> = "there is no Vulkan device".into();
    // SAFETY: the instance is alive.
    for physical in unsafe { instance.enumerate_physical_devices()? } {
        match open_one(instance, physical, &refusal) {
            Ok(opened) => return Ok(opened),
            Err(error) => reason = error,
        }
    }
    Err(reason)
}

fn open_one(
    instance: &ash::Instance,
    physical: vk::PhysicalDevice,
    refusal: impl Fn(&Device) -> Option<String>,
) -> Result<Opened> {
    let mut subgroups = vk::PhysicalDeviceSubgroupProperties::default();
    let mut allocations = vk::PhysicalDeviceMaintenance3Properties::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut subgroups).push_next(&mut allocations);
    // SAFETY: the chained structures outlive the calls.
    let (families, extensions) = unsafe {
        instance.get_physical_device_properties2(physical, &mut properties);
        let families = instance.get_physical_device_queue_family_properties(physical);
        (families, instance.enumerate_device_extension_properties(physical)?)
    };
    let properties = properties.properties;
    let name = properties.device_name_as_c_str().map(CStr::to_string_lossy)?.into_owned();
    if properties.api_version < vk::API_VERSION_1_1 {
        return Err(format!("{name} has no Vulkan 1.1").into());
    }
    let family = families.iter().position(|family| family.queue_flags.contains(vk::QueueFlags::COMPUTE));
    let family = family.ok_or_else(|| format!("{name} does not compute"))? as u32;

    // What it offers of what kernels can use; whatever it offers is asked for.
    let has = |wanted: &CStr| extensions.iter().any(|extension| extension.extension_name_as_c_str() == Ok(wanted));
    let mut atomics = vk::PhysicalDeviceShaderAtomicFloatFeaturesEXT::default();
    let mut float16 = vk::PhysicalDeviceShaderFloat16Int8Features::default();
    let mut storage16 = vk::PhysicalDevice16BitStorageFeatures::default();
    let mut features = vk::PhysicalDeviceFeatures2::default().push_next(&mut storage16);
    if has(ash::ext::shader_atomic_float::NAME) {
        features = features.push_next(&mut atomics);
    }
    if has(ash::khr::shader_float16_int8::NAME) {
        features = features.push_next(&mut float16);
    }
    // SAFETY: likewise.
    unsafe { instance.get_physical_device_features2(physical, &mut features) };
    let f32_atomics = atomics.shader_buffer_float32_atomics != 0 && atomics.shader_buffer_float32_atomic_add != 0;
    let f16 = float16.shader_float16 != 0 && storage16.storage_buffer16_bit_access != 0;

    let limits = &properties.limits;
    let operations = vk::SubgroupFeatureFlags::BASIC
        | vk::SubgroupFeatureFlags::VOTE
        | vk::SubgroupFeatureFlags::ARITHMETIC
        | vk::SubgroupFeatureFlags::BALLOT
        | vk::SubgroupFeatureFlags::SHUFFLE
        | vk::SubgroupFeatureFlags::SHUFFLE_RELATIVE;
    let has_subgroups = subgroups.supported_operations.contains(operations)
        && subgroups.supported_stages.contains(vk::ShaderStageFlags::COMPUTE);
    let device_info = Device {
        name,
        driver: String::new(),
        vendor: properties.vendor_id,
        kind: match properties.device_type {
            vk::PhysicalDeviceType::CPU => DeviceKind::Cpu,
            vk::PhysicalDeviceType::INTEGRATED_GPU => DeviceKind::IntegratedGpu,
            _ => DeviceKind::Gpu,
        },
        max_workgroups_per_dimension: limits.max_compute_work_group_count.into_iter().min().unwrap_or(0),
        max_invocations_per_workgroup: limits
            .max_compute_work_group_invocations
            .min(limits.max_compute_work_group_size[0]),
        max_workgroup_bytes: limits.max_compute_shared_memory_size,
        max_binding_bytes: limits.max_storage_buffer_range.into(),
        max_buffer_bytes: allocations.max_memory_allocation_size,
        max_storage_buffers: limits.max_per_stage_descriptor_storage_buffers,
        storage_alignment: u32::try_from(limits.min_storage_buffer_offset_alignment)?,
        // Shaders of SPIR-V 1.3 run in subgroups of this size, unless a pipeline allows others.
        subgroup_sizes: has_subgroups.then_some([subgroups.subgroup_size; 2]),
        f32_atomics,
        f16,
        cooperative_side: None,
    };
    if let Some(reason) = refusal(&device_info) {
        return Err(format!("{}: {reason}", device_info.name).into());
    }

    let mut names = Vec::new();
    let mut atomics = vk::PhysicalDeviceShaderAtomicFloatFeaturesEXT::default();
    atomics = atomics.shader_buffer_float32_atomics(true).shader_buffer_float32_atomic_add(true);
    let mut float16 = vk::PhysicalDeviceShaderFloat16Int8Features::default().shader_float16(true);
    let mut storage16 = vk::PhysicalDevice16BitStorageFeatures::default().storage_buffer16_bit_access(true);
    let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&[1.0])];
    let mut create = vk::DeviceCreateInfo::default().queue_create_infos(&queues);
    if f32_atomics {
        names.push(ash::ext::shader_atomic_float::NAME.as_ptr());
        create = create.push_next(&mut atomics);
    }
    if f16 {
        names.push(ash::khr::shader_float16_int8::NAME.as_ptr());
        create = create.push_next(&mut float16).push_next(&mut storage16);
    }
    let create = create.enabled_extension_names(&names);
    // SAFETY: the structures outlive the call.
    let device = unsafe { instance.create_device(physical, &create, None)? };
    Ok(Opened { physical, device, family, device_info })
}
