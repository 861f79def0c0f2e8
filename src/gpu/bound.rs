//! A plan with buffers attached.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Pipeline;
use super::plan::{Launch, Plan};
use super::steps::{Memory, Placement, Span, runs};
use crate::error::{Error, Result};
use crate::tensor::{Access, TensorName, buffer_bytes};

/// Buffers for the tensors of a plan, and its workspace.
#[derive(Debug, Clone, Default)]
pub struct Bindings<'a> {
    tensors: BTreeMap<TensorName, Range<'a>>,
    workspace: Option<Range<'a>>,
    packed: Option<Range<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Range<'a> {
    buffer: &'a wgpu::Buffer,
    offset: u64,
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
        self.tensors.insert(name, Range { buffer, offset });
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
        self.workspace = Some(Range { buffer, offset });
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
        self.packed = Some(Range { buffer, offset });
        self
    }
}

/// A plan with its buffers: encode it as often as wanted. Encoding allocates nothing, submits nothing and never waits.
pub struct Bound {
    packing: Vec<Step>,
    steps: Vec<Step>,
}

struct Step {
    pipeline: Arc<Pipeline>,
    bind_group: wgpu::BindGroup,
    grid: [u32; 3],
}

impl Bound {
    /// Records the operation in a compute pass of its own.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        let descriptor = wgpu::ComputePassDescriptor { label: Some("wgconv"), timestamp_writes: None };
        self.encode_in_pass(&mut encoder.begin_compute_pass(&descriptor));
    }

    /// Records the operation into the caller's pass. Leaves pipeline and bind group 0 changed.
    pub fn encode_in_pass(&self, pass: &mut wgpu::ComputePass<'_>) {
        record(&self.steps, pass);
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
        record(&self.packing, pass);
    }

    /// Number of dispatches that [`Bound::encode_packing`] records.
    pub fn packing_count(&self) -> usize {
        self.packing.len()
    }

    pub(super) fn new(plan: &Plan, bindings: &Bindings<'_>) -> Result<Bound> {
        let binder = Binder { plan, bindings };
        binder.check()?;
        let n_steps = plan.packing.len() + plan.dispatch_count();
        let device = plan.context.device();
        // One uniform buffer holds the parameters of every step.
        let slot = uniform_slot(plan);
        let uniforms = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("wgconv parameters"),
            size: slot * n_steps.max(1) as u64,
            usage: wgpu::BufferUsages::UNIFORM,
            mapped_at_creation: true,
        });
        let mut contents = vec![0_u8; uniforms.size() as usize];
        let mut offset = 0;
        let mut step = |launch: &Launch, images: usize, first_image: usize| -> Result<Step> {
            let (bind_group, params) = binder.bind_step(launch, images, first_image, &uniforms, offset)?;
            contents[offset as usize..][..params.len()].copy_from_slice(&params);
            offset += slot;
            Ok(Step { pipeline: launch.pipeline.clone(), bind_group, grid: launch.grid })
        };
        let images = plan.parts.first().map_or(0, |part| part.images);
        let packing = plan.packing.iter().map(|launch| step(launch, images, 0)).collect::<Result<Vec<_>>>()?;
        let mut steps = Vec::with_capacity(plan.dispatch_count());
        for run in runs(plan.parts.iter().map(|part| (part.images, part.count))) {
            for launch in &plan.parts[run.part].launches {
                steps.push(step(launch, run.images, run.first_image)?);
            }
        }
        uniforms
            .get_mapped_range_mut(..)
            .map_err(|error| Error::Device(format!("the parameter buffer cannot be mapped: {error}")))?
            .copy_from_slice(&contents);
        uniforms.unmap();
        Ok(Bound { packing, steps })
    }
}

fn record(steps: &[Step], pass: &mut wgpu::ComputePass<'_>) {
    for step in steps {
        pass.set_pipeline(&step.pipeline.pipeline);
        pass.set_bind_group(0, &step.bind_group, &[]);
        let [x, y, z] = step.grid;
        pass.dispatch_workgroups(x, y, z);
    }
}

/// Distance of two steps' parameters in the uniform buffer.
fn uniform_slot(plan: &Plan) -> u64 {
    let largest = plan
        .packing
        .iter()
        .chain(plan.parts.iter().flat_map(|part| &part.launches))
        .map(|launch| launch.dispatch.params.bytes().len() as u64)
        .max()
        .unwrap_or(0);
    largest.next_multiple_of(u64::from(plan.context.device().limits().min_uniform_buffer_offset_alignment).max(16))
}

struct Binder<'a> {
    plan: &'a Plan,
    bindings: &'a Bindings<'a>,
}

/// A checked byte range of a buffer.
struct Checked<'a> {
    name: String,
    access: Access,
    buffer: &'a wgpu::Buffer,
    start: u64,
    end: u64,
}

fn binding_error(tensor: &str, field: &'static str, value: impl std::fmt::Display, rule: impl Into<String>) -> Error {
    Error::Binding { tensor: tensor.into(), field, value: value.to_string(), rule: rule.into() }
}

