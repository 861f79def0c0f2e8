//! A plan with buffers attached.

use std::sync::Arc;

use super::context::Pipeline;
use super::plan::Plan;
use crate::error::{Error, Result};
use crate::program::{self, BufferRange, Buffers, Memory, Span, binding_error};
use crate::tensor::{Access, TensorName};

/// Buffers for the tensors of a plan, and its workspace.
#[derive(Debug, Clone, Default)]
pub struct Bindings<'a>(Buffers<&'a wgpu::Buffer>);

fn range(buffer: &wgpu::Buffer, offset: u64) -> BufferRange<&wgpu::Buffer> {
    BufferRange { id: buffer, offset, size: buffer.size() }
}

impl<'a> Bindings<'a> {
    /// No buffers yet.
    pub fn new() -> Self {
        Bindings::default()
    }

    /// A tensor that starts at the start of a buffer.
    #[must_use]
    pub fn tensor(self, name: TensorName, buffer: &'a wgpu::Buffer) -> Self {
        self.tensor_at(name, buffer, 0)
    }

    /// A tensor that starts at a byte offset, a multiple of the device's `min_storage_buffer_offset_alignment`.
    #[must_use]
    pub fn tensor_at(mut self, name: TensorName, buffer: &'a wgpu::Buffer, offset: u64) -> Self {
        self.0.tensors.insert(name, range(buffer, offset));
        self
    }

    /// A buffer of at least [`Plan::workspace_size`](super::Plan::workspace_size) bytes from its start.
    #[must_use]
    pub fn workspace(self, buffer: &'a wgpu::Buffer) -> Self {
        self.workspace_at(buffer, 0)
    }

    /// Likewise from a byte offset.
    #[must_use]
    pub fn workspace_at(mut self, buffer: &'a wgpu::Buffer, offset: u64) -> Self {
        self.0.workspace = Some(range(buffer, offset));
        self
    }

    /// A buffer of at least [`Plan::packed_size`](super::Plan::packed_size) bytes from its start. What
    /// [`Bound::encode_packing`] writes there stays: any number of bound plans of one layer may share it.
    #[must_use]
    pub fn packed(self, buffer: &'a wgpu::Buffer) -> Self {
        self.packed_at(buffer, 0)
    }

    /// Likewise from a byte offset.
    #[must_use]
    pub fn packed_at(mut self, buffer: &'a wgpu::Buffer, offset: u64) -> Self {
        self.0.packed = Some(range(buffer, offset));
        self
    }
}

/// A plan with its buffers: encode it as often as wanted. Encoding allocates nothing, submits nothing and never waits.
pub struct Bound {
    /// Names of the debug groups around what is recorded.
    labels: [String; 2],
    packing: Vec<Step>,
    steps: Vec<Step>,
}

struct Step {
    pipeline: Arc<Pipeline>,
    bind_group: wgpu::BindGroup,
    grid: [u32; 3],
}

