//! An exported convolution in a program that knows Vulkan and nothing else: no wgpu, no shader compiler. It reads
//! `manifest.json` and the SPIR-V beside it, makes its own device, binds and dispatches what the manifest says, and
//! holds the result against the f64 reference.
//!
//! cargo run --release --features cli -- export --layer resnet50/conv1 --languages spirv --out conv1
//! cargo run --release --features export,reference --example raw_vulkan -- conv1

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::CStr;
use std::fs;
use std::path::Path;

use ash::vk;
use half::f16;
use wgconv::export::{Feature, Language, MANIFEST, Manifest, Shader, Step, TensorElement};
use wgconv::{Access, Geometry, Inputs, Problem, TensorName, reference};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Elements of the tensors that were written, contiguous: integers, or the bits of f32.
pub type Written = BTreeMap<TensorName, Vec<u32>>;

/// What memory holds before anybody writes it: a NaN that no kernel produces.
const POISON: u32 = 0x7fc0_1234;

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).ok_or("usage: raw_vulkan FOLDER, as `wgconv export --out FOLDER` wrote it")?;
    let manifest = load(Path::new(&folder))?;
    let geometry = Geometry::new(&manifest.problem)?;
    let mut state = 1_u32;
    let mut number = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let read = geometry.tensors().iter().filter(|spec| spec.access != Access::Write);
    let inputs: Inputs = read.map(|spec| (spec.name, (0..spec.len()).map(|_| number()).collect())).collect();
    let vulkan = Vulkan::new(&manifest)?;
    println!("{} by {} on {}", manifest.operation, manifest.algorithm, vulkan.name);
    let written = vulkan.run(Path::new(&folder), &manifest, &inputs)?;
    for (name, worst) in compare(&manifest, &inputs, &written)? {
        println!("{name}: the worst error is {worst:.3} of the allowed one");
    }
    Ok(())
}

/// Reads the manifest of an export.
pub fn load(folder: &Path) -> Result<Manifest> {
    Ok(Manifest::from_json(&fs::read_to_string(folder.join(MANIFEST))?)?)
}

/// The worst error of every written tensor, as a share of what the reference allows; an error beyond that is refused.
pub fn compare(manifest: &Manifest, inputs: &Inputs, written: &Written) -> Result<BTreeMap<TensorName, f64>> {
    let storage = manifest.choices.storage;
    let inputs = &storage.round_all(inputs);
    let mut expected = BTreeMap::new();
    // What gradients are added to.
    let mut beta = 0.0;
    if let Problem::Gradient(gradient) = &manifest.problem {
        beta = f64::from(gradient.beta);
        let wanted: Vec<TensorName> = gradient.wanted.iter().copied().collect();
        let grad_output = inputs.get(&TensorName::GradOutput).ok_or("there is no grad_output")?;
        for (of, outcome) in reference::gradients(&gradient.of, inputs, grad_output, &wanted)? {
            expected.insert(of.gradient().ok_or("a gradient of nothing")?, outcome);
        }
    } else {
        let outcome = reference::run_by(&manifest.problem, inputs, manifest.algorithm)?;
        if let (Some(want), Some(got)) = (&outcome.indices, written.get(&TensorName::Indices))
            && want != got
        {
            return Err("the indices differ".into());
        }
        expected.insert(TensorName::Output, outcome);
    }
    let mut worst = BTreeMap::new();
    for (name, outcome) in expected {
        let outcome = outcome.stored(storage);
        let got = written.get(&name).ok_or("a result is missing")?;
        if got.len() != outcome.output.len() {
            return Err(format!("{name} has {} elements instead of {}", got.len(), outcome.output.len()).into());
        }
        let share = worst.entry(name).or_insert(0.0_f64);
        for (i, (&got, &want)) in got.iter().zip(&outcome.output).enumerate() {
            let before = inputs.get(&name).and_then(|held| held.get(i)).map_or(0.0, |&held| beta * f64::from(held));
            let rounding = if before == 0.0 { 0.0 } else { f64::from(f32::EPSILON) * (before.abs() + want.abs()) };
            let (want, tolerance) = (want + before, outcome.tolerance(i) + rounding);
            let difference = (f64::from(f32::from_bits(got)) - want).abs();
            // A NaN is within no tolerance.
            if !matches!(difference.partial_cmp(&tolerance), Some(order) if order.is_le()) {
                let got = f32::from_bits(got);
                return Err(format!("{name} {i} is {got}, want {want} +- {tolerance}").into());
            }
            if tolerance > 0.0 {
                *share = share.max(difference / tolerance);
            }
        }
    }
    Ok(worst)
}