impl Binder<'_> {
    fn check(&self) -> Result<()> {
        for name in self.bindings.tensors.keys() {
            if self.plan.geometry.tensor(*name).is_none() {
                let op = self.plan.geometry.problem().op_name();
                return Err(binding_error(name.as_str(), "buffer", "given", format!("this {op} has no such tensor")));
            }
        }
        let mut ranges = Vec::new();
        for spec in self.plan.geometry.tensors() {
            let name = spec.name.as_str();
            let range = self
                .bindings
                .tensors
                .get(&spec.name)
                .ok_or_else(|| binding_error(name, "buffer", "absent", "the problem needs this tensor"))?;
            let layout = self.plan.options.layout_of(spec);
            // Layout::check has bounded the span.
            let span = layout.span(&spec.shape).unwrap_or(usize::MAX) as u64;
            let element = spec.element.bytes(self.plan.options.storage);
            self.check_range(name, range, buffer_bytes(span, element))?;
            let end = range.offset + span.saturating_mul(element);
            let start = range.offset + layout.offset as u64 * element;
            ranges.push(Checked { name: name.into(), access: spec.access, buffer: range.buffer, start, end });
        }
        let scratch = [
            ("workspace", self.plan.workspace_size(), self.bindings.workspace.as_ref()),
            ("packed weights", self.plan.packed_size(), self.bindings.packed.as_ref()),
        ];
        for (name, bytes, range) in scratch {
            if bytes > 0 {
                let absent = || binding_error(name, "buffer", "absent", format!("the plan needs {bytes} bytes of it"));
                let range = range.ok_or_else(absent)?;
                self.check_range(name, range, bytes)?;
                let end = range.offset + bytes;
                let (name, access) = (name.into(), Access::Write);
                ranges.push(Checked { name, access, buffer: range.buffer, start: range.offset, end });
            }
        }
        self.check_sharing(&ranges)
    }

    fn check_range(&self, name: &str, range: &Range<'_>, bytes: u64) -> Result<()> {
        if !range.buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
            return Err(binding_error(name, "usage", format!("{:?}", range.buffer.usage()), "it must contain STORAGE"));
        }
        let alignment = u64::from(self.plan.context.capabilities().storage_alignment);
        if !range.offset.is_multiple_of(alignment) {
            let rule = format!("it must be a multiple of min_storage_buffer_offset_alignment = {alignment}");
            return Err(binding_error(name, "offset", range.offset, rule));
        }
        let needed = range.offset.saturating_add(bytes);
        if needed > range.buffer.size() {
            return Err(binding_error(name, "size", range.buffer.size(), format!("the tensor ends at byte {needed}")));
        }
        Ok(())
    }

    /// A written range must overlap nothing, and shares its buffer with a read one only when the plan allows it.
    fn check_sharing(&self, ranges: &[Checked<'_>]) -> Result<()> {
        for (i, written) in ranges.iter().enumerate() {
            if written.access == Access::Read {
                continue;
            }
            for (j, other) in ranges.iter().enumerate() {
                if i == j || written.buffer != other.buffer {
                    continue;
                }
                if written.start < other.end && other.start < written.end {
                    let value = format!("bytes {}..{}", written.start, written.end);
                    let rule = format!("it must not overlap {} at {}..{}", other.name, other.start, other.end);
                    return Err(binding_error(&written.name, "buffer", value, rule));
                }
                if !self.plan.options.shared_buffers {
                    let rule = format!(
                        "one dispatch cannot bind a buffer both read-only and writable; {} lies in it too, which \
                         Options::shared_buffers allows",
                        other.name
                    );
                    return Err(binding_error(&written.name, "buffer", "shared", rule));
                }
            }
        }
        Ok(())
    }

    /// The bind group of one launch for the images from `first_image` on, and its parameters with every tensor's start.
    fn bind_step(
        &self,
        launch: &Launch,
        images: usize,
        first_image: usize,
        uniforms: &wgpu::Buffer,
        uniform_offset: u64,
    ) -> Result<(wgpu::BindGroup, Vec<u8>)> {
        let kernel = launch.dispatch.variant.kernel;
        let (spans, params) = self.placement().place(&launch.dispatch, images, first_image)?;
        let uniform = wgpu::BufferBinding {
            buffer: uniforms,
            offset: uniform_offset,
            size: wgpu::BufferSize::new(params.bytes().len() as u64),
        };
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(uniform) }];
        for ((spec, span), binding) in kernel.bindings.iter().zip(&spans).zip(1..) {
            let resource = wgpu::BindingResource::Buffer(self.resource(span, spec.access)?);
            entries.push(wgpu::BindGroupEntry { binding, resource });
        }
        let bind_group = self.plan.context.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.stem),
            layout: &launch.pipeline.layout,
            entries: &entries,
        });
        Ok((bind_group, params.bytes().to_vec()))
    }

    fn placement(&self) -> Placement<'_> {
        let alignment = self.plan.context.capabilities().storage_alignment;
        Placement { geometry: &self.plan.geometry, options: &self.plan.options, alignment }
    }

    /// The caller's bytes behind a binding.
    fn resource(&self, span: &Span, access: Access) -> Result<wgpu::BufferBinding<'_>> {
        let range = match span.memory {
            Memory::Tensor(name) => self.bindings.tensors.get(&name).copied(),
            Memory::Workspace => self.bindings.workspace,
            Memory::Packed => self.bindings.packed,
            Memory::Unused => Some(Range { buffer: self.plan.context.unused(access), offset: 0 }),
        };
        // Presence was checked.
        let Range { buffer, offset } = range.ok_or_else(|| Error::Device("a buffer is missing".into()))?;
        let size = wgpu::BufferSize::new(span.bytes);
        Ok(wgpu::BufferBinding { buffer, offset: offset + span.offset, size })
    }
}