impl Bound {
    /// Records the operation in a compute pass of its own, within a debug group that bears the operation's name.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        let descriptor = wgpu::ComputePassDescriptor { label: Some("wgconv"), timestamp_writes: None };
        self.encode_in_pass(&mut encoder.begin_compute_pass(&descriptor));
    }

    /// Likewise into the caller's pass. Leaves pipeline and bind group 0 changed.
    pub fn encode_in_pass(&self, pass: &mut wgpu::ComputePass<'_>) {
        record(&self.labels[0], &self.steps, pass);
    }

    /// Records what derives the packed weights of [`Options::pack_weights`](crate::Options::pack_weights) from the weights,
    /// in a compute pass of its own: before the first [`Bound::encode`], and again after the weights have changed. Records
    /// nothing for a plan whose [`Plan::packed_size`](super::Plan::packed_size) is zero.
    pub fn encode_packing(&self, encoder: &mut wgpu::CommandEncoder) {
        let descriptor = wgpu::ComputePassDescriptor { label: Some("wgconv packing"), timestamp_writes: None };
        self.encode_packing_in_pass(&mut encoder.begin_compute_pass(&descriptor));
    }

    /// Likewise into the caller's pass.
    pub fn encode_packing_in_pass(&self, pass: &mut wgpu::ComputePass<'_>) {
        record(&self.labels[1], &self.packing, pass);
    }

    /// Number of dispatches that [`Bound::encode_packing`] records.
    pub fn packing_count(&self) -> usize {
        self.packing.len()
    }

    pub(super) fn new(plan: &Plan, bindings: &Bindings<'_>) -> Result<Bound> {
        let binder = Binder { plan, buffers: &bindings.0 };
        binder.check()?;
        let (program, capabilities) = (plan.program(), plan.context.capabilities());
        let (packing, steps) = (program.packing_steps(capabilities)?, program.steps(capabilities)?);
        let device = plan.context.device();
        // One uniform buffer holds the parameters of every step.
        let largest = packing.iter().chain(&steps).map(|step| step.params.bytes().len() as u64).max().unwrap_or(0);
        let alignment = u64::from(device.limits().min_uniform_buffer_offset_alignment);
        let slot = largest.next_multiple_of(alignment.max(16));
        let uniforms = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("wgconv parameters"),
            size: slot * (packing.len() + steps.len()).max(1) as u64,
            usage: wgpu::BufferUsages::UNIFORM,
            mapped_at_creation: true,
        });
        let mut contents = vec![0_u8; uniforms.size() as usize];
        let mut offset = 0;
        let mut bind = |step: &program::Step| -> Result<Step> {
            let params = step.params.bytes();
            contents[offset as usize..][..params.len()].copy_from_slice(params);
            let bound = binder.bind_step(step, &uniforms, offset)?;
            offset += slot;
            Ok(bound)
        };
        let packing = packing.iter().map(&mut bind).collect::<Result<_>>()?;
        let steps = steps.iter().map(&mut bind).collect::<Result<_>>()?;
        uniforms
            .get_mapped_range_mut(..)
            .map_err(|error| Error::Device(format!("the parameter buffer cannot be mapped: {error}")))?
            .copy_from_slice(&contents);
        uniforms.unmap();
        let label = format!("wgconv {} by {}", program.geometry.problem().op_name(), program.algorithm);
        Ok(Bound { labels: [label.clone(), format!("{label}, packing")], packing, steps })
    }
}

fn record(label: &str, steps: &[Step], pass: &mut wgpu::ComputePass<'_>) {
    pass.push_debug_group(label);
    for step in steps {
        pass.set_pipeline(&step.pipeline.pipeline);
        pass.set_bind_group(0, &step.bind_group, &[]);
        let [x, y, z] = step.grid;
        pass.dispatch_workgroups(x, y, z);
    }
    pass.pop_debug_group();
}

struct Binder<'a> {
    plan: &'a Plan,
    buffers: &'a Buffers<&'a wgpu::Buffer>,
}

impl Binder<'_> {
    fn check(&self) -> Result<()> {
        for (name, range) in self.buffers.named() {
            let usage = range.id.usage();
            if !usage.contains(wgpu::BufferUsages::STORAGE) {
                return Err(binding_error(name, "usage", format!("{usage:?}"), "it must contain STORAGE"));
            }
        }
        self.plan.program().check_buffers(self.buffers, self.plan.context.capabilities().storage_alignment)
    }

    /// A step with the bind group of its buffers, whose parameters lie at `offset` of `uniforms`.
    fn bind_step(&self, step: &program::Step, uniforms: &wgpu::Buffer, offset: u64) -> Result<Step> {
        let pipeline = self.plan.pipelines[step.launch].clone();
        let uniform = wgpu::BufferBinding {
            buffer: uniforms,
            offset,
            size: wgpu::BufferSize::new(step.params.bytes().len() as u64),
        };
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(uniform) }];
        for ((spec, span), binding) in pipeline.kernel.bindings.iter().zip(&step.spans).zip(1..) {
            let resource = wgpu::BindingResource::Buffer(self.resource(span, spec.access)?);
            entries.push(wgpu::BindGroupEntry { binding, resource });
        }
        let bind_group = self.plan.context.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(pipeline.kernel.stem),
            layout: &pipeline.layout,
            entries: &entries,
        });
        Ok(Step { pipeline, bind_group, grid: step.grid })
    }

    /// The caller's bytes behind a binding.
    fn resource(&self, span: &Span, access: Access) -> Result<wgpu::BufferBinding<'_>> {
        let range = match span.memory {
            Memory::Unused => Some(range(self.plan.context.unused(access), 0)),
            memory => self.buffers.get(memory).copied(),
        };
        // Presence was checked.
        let range = range.ok_or_else(|| Error::Device("a buffer is missing".into()))?;
        let size = wgpu::BufferSize::new(span.bytes);
        Ok(wgpu::BufferBinding { buffer: range.id, offset: range.offset + span.offset, size })
    }
}
