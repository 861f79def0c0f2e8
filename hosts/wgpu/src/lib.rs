//! A host for wgpu 29: runs programs of wgconv's core on the caller's device. docs/hosts.md explains each step.

use std::collections::HashMap;
use std::iter::once;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};

use wgconv::program::{BufferRange, Buffers, DUMMY_BYTES, Dispatch, Program, Step, Variant};
use wgconv::{Access, Capabilities, Device, DeviceKind, Error, Result};
use wgpu::util::{BufferInitDescriptor, DeviceExt, DownloadBuffer};
use wgpu::{BufferBindingType, BufferUsages, Features, PipelineCompilationOptions, ShaderRuntimeChecks, ShaderStages};

/// A device with what all programs on it share.
pub struct Host {
    device: wgpu::Device,
    capabilities: Capabilities,
    /// By variant, whether buffers are shared, and whether the shader checks bounds.
    pipelines: Mutex<HashMap<(Variant, bool, bool), wgpu::ComputePipeline>>,
    /// Bound where a shader declares a tensor that its problem lacks: what is read, and what is written.
    dummies: [wgpu::Buffer; 2],
}

/// A program with its buffers: [`record`] it as often as wanted.
pub struct Bound {
    /// What packs the weights: before the first run, and again after the weights have changed.
    pub packing: Vec<Launch>,
    /// What computes the problem.
    pub steps: Vec<Launch>,
}

/// A pipeline with what is bound to it.
pub struct Launch {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    grid: [u32; 3],
}

/// Optional features that kernels use.
pub fn features(adapter: &wgpu::Adapter) -> Features {
    adapter.features() & (Features::SHADER_FLOAT32_ATOMIC | Features::SUBGROUP | Features::SHADER_F16)
}

/// What a device offers.
pub fn capabilities(device: &wgpu::Device) -> Capabilities {
    let (limits, info, features) = (device.limits(), device.adapter_info(), device.features());
    let invocations = limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x);
    let subgroup_sizes = [info.subgroup_min_size, info.subgroup_max_size];
    Capabilities::of(&Device {
        name: info.name,
        driver: info.driver,
        vendor: info.vendor,
        kind: match info.device_type {
            wgpu::DeviceType::Cpu => DeviceKind::Cpu,
            wgpu::DeviceType::IntegratedGpu => DeviceKind::IntegratedGpu,
            _ => DeviceKind::Gpu,
        },
        max_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
        max_invocations_per_workgroup: invocations,
        max_workgroup_bytes: limits.max_compute_workgroup_storage_size,
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_buffer_bytes: limits.max_buffer_size,
        max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
        storage_alignment: limits.min_storage_buffer_offset_alignment,
        subgroup_sizes: features.contains(Features::SUBGROUP).then_some(subgroup_sizes),
        f32_atomics: features.contains(Features::SHADER_FLOAT32_ATOMIC),
        f16: features.contains(Features::SHADER_F16),
        cooperative_side: None,
    })
}

impl Host {
    /// For programs that were chosen with these capabilities: the [device's](capabilities), or tighter ones.
    pub fn new(device: &wgpu::Device, capabilities: Capabilities) -> Host {
        let dummies = ["dummy input", "dummy output"].map(|label| {
            let (label, usage) = (Some(label), BufferUsages::STORAGE);
            device.create_buffer(&wgpu::BufferDescriptor { label, size: DUMMY_BYTES, usage, mapped_at_creation: false })
        });
        Host { device: device.clone(), capabilities, pipelines: Mutex::default(), dummies }
    }

    /// Checks the buffers, compiles what was not compiled yet, and makes the uniform buffer and the bind groups.
    pub fn bind(&self, program: &Program, buffers: &Buffers<wgpu::Buffer>) -> Result<Bound> {
        // The core knows no usage, and believes the size that it is told.
        for (name, BufferRange { id, size, .. }) in buffers.named() {
            if !id.usage().contains(BufferUsages::STORAGE) || *size > id.size() {
                let (value, rule) = (format!("{:?}", id.usage()), format!("it must be STORAGE of {size} bytes"));
                return Err(Error::Binding { tensor: name.into(), field: "usage", value, rule });
            }
        }
        program.check_buffers(buffers, self.capabilities.storage_alignment)?;
        let compile = |dispatch| Ok((dispatch, self.pipeline(program, dispatch)?));
        let compiled = program.launches().map(compile).collect::<Result<Vec<_>>>()?;
        let (packing, steps) = (program.packing_steps(&self.capabilities)?, program.steps(&self.capabilities)?);
        // One uniform buffer holds the parameters of every step, at offsets that it may have.
        let all = || packing.iter().chain(&steps);
        let largest = all().map(|step| step.params.bytes().len()).max().unwrap_or(1);
        let slot = largest.next_multiple_of(self.device.limits().min_uniform_buffer_offset_alignment as usize);
        let mut contents = vec![0_u8; slot * all().count()];
        for (slot, step) in contents.chunks_exact_mut(slot).zip(all()) {
            slot[..step.params.bytes().len()].copy_from_slice(step.params.bytes());
        }
        self.reported("binding", || {
            let (label, usage) = (Some("parameters"), BufferUsages::UNIFORM);
            let uniforms = self.device.create_buffer_init(&BufferInitDescriptor { label, contents: &contents, usage });
            let launch = |(step, offset): (&Step, u64)| {
                let (dispatch, pipeline) = &compiled[step.launch];
                let mut entries = vec![entry(0, &uniforms, offset, step.params.bytes().len() as u64)];
                for (binding, (span, spec)) in (1..).zip(step.spans.iter().zip(dispatch.variant.kernel.bindings)) {
                    let (buffer, start) = match buffers.get(span.memory) {
                        Some(range) => (&range.id, range.offset),
                        None => (&self.dummies[usize::from(spec.access != Access::Read)], 0),
                    };
                    entries.push(entry(binding, buffer, start + span.offset, span.bytes));
                }
                let layout = &pipeline.get_bind_group_layout(0);
                let descriptor = wgpu::BindGroupDescriptor { label: None, layout, entries: &entries };
                let bind_group = self.device.create_bind_group(&descriptor);
                Launch { pipeline: pipeline.clone(), bind_group, grid: step.grid }
            };
            let mut launches: Vec<Launch> = all().zip((0..).step_by(slot)).map(launch).collect();
            Bound { steps: launches.split_off(packing.len()), packing: launches }
        })
    }