/// A device with a queue that computes.
pub struct Vulkan {
    /// What the driver calls it.
    pub name: String,
    // The functions of the instance live in the library that the entry holds.
    _entry: ash::Entry,
    instance: ash::Instance,
    device: ash::Device,
    queue: vk::Queue,
    family: u32,
    memories: vk::PhysicalDeviceMemoryProperties,
    limits: vk::PhysicalDeviceLimits,
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
    /// Opens the first device that offers what the manifest requires.
    pub fn new(manifest: &Manifest) -> Result<Vulkan> {
        // SAFETY: the system's Vulkan loader is a library that may be loaded.
        let entry = unsafe { ash::Entry::load()? };
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_1);
        let create = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: the structures outlive the call.
        let instance = unsafe { entry.create_instance(&create, None)? };
        match open(&instance, manifest) {
            Ok(Opened { physical, device, family, name }) => {
                // SAFETY: the device has one queue of this family; `physical` is the instance's.
                let (queue, memories, limits) = unsafe {
                    let queue = device.get_device_queue(family, 0);
                    let memories = instance.get_physical_device_memory_properties(physical);
                    (queue, memories, instance.get_physical_device_properties(physical).limits)
                };
                Ok(Vulkan { name, _entry: entry, instance, device, queue, family, memories, limits })
            }
            Err(error) => {
                // SAFETY: nothing was made of it.
                unsafe { instance.destroy_instance(None) };
                Err(error)
            }
        }
    }

    /// Computes an export: inputs contiguous, results contiguous.
    pub fn run(&self, folder: &Path, manifest: &Manifest, inputs: &Inputs) -> Result<Written> {
        let mut buffers = Vec::new();
        let mut pipelines = Vec::new();
        let outcome = self.run_with(folder, manifest, inputs, &mut buffers, &mut pipelines);
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
    fn run_with(
        &self,
        folder: &Path,
        manifest: &Manifest,
        inputs: &Inputs,
        buffers: &mut Vec<Buffer>,
        pipelines: &mut Vec<Pipeline>,
    ) -> Result<Written> {
        // Every memory by its name: tensors, then what else the steps speak of.
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let scratch = [
            ("workspace", manifest.workspace_bytes),
            ("packed", manifest.packed_bytes),
            ("unused", manifest.unused_bytes),
        ];
        let tensors = manifest.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.bytes));
        for (name, bytes) in tensors.chain(scratch).filter(|(_, bytes)| *bytes > 0) {
            buffers.push(self.buffer(bytes, vk::BufferUsageFlags::STORAGE_BUFFER)?);
            places.insert(name, buffers.len() - 1);
        }
        for tensor in &manifest.tensors {
            let words = buffers[places[tensor.name.as_str()]].words_mut();
            if tensor.access == Access::Write {
                continue;
            }
            let data = inputs.get(&tensor.name).ok_or_else(|| format!("there is no {}", tensor.name))?;
            if tensor.element == TensorElement::F16 {
                let data: Vec<f16> = data.iter().copied().map(f16::from_f32).collect();
                tensor.layout.scatter(&tensor.shape, &data, bytemuck::cast_slice_mut(words));
            } else {
                tensor.layout.scatter(&tensor.shape, data, bytemuck::cast_slice_mut(words));
            }
        }
        for shader in &manifest.shaders {
            pipelines.push(self.pipeline(folder, shader)?);
        }
        // The parameters of every step, at offsets that a uniform buffer may have.
        let steps: Vec<&Step> = manifest.packing.iter().chain(&manifest.steps).collect();
        let alignment = self.limits.min_uniform_buffer_offset_alignment.max(16);
        let mut contents = Vec::new();
        let mut parameters = Vec::new();
        for step in &steps {
            let bytes = step.parameter_bytes()?;
            parameters.push((contents.len() as u64, bytes.len() as u64));
            contents.extend(bytes);
            contents.resize(contents.len().next_multiple_of(alignment as usize), 0);
        }
        buffers.push(self.buffer(contents.len() as u64, vk::BufferUsageFlags::UNIFORM_BUFFER)?);
        let uniforms = buffers.last_mut().ok_or("no buffer")?;
        for (word, bytes) in uniforms.words_mut().iter_mut().zip(contents.chunks_exact(4)) {
            *word = u32::from_le_bytes(bytes.try_into()?);
        }
        let uniforms = uniforms.buffer;

        let sets = self.descriptors(&steps, pipelines, buffers, &places, uniforms, &parameters)?;
        let outcome = self.submit(&steps, pipelines, &sets.1);
        // SAFETY: what used the sets has run, or was never submitted.
        unsafe { self.device.destroy_descriptor_pool(sets.0, None) };
        outcome?;
        let mut written = Written::new();
        for tensor in manifest.tensors.iter().filter(|tensor| tensor.access != Access::Read) {
            let words = buffers[places[tensor.name.as_str()]].words_mut();
            let values = if tensor.element == TensorElement::F16 {
                let halves: Vec<f16> = tensor.layout.gather(&tensor.shape, bytemuck::cast_slice(words));
                halves.into_iter().map(|half| half.to_f32().to_bits()).collect()
            } else {
                tensor.layout.gather(&tensor.shape, words)
            };
            written.insert(tensor.name, values);
        }
        Ok(written)
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

    fn pipeline(&self, folder: &Path, shader: &Shader) -> Result<Pipeline> {
        let file = shader.files.get(&Language::Spirv).ok_or_else(|| format!("{} is no SPIR-V", shader.name))?;
        let code = ash::util::read_spv(&mut fs::File::open(folder.join(&file.path))?)?;
        let mut bindings = Vec::new();
        for (slot, binding) in file.slots.iter().zip(&shader.bindings) {
            let kind = match binding.access {
                wgconv::export::BindingAccess::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
                _ => vk::DescriptorType::STORAGE_BUFFER,
            };
            let layout = vk::DescriptorSetLayoutBinding::default().binding(slot.index).descriptor_type(kind);
            bindings.push(layout.descriptor_count(1).stage_flags(vk::ShaderStageFlags::COMPUTE));
        }
        let entry_point = std::ffi::CString::new(file.entry_point.as_str())?;
        let device = &self.device;
        // SAFETY: the structures outlive the calls. The module is valid SPIR-V of an export, whose memory accesses stay
        // within what its steps bind; what was made is destroyed where something fails.
        unsafe {
            let module = device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?;
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
            let stage = stage.module(module).name(&entry_point);
            let create = vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout);
            let made = device.create_compute_pipelines(vk::PipelineCache::null(), &[create], None);
            let made = made.map_err(|(_, error)| error).inspect_err(|error| {
                device.destroy_pipeline_layout(layout, None);
                undo_set(error);
            })?;
            Ok(Pipeline { module, set, layout, pipeline: made[0] })
        }
    }

    /// A pool with a descriptor set for each step.
    fn descriptors(
        &self,
        steps: &[&Step],
        pipelines: &[Pipeline],
        buffers: &[Buffer],
        places: &BTreeMap<&str, usize>,
        uniforms: vk::Buffer,
        parameters: &[(u64, u64)],
    ) -> Result<(vk::DescriptorPool, Vec<vk::DescriptorSet>)> {
        let n_storage: usize = steps.iter().map(|step| step.bindings.len()).sum();
        let size = |ty, n: usize| vk::DescriptorPoolSize { ty, descriptor_count: n.max(1) as u32 };
        let sizes = [
            size(vk::DescriptorType::UNIFORM_BUFFER, steps.len()),
            size(vk::DescriptorType::STORAGE_BUFFER, n_storage),
        ];
        let create = vk::DescriptorPoolCreateInfo::default().max_sets(steps.len() as u32).pool_sizes(&sizes);
        let layouts: Vec<vk::DescriptorSetLayout> = steps.iter().map(|step| pipelines[step.shader].set).collect();
        // SAFETY: the pool is large enough for the sets, and the structures outlive the calls.
        let (pool, sets) = unsafe {
            let pool = self.device.create_descriptor_pool(&create, None)?;
            let allocate = vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&layouts);
            let sets = self.device.allocate_descriptor_sets(&allocate);
            (pool, sets.inspect_err(|_| self.device.destroy_descriptor_pool(pool, None))?)
        };
        for ((step, &set), &(offset, range)) in steps.iter().zip(&sets).zip(parameters) {
            let mut infos = vec![vk::DescriptorBufferInfo { buffer: uniforms, offset, range }];
            for range in &step.bindings {
                let buffer = buffers[places[range.memory.as_str()]].buffer;
                infos.push(vk::DescriptorBufferInfo { buffer, offset: range.offset, range: range.bytes });
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

    /// Records every step with a barrier behind it, submits once and waits.
    fn submit(&self, steps: &[&Step], pipelines: &[Pipeline], sets: &[vk::DescriptorSet]) -> Result<()> {
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
                for (step, &set) in steps.iter().zip(sets) {
                    let pipeline = &pipelines[step.shader];
                    device.cmd_bind_pipeline(buffer, vk::PipelineBindPoint::COMPUTE, pipeline.pipeline);
                    let point = vk::PipelineBindPoint::COMPUTE;
                    device.cmd_bind_descriptor_sets(buffer, point, pipeline.layout, 0, &[set], &[]);
                    let [x, y, z] = step.workgroups;
                    device.cmd_dispatch(buffer, x, y, z);
                    // The next step reads what this one wrote, and the host reads what the last one wrote.
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
    name: String,
}

/// The first device that computes and offers what the manifest requires; else why the last one does not.
fn open(instance: &ash::Instance, manifest: &Manifest) -> Result<Opened> {
    let mut reason: Box<dyn Error> = "there is no Vulkan device".into();
    // SAFETY: the instance is alive.
    for physical in unsafe { instance.enumerate_physical_devices()? } {
        match open_one(instance, physical, manifest) {
            Ok(opened) => return Ok(opened),
            Err(error) => reason = error,
        }
    }
    Err(reason)
}

fn open_one(instance: &ash::Instance, physical: vk::PhysicalDevice, manifest: &Manifest) -> Result<Opened> {
    let mut subgroups = vk::PhysicalDeviceSubgroupProperties::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut subgroups);
    // SAFETY: the chained structures outlive the calls.
    let families = unsafe {
        instance.get_physical_device_properties2(physical, &mut properties);
        instance.get_physical_device_queue_family_properties(physical)
    };
    let properties = properties.properties;
    let name = properties.device_name_as_c_str().map(CStr::to_string_lossy)?.into_owned();
    let family = families.iter().position(|family| family.queue_flags.contains(vk::QueueFlags::COMPUTE));
    let family = family.ok_or_else(|| format!("{name} does not compute"))? as u32;

    let requirements = &manifest.requirements;
    if properties.api_version < vk::API_VERSION_1_1 {
        return Err(format!("{name} has no Vulkan 1.1").into());
    }
    if !u64::from(requirements.storage_alignment).is_multiple_of(properties.limits.min_storage_buffer_offset_alignment)
    {
        return Err(format!("{name} wants storage buffers at other offsets").into());
    }
    let limits = &properties.limits;
    for (limit, offered) in [
        ("max_storage_buffers_per_shader_stage", u64::from(limits.max_per_stage_descriptor_storage_buffers)),
        ("max_storage_buffer_binding_size", limits.max_storage_buffer_range.into()),
        ("max_uniform_buffer_binding_size", limits.max_uniform_buffer_range.into()),
        ("max_compute_invocations_per_workgroup", limits.max_compute_work_group_invocations.into()),
        ("max_compute_workgroup_storage_size", limits.max_compute_shared_memory_size.into()),
        ("max_compute_workgroup_size_x", limits.max_compute_work_group_size[0].into()),
        (
            "max_compute_workgroups_per_dimension",
            (*limits.max_compute_work_group_count.iter().min().unwrap_or(&0)).into(),
        ),
    ] {
        let needed = requirements.limits.get(limit).copied().unwrap_or(0);
        if needed > offered {
            return Err(format!("{name}: {limit} = {offered}, it needs {needed}").into());
        }
    }
    let mut extensions = Vec::new();
    let mut atomics = vk::PhysicalDeviceShaderAtomicFloatFeaturesEXT::default();
    let mut float16 = vk::PhysicalDeviceShaderFloat16Int8Features::default();
    let mut storage16 = vk::PhysicalDevice16BitStorageFeatures::default();
    for feature in &requirements.features {
        match feature {
            Feature::Subgroups if requirements.subgroup_size == Some(subgroups.subgroup_size) => {}
            Feature::Subgroups => {
                let (has, wants) = (subgroups.subgroup_size, requirements.subgroup_size.unwrap_or(0));
                return Err(format!("{name} has subgroups of {has}, it needs {wants}").into());
            }
            Feature::F32Atomics => {
                extensions.push(ash::ext::shader_atomic_float::NAME.as_ptr());
                atomics = atomics.shader_buffer_float32_atomics(true).shader_buffer_float32_atomic_add(true);
            }
            Feature::F16 => {
                extensions.push(ash::khr::shader_float16_int8::NAME.as_ptr());
                float16 = float16.shader_float16(true);
                storage16 = storage16.storage_buffer16_bit_access(true);
            }
            Feature::CooperativeMatrices => return Err("cooperative matrices are an experiment".into()),
        }
    }
    let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&[1.0])];
    let mut create = vk::DeviceCreateInfo::default().queue_create_infos(&queues).enabled_extension_names(&extensions);
    if requirements.features.contains(&Feature::F32Atomics) {
        create = create.push_next(&mut atomics);
    }
    if requirements.features.contains(&Feature::F16) {
        create = create.push_next(&mut float16).push_next(&mut storage16);
    }
    // SAFETY: the structures outlive the call; a device without the extension refuses.
    let device = unsafe { instance.create_device(physical, &create, None)? };
    Ok(Opened { physical, device, family, name })
}
