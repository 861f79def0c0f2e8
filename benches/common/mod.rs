//! What the benchmarks use: layers of known networks, and buffers for their tensors.
#![allow(dead_code, reason = "each benchmark uses its part")]

use std::collections::BTreeMap;

use wgconv::gpu::{Bindings, Bound, Gpu, Plan, Select};
use wgconv::{Access, Conv, ConvTranspose, DeformConv2d, Geometry, Gradient, Inputs, Pool, Problem, TensorName};

/// One layer of each family that a software rasteriser runs in milliseconds, its backward pass behind it.
pub fn layers() -> Vec<(String, Problem)> {
    let forward: [(&str, Problem); 8] = [
        ("conv2d 3x3 resnet50 c4", Conv::new(1, 256, [14, 14], 256, [3, 3]).padding(1).into()),
        ("conv2d 1x1 resnet50 c5", Conv::new(1, 1024, [7, 7], 512, [1, 1]).into()),
        ("conv2d stem mobilenetv2", Conv::new(1, 3, [224, 224], 32, [3, 3]).stride(2).padding(1).bias(true).into()),
        ("conv2d depthwise mobilenetv2", Conv::new(1, 144, [56, 56], 144, [3, 3]).groups(144).padding(1).into()),
        ("conv2d dilated aspp", Conv::new(1, 64, [33, 33], 64, [3, 3]).dilation(6).padding(6).into()),
        ("conv_transpose2d dcgan", ConvTranspose::new(1, 256, [16, 16], 128, [4, 4]).stride(2).padding(1).into()),
        ("deform_conv2d dcnv2 c5", DeformConv2d::new(1, 64, [28, 28], 64, [3, 3]).padding(1).mask(true).into()),
        ("max_pool2d resnet50", Pool::max(1, 64, [112, 112], [3, 3]).stride(2).padding(1).into()),
    ];
    let mut layers = Vec::new();
    for (name, problem) in forward {
        layers.push((name.to_string(), problem.clone()));
        layers.push((format!("{name} backward"), Gradient::all(problem).into()));
    }
    layers
}

/// The adapter that `WGCONV_ADAPTER` picks, or the most capable one.
pub fn open() -> Gpu {
    match Gpu::open(&Select::Auto) {
        Ok(gpu) => gpu,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(4);
        }
    }
}

/// Made-up values between -1 and 1, the same in every run.
pub fn data(problem: &Problem) -> Inputs {
    let geometry = Geometry::new(problem).expect("layers are valid");
    let mut random = fastrand::Rng::with_seed(3);
    let read = geometry.tensors().iter().filter(|spec| spec.access != Access::Write);
    read.map(|spec| (spec.name, (0..spec.len()).map(|_| 2.0 * random.f32() - 1.0).collect())).collect()
}

/// A plan with buffers of its own, filled with [`data`].
pub struct Prepared {
    pub plan: Plan,
    buffers: BTreeMap<TensorName, wgpu::Buffer>,
    workspace: Option<wgpu::Buffer>,
}

impl Prepared {
    pub fn new(gpu: &Gpu, problem: &Problem) -> wgconv::Result<Prepared> {
        let plan = Plan::new(gpu.context(), problem, &wgconv::Options::default())?;
        let data = data(problem);
        let buffer = |size: u64| {
            gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let mut buffers = BTreeMap::new();
        for spec in plan.geometry().tensors() {
            let tensor = buffer(spec.bytes(wgconv::Storage::F32));
            if let Some(values) = data.get(&spec.name) {
                gpu.queue().write_buffer(&tensor, 0, bytemuck::cast_slice(values));
            }
            buffers.insert(spec.name, tensor);
        }
        let workspace = (plan.workspace_size() > 0).then(|| buffer(plan.workspace_size()));
        Ok(Prepared { plan, buffers, workspace })
    }

    pub fn bind(&self) -> wgconv::Result<Bound> {
        let tensors = self.buffers.iter();
        let bindings = tensors.fold(Bindings::new(), |bindings, (&name, buffer)| bindings.tensor(name, buffer));
        self.plan.bind(&match &self.workspace {
            Some(workspace) => bindings.workspace(workspace),
            None => bindings,
        })
    }
}
