//! These kernels, through the interface that an application uses: a plan, buffers, one compute pass.

use std::collections::BTreeMap;
use std::time::Instant;

use half::f16;
use wgconv::bench::{Clock, ClockKind, Stopwatch};
use wgconv::gpu::{Bindings, Bound, Gpu, Plan, Select};
use wgconv::{Access, Accuracy, Inputs, Options, Storage, TensorName};

use super::{Prepared, Runner, ms_since};
use crate::args::Ours;
use crate::data;
use crate::error::{Error, Result};
use crate::protocol::{Case, Pass, Peer, Precision};

pub struct Wgconv {
    gpu: Gpu,
    /// Of every plan, but for packing.
    options: Options,
    loaded: Option<Loaded>,
}

/// Plans with their buffers, in the order of execution.
struct Loaded {
    bound: Vec<Bound>,
    buffers: BTreeMap<TensorName, wgpu::Buffer>,
    case: Case,
}

impl Wgconv {
    pub fn open(ours: &Ours) -> Result<Wgconv> {
        let Ours { algorithm, accuracy, storage, tile } = *ours;
        let options = Options { algorithm, accuracy, storage, tile, ..Options::default() };
        Ok(Wgconv { gpu: Gpu::open(&Select::Auto)?, options, loaded: None })
    }

    fn loaded(&self) -> Result<&Loaded> {
        self.loaded.as_ref().ok_or_else(|| Error::Device("no case is prepared".into()))
    }

    fn wait(&self) -> Result<()> {
        let wait = wgpu::PollType::wait_indefinitely();
        self.gpu.device().poll(wait).map_err(|error| Error::Device(error.to_string()))?;
        Ok(())
    }

    fn buffer(&self, name: &str, bytes: u64) -> wgpu::Buffer {
        self.gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some(name),
            size: bytes.max(4),
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        })
    }

    fn load(&self, case: Case, plans: &[Plan], inputs: &Inputs) -> Result<Loaded> {
        let mut buffers = BTreeMap::new();
        for spec in plans.iter().flat_map(|plan| plan.geometry().tensors()) {
            // A backward plan reads what the forward plan read.
            if buffers.contains_key(&spec.name) {
                continue;
            }
            let buffer = self.buffer(spec.name.as_str(), spec.bytes(self.options.storage));
            if spec.access != Access::Write {
                let data = inputs.get(&spec.name).map_or(&[][..], Vec::as_slice);
                match self.options.storage {
                    Storage::F16 => {
                        let mut halves: Vec<f16> = data.iter().copied().map(f16::from_f32).collect();
                        halves.resize(halves.len().next_multiple_of(2), f16::ZERO);
                        self.gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(&halves));
                    }
                    Storage::F32 => self.gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(data)),
                }
            }
            buffers.insert(spec.name, buffer);
        }
        let workspace = plans.iter().map(Plan::workspace_size).max().unwrap_or(0);
        let workspace = (workspace > 0).then(|| self.buffer("workspace", workspace));
        let bind = |plan: &Plan| {
            let packed = (plan.packed_size() > 0).then(|| self.buffer("packed weights", plan.packed_size()));
            let tensors = plan.geometry().tensors().iter();
            let mut bindings =
                tensors.fold(Bindings::new(), |bindings, spec| bindings.tensor(spec.name, &buffers[&spec.name]));
            if let Some(workspace) = &workspace {
                bindings = bindings.workspace(workspace);
            }
            if let Some(packed) = &packed {
                bindings = bindings.packed(packed);
            }
            Ok(plan.bind(&bindings)?)
        };
        let bound = plans.iter().map(bind).collect::<Result<Vec<Bound>>>()?;
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.iter().for_each(|bound| bound.encode_packing(&mut encoder));
        self.gpu.queue().submit([encoder.finish()]);
        Ok(Loaded { bound, buffers, case })
    }
}

impl Runner for Wgconv {
    fn hello(&self) -> Peer {
        let info = self.gpu.info();
        Peer {
            version: env!("CARGO_PKG_VERSION").into(),
            device: info.name.clone(),
            driver: format!("{} {}", info.driver, info.driver_info),
            precision: match (self.options.storage, self.options.accuracy) {
                (Storage::F32, Accuracy::Half) => Precision::Tf32,
                (Storage::F32, _) => Precision::F32,
                (Storage::F16, _) => Precision::F16,
            },
            timed: "recording N executions into one compute pass, submission, completion; of a forward pass alone the weights \
                    are packed before"
                .into(),
        }
    }

    fn prepare(&mut self, case: Case) -> Result<Prepared> {
        let mut problems = vec![case.problem.clone()];
        if case.pass == Pass::ForwardBackward {
            problems.push(data::backward(&case.problem));
        }
        // A backward pass has other weights next time.
        let options = Options { pack_weights: case.pass == Pass::Forward, ..self.options.clone() };
        let mut plans = Vec::new();
        for problem in &problems {
            match Plan::new(self.gpu.context(), problem, &options) {
                Ok(plan) => plans.push(plan),
                Err(error) if error.kind() == wgconv::ErrorKind::Unsupported => {
                    return Ok(Prepared::Unsupported(error.to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let read = |(&name, file)| Ok((name, data::read(file)?));
        let inputs = case.inputs.iter().map(read).collect::<Result<Inputs>>()?;
        let how: Vec<&str> = plans.iter().map(|plan| plan.choice().algorithm.name()).collect();
        self.loaded = Some(self.load(case, &plans, &inputs)?);
        Ok(Prepared::Ready(Some(how.join(", "))))
    }

    fn run(&mut self) -> Result<Vec<(TensorName, Vec<f32>)>> {
        self.batch(1)?;
        let loaded = self.loaded()?;
        let mut outputs = Vec::new();
        for &name in loaded.case.outputs.keys() {
            let (Some(buffer), Some(file)) = (loaded.buffers.get(&name), loaded.case.outputs.get(&name)) else {
                continue;
            };
            let words = self.gpu.read_back(buffer)?;
            let values: Vec<f32> = match self.options.storage {
                Storage::F16 => bytemuck::cast_slice::<u32, f16>(&words).iter().copied().map(f16::to_f32).collect(),
                Storage::F32 => bytemuck::cast_vec(words),
            };
            let len = file.shape.iter().product();
            outputs.push((name, values.into_iter().take(len).collect()));
        }
        Ok(outputs)
    }

    fn batch(&mut self, repeats: usize) -> Result<f64> {
        let loaded = self.loaded()?;
        self.wait()?;
        let start = Instant::now();
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for _ in 0..repeats {
            for bound in &loaded.bound {
                bound.encode_in_pass(&mut pass);
            }
        }
        drop(pass);
        self.gpu.queue().submit([encoder.finish()]);
        self.wait()?;
        Ok(ms_since(start))
    }

    fn device_batch(&mut self, repeats: usize) -> Result<Option<f64>> {
        let loaded = self.loaded()?;
        let stopwatch = Stopwatch::new(&self.gpu, Clock::Auto);
        if stopwatch.kind() != ClockKind::Timestamp {
            return Ok(None);
        }
        let ms = stopwatch.time(|pass| {
            for _ in 0..repeats {
                for bound in &loaded.bound {
                    bound.encode_in_pass(pass);
                }
            }
        })?;
        Ok(Some(ms))
    }

    fn forget(&mut self) {
        self.loaded = None;
    }
}
