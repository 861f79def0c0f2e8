//! The device of wgpu 29, and a run on it: what `wgconv::gpu::Gpu` does on wgpu 30.

use half::f16;
use host::Host;
use wgconv::program::{BufferRange, Buffers, Program};
use wgconv::{Access, Capabilities, ElementType, Error, Inputs, Result, Storage, TensorName, TensorSpec};
use wgpu::BufferUsages;

/// A device with its queue.
pub struct Older {
    /// Name, backend and driver.
    pub description: String,
    /// What it offers.
    pub capabilities: Capabilities,
    device: wgpu::Device,
    queue: wgpu::Queue,
    host: Host,
}

impl Older {
    /// Opens the adapter of this name, backend and driver.
    pub fn open(name: &str, backend: &str, driver: &str) -> Result<Older> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        let same = |adapter: &wgpu::Adapter| {
            let info = adapter.get_info();
            info.name == name && info.backend.to_str() == backend && info.driver_info == driver
        };
        let missing = || Error::Device(format!("wgpu 29 does not see {name} ({backend}, {driver})"));
        let adapter = adapters.into_iter().find(same).ok_or_else(missing)?;
        let descriptor = wgpu::DeviceDescriptor {
            required_features: host::features(&adapter),
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let opened = pollster::block_on(adapter.request_device(&descriptor));
        let (device, queue) = opened.map_err(|error| Error::Device(error.to_string()))?;
        let capabilities = host::capabilities(&device);
        let host = Host::new(&device, capabilities);
        Ok(Older { description: format!("{name} ({backend}, {driver})"), capabilities, device, queue, host })
    }

    /// Uploads what is read, packs the weights, runs once, and reads back what is written: integers, or the bits of f32.
    pub fn run(&self, program: &Program, inputs: &Inputs) -> Result<Vec<(TensorName, Vec<u32>)>> {
        let range = |label: &str, size| {
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
            let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
            BufferRange { id: self.device.create_buffer(&descriptor), offset: 0, size }
        };
        let mut buffers = Buffers::default();
        for spec in program.geometry.tensors() {
            let range = range(spec.name.as_str(), program.tensor_bytes(spec));
            if spec.access != Access::Write {
                let values = inputs.get(&spec.name).map_or(&[][..], Vec::as_slice);
                self.queue.write_buffer(&range.id, 0, bytemuck::cast_slice(&words(program, spec, values)));
            }
            buffers.tensors.insert(spec.name, range);
        }
        buffers.workspace = (program.workspace_bytes > 0).then(|| range("workspace", program.workspace_bytes));
        buffers.packed = (program.packed_bytes > 0).then(|| range("packed weights", program.packed_bytes));
        let bound = self.host.bind(program, &buffers)?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        host::record(&bound.packing, &mut encoder);
        host::record(&bound.steps, &mut encoder);
        self.queue.submit([encoder.finish()]);
        let written = program.geometry.tensors().iter().filter(|spec| spec.access != Access::Read);
        let read_back = |spec: &TensorSpec| {
            let words = self.host.read_back(&self.queue, &buffers.tensors[&spec.name].id)?;
            Ok((spec.name, values(program, spec, &words)))
        };
        written.map(read_back).collect()
    }
}

/// A contiguous tensor as its buffer holds it.
fn words(program: &Program, spec: &TensorSpec, values: &[f32]) -> Vec<u32> {
    let mut words = vec![u32::MAX; program.tensor_bytes(spec) as usize / 4];
    let layout = program.options.layout_of(spec);
    match program.options.storage {
        Storage::F32 => layout.scatter(&spec.shape, values, bytemuck::cast_slice_mut(&mut words)),
        Storage::F16 => {
            let halves: Vec<f16> = values.iter().copied().map(f16::from_f32).collect();
            layout.scatter(&spec.shape, &halves, bytemuck::cast_slice_mut(&mut words));
        }
    }
    words
}

/// What a buffer holds, contiguous.
fn values(program: &Program, spec: &TensorSpec, words: &[u32]) -> Vec<u32> {
    let layout = program.options.layout_of(spec);
    if spec.element == ElementType::Real && program.options.storage == Storage::F16 {
        let halves: Vec<f16> = layout.gather(&spec.shape, bytemuck::cast_slice(words));
        return halves.into_iter().map(|half| half.to_f32().to_bits()).collect();
    }
    layout.gather(&spec.shape, words)
}