    /// The pipeline of a launch, compiled on first use.
    fn pipeline(&self, program: &Program, dispatch: &Dispatch) -> Result<wgpu::ComputePipeline> {
        let (shared, checks) = (program.shares_buffers(dispatch), program.options.runtime_checks);
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (dispatch.variant.clone(), shared, checks);
        if let Some(pipeline) = pipelines.get(&key) {
            return Ok(pipeline.clone());
        }
        let label = dispatch.variant.label();
        let pipeline = self.reported(&label, || {
            let source = wgpu::ShaderSource::Wgsl(program.source(dispatch).into());
            let descriptor = wgpu::ShaderModuleDescriptor { label: Some(&label), source };
            // SAFETY: loops end and indices stay within what is bound, as `check_buffers` has made sure.
            let module =
                unsafe { self.device.create_shader_module_trusted(descriptor, ShaderRuntimeChecks::all(checks)) };
            let options = PipelineCompilationOptions { constants: &[], zero_initialize_workgroup_memory: checks };
            let storage = dispatch.variant.kernel.bindings.iter().map(|spec| spec.access == Access::Read && !shared);
            let storage = storage.map(|read_only| BufferBindingType::Storage { read_only });
            let entry = |(binding, ty)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
                count: None,
            };
            let entries: Vec<_> = (0..).zip(once(BufferBindingType::Uniform).chain(storage)).map(entry).collect();
            let group = wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries };
            let bind_group_layouts = &[Some(&self.device.create_bind_group_layout(&group))];
            let layout = wgpu::PipelineLayoutDescriptor { label: None, bind_group_layouts, immediate_size: 0 };
            self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&label),
                layout: Some(&self.device.create_pipeline_layout(&layout)),
                module: &module,
                entry_point: Some("main"),
                compilation_options: options,
                cache: None,
            })
        })?;
        pipelines.insert(key, pipeline.clone());
        Ok(pipeline)
    }

    /// What wgpu reports out of band, as a result.
    fn reported<T>(&self, what: &str, make: impl FnOnce() -> T) -> Result<T> {
        use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
        let scopes = [OutOfMemory, Internal, Validation].map(|filter| self.device.push_error_scope(filter));
        let made = make();
        let errors: Vec<_> = scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop())).collect();
        errors.first().map_or(Ok(made), |error| Err(Error::Device(format!("{what}: {error}"))))
    }

    /// The words of a buffer, after all that was submitted.
    pub fn read_back(&self, queue: &wgpu::Queue, buffer: &wgpu::Buffer) -> Result<Vec<u32>> {
        let (sender, receiver) = channel();
        let send = move |result| drop(sender.send(result));
        self.reported("reading back", || DownloadBuffer::read_buffer(&self.device, queue, &buffer.slice(..), send))?;
        let failed = |error: &dyn std::fmt::Display| Error::Device(format!("reading back: {error}"));
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|error| failed(&error))?;
        let read = receiver.recv().map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        Ok(bytemuck::pod_collect_to_vec(&read))
    }
}

fn entry(binding: u32, buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> wgpu::BindGroupEntry<'_> {
    let range = wgpu::BufferBinding { buffer, offset, size: wgpu::BufferSize::new(bytes) };
    wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::Buffer(range) }
}

/// Records launches in order. wgpu lets each see what the one before has written.
pub fn record(launches: &[Launch], encoder: &mut wgpu::CommandEncoder) {
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    for Launch { pipeline, bind_group, grid: [x, y, z] } in launches {
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, bind_group, &[]);
        pass.dispatch_workgroups(*x, *y, *z);
    }
}
