//! A network of this library's plans, with its loss and its optimiser, on one device.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::error::Result;
use crate::geometry::Geometry;
use crate::gpu::shaders;
use crate::gpu::{Bindings, Bound, Gpu, Plan};
use crate::options::Options;
use crate::problem::{Activation, Conv, DeformConv2d, Gradient, Problem};
use crate::tensor::TensorName;

/// Channels of the two layers before the one that is compared.
const WIDTHS: [usize; 2] = [8, 16];
/// Channels that the deformable layer yields.
const DEFORM_WIDTH: usize = 16;
/// Distance of the taps of the layer that is compared.
pub(super) const DILATION: usize = 3;
const TAPS: usize = 9;

/// Which layer is in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Kind {
    /// A convolution with as many channels as the other's cost pays for.
    Plain,
    /// A deformable convolution whose offsets another convolution predicts from the same input.
    Deformable,
}

/// A learned tensor with what its step of Adam needs.
struct Parameter {
    name: String,
    uniform: wgpu::Buffer,
    len: usize,
    group: wgpu::BindGroup,
}

/// A network with everything that a step of training needs, bound once and recorded again and again.
pub(super) struct Network<'a> {
    gpu: &'a Gpu,
    pixels: usize,
    tensors: BTreeMap<String, wgpu::Buffer>,
    loss_uniform: wgpu::Buffer,
    forward: Vec<Bound>,
    backward: Vec<Bound>,
    loss: (wgpu::ComputePipeline, wgpu::BindGroup),
    adam: wgpu::ComputePipeline,
    parameters: Vec<Parameter>,
}

/// Uniform of `shaders/lab/adam.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct AdamParams {
    n: u32,
    rate: f32,
    b1: f32,
    b2: f32,
    c1: f32,
    c2: f32,
    epsilon: f32,
    reserved: u32,
}

/// Uniform of `shaders/lab/logistic_loss.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct LossParams {
    n: u32,
    slot: u32,
    reserved: [u32; 2],
}

/// The problems of a network for some images: `(name, layer)` in order.
pub(super) fn layers(kind: Kind, batch: usize, extent: usize) -> Vec<(&'static str, Problem)> {
    let conv = |c_in, c_out| Conv::new(batch, c_in, [extent; 2], c_out, [3, 3]).padding(1).bias(true);
    let relu = |conv: Conv| Problem::from(conv.activation(Activation::Relu));
    let [first, second] = WIDTHS;
    let mut layers = vec![("first", relu(conv(1, first))), ("second", relu(conv(first, second)))];
    let width = match kind {
        Kind::Deformable => {
            let deform = DeformConv2d::new(batch, second, [extent; 2], DEFORM_WIDTH, [3, 3]).bias(true);
            let deform = deform.dilation(DILATION).padding(DILATION).activation(Activation::Relu);
            layers.push(("offset", conv(second, 2 * TAPS).into()));
            layers.push(("middle", deform.into()));
            DEFORM_WIDTH
        }
        Kind::Plain => {
            let width = plain_width(extent);
            layers.push(("middle", relu(conv(second, width).dilation(DILATION).padding(DILATION))));
            width
        }
    };
    layers.push(("head", Conv::new(batch, width, [extent; 2], 1, [1, 1]).bias(true).into()));
    layers
}

/// Multiply-adds of one image; sampling counts.
pub(super) fn macs(kind: Kind, extent: usize) -> Result<u64> {
    layers(kind, 1, extent).iter().try_fold(0, |sum, (_, problem)| {
        let geometry = Geometry::new(problem)?;
        Ok(sum + geometry.macs() + geometry.sampling_macs())
    })
}

/// The most channels that cost no more than the deformable network does, rounded up: the comparison favours the plain one.
fn plain_width(extent: usize) -> usize {
    let pixel = (extent * extent) as u64;
    let deformable = macs(Kind::Deformable, extent).unwrap_or(0) / pixel;
    let [first, second] = WIDTHS;
    let before = (TAPS * first + TAPS * first * second) as u64;
    (deformable - before).div_ceil((TAPS * second + 1) as u64) as usize
}

/// What a layer reads.
fn source(layer: &str) -> &'static str {
    match layer {
        "first" => "input",
        "second" => "first.output",
        "offset" | "middle" => "second.output",
        _ => "middle.output",
    }
}

/// The buffer that stands for a tensor of a layer.
fn buffer_name(layer: &str, tensor: TensorName) -> String {
    match tensor {
        TensorName::Input => source(layer).into(),
        TensorName::Offset => "offset.output".into(),
        TensorName::GradInput => format!("{}.grad", source(layer)),
        TensorName::GradOffset => "offset.output.grad".into(),
        TensorName::GradWeight => format!("{layer}.weight.grad"),
        TensorName::GradBias => format!("{layer}.bias.grad"),
        TensorName::GradOutput => format!("{layer}.output.grad"),
        other => format!("{layer}.{other}"),
    }
}

/// The backward pass of a layer. The offsets' branch reads what the layer in the middle reads, and adds to its gradient.
fn backward_of(layer: &str, problem: &Problem) -> Gradient {
    let mut gradient = Gradient::all(problem.clone());
    if layer == "first" {
        gradient.wanted.remove(&TensorName::Input);
    }
    gradient.beta(if layer == "offset" { 1.0 } else { 0.0 })
}

fn is_parameter(name: &str) -> bool {
    name.ends_with(".weight") || name.ends_with(".bias")
}

impl<'a> Network<'a> {
    /// Makes plans, buffers and initial parameters. `slots` is the number of losses that are kept.
    pub fn new(gpu: &'a Gpu, kind: Kind, batch: usize, extent: usize, slots: usize, seed: u64) -> Result<Self> {
        let pixels = batch * extent * extent;
        let mut plans = Vec::new();
        for (layer, problem) in layers(kind, batch, extent) {
            let forward = Plan::new(gpu.context(), &problem, &Options::default())?;
            let backward = Plan::new(gpu.context(), &backward_of(layer, &problem).into(), &Options::default())?;
            plans.push((layer, forward, backward));
        }

        let mut tensors = BTreeMap::new();
        let mut add = |name: String, len: usize| {
            tensors.entry(name).or_insert_with_key(|name| shaders::storage(gpu, name, 4 * len as u64));
        };
        for (layer, forward, backward) in &plans {
            for plan in [forward, backward] {
                plan.geometry().tensors().iter().for_each(|spec| add(buffer_name(layer, spec.name), spec.len()));
            }
        }
        add("labels".into(), 2 * pixels);
        add("sums".into(), 2 * slots);
        let workspace = plans.iter().flat_map(|(_, f, b)| [f.workspace_size(), b.workspace_size()]).max().unwrap_or(0);
        let workspace = shaders::storage(gpu, "workspace", workspace.max(4));

        let bind = |layer: &str, plan: &Plan| {
            let mut bindings = Bindings::new().workspace(&workspace);
            for spec in plan.geometry().tensors() {
                bindings = bindings.tensor(spec.name, &tensors[&buffer_name(layer, spec.name)]);
            }
            plan.bind(&bindings)
        };
        let forward = plans.iter().map(|(layer, plan, _)| bind(layer, plan)).collect::<Result<Vec<_>>>()?;
        let mut backward = Vec::new();
        // The middle first overwrites the gradient that the offsets' branch then adds to.
        for wanted in ["head", "middle", "offset", "second", "first"] {
            for (layer, _, plan) in plans.iter().filter(|(layer, ..)| *layer == wanted) {
                backward.push(bind(layer, plan)?);
            }
        }

        let adam = shaders::pipeline(gpu, "adam", include_str!("../../../shaders/lab/adam.wgsl"));
        let mut parameters = Vec::new();
        let mut rng = Rng::with_seed(seed);
        for (name, buffer) in tensors.iter().filter(|(name, _)| is_parameter(name)) {
            let len = buffer.size() as usize / 4;
            gpu.queue().write_buffer(buffer, 0, bytemuck::cast_slice(&initial(name, &plans, len, &mut rng)));
            let uniform = shaders::uniform(gpu, "parameters", size_of::<AdamParams>() as u64);
            let moments = shaders::storage(gpu, "moments", 8 * len as u64);
            let grad = &tensors[&format!("{name}.grad")];
            let group = shaders::bind(gpu, &adam, &[&uniform, grad, buffer, &moments]);
            parameters.push(Parameter { name: name.clone(), uniform, len, group });
        }
        let loss = shaders::pipeline(gpu, "logistic loss", include_str!("../../../shaders/lab/logistic_loss.wgsl"));
        let loss_uniform = shaders::uniform(gpu, "parameters", size_of::<LossParams>() as u64);
        let bound = ["head.output", "labels", "head.output.grad", "sums"].map(|name| &tensors[name]);
        let group = shaders::bind(gpu, &loss, &[&[&loss_uniform], &bound[..]].concat());
        let loss = (loss, group);
        Ok(Network { gpu, pixels, tensors, loss_uniform, forward, backward, loss, adam, parameters })
    }

    /// Uploads images and, for each pixel, its label and weight.
    fn upload(&self, images: &[f32], labels: &[[f32; 2]]) {
        self.gpu.queue().write_buffer(&self.tensors["input"], 0, bytemuck::cast_slice(images));
        self.gpu.queue().write_buffer(&self.tensors["labels"], 0, bytemuck::cast_slice(labels));
    }

    /// Computes the logits and stores loss and accuracy in a slot.
    pub fn evaluate(&self, images: &[f32], labels: &[[f32; 2]], slot: usize) {
        self.upload(images, labels);
        let mut encoder = self.encoder();
        self.forward.iter().for_each(|layer| layer.encode(&mut encoder));
        self.encode_loss(&mut encoder, slot);
        self.gpu.queue().submit([encoder.finish()]);
    }

    /// One step, number `step` from 1 on.
    pub fn step(&self, images: &[f32], labels: &[[f32; 2]], step: usize, rate: f32, slot: usize) {
        self.upload(images, labels);
        let (b1, b2) = (0.9_f32, 0.999_f32);
        for parameter in &self.parameters {
            let params = AdamParams {
                n: parameter.len as u32,
                rate,
                b1,
                b2,
                c1: 1.0 - b1.powi(step as i32),
                c2: 1.0 - b2.powi(step as i32),
                epsilon: 1e-8,
                reserved: 0,
            };
            self.gpu.queue().write_buffer(&parameter.uniform, 0, bytemuck::bytes_of(&params));
        }
        let mut encoder = self.encoder();
        self.forward.iter().for_each(|layer| layer.encode(&mut encoder));
        self.encode_loss(&mut encoder, slot);
        self.backward.iter().for_each(|layer| layer.encode(&mut encoder));
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.adam);
        for parameter in &self.parameters {
            pass.set_bind_group(0, &parameter.group, &[]);
            pass.dispatch_workgroups(parameter.len.div_ceil(64) as u32, 1, 1);
        }
        drop(pass);
        self.gpu.queue().submit([encoder.finish()]);
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    fn encode_loss(&self, encoder: &mut wgpu::CommandEncoder, slot: usize) {
        let params = LossParams { n: self.pixels as u32, slot: slot as u32, reserved: [0; 2] };
        self.gpu.queue().write_buffer(&self.loss_uniform, 0, bytemuck::bytes_of(&params));
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.loss.0);
        pass.set_bind_group(0, &self.loss.1, &[]);
        pass.dispatch_workgroups(1, 1, 1);
    }

    /// A tensor's contents; empty for one that this network lacks.
    pub fn read(&self, name: &str) -> Result<Vec<f32>> {
        match self.tensors.get(name) {
            Some(buffer) => Ok(bytemuck::cast_vec(self.gpu.read_back(buffer)?)),
            None => Ok(Vec::new()),
        }
    }

    /// Names of the learned tensors.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|parameter| parameter.name.as_str())
    }
}

/// He's initialisation (K. He et al. 2015, arXiv:1502.01852); offsets start at zero: the regular grid.
fn initial(name: &str, plans: &[(&str, Plan, Plan)], len: usize, rng: &mut Rng) -> Vec<f32> {
    let layer = name.split('.').next().unwrap_or_default();
    if name.ends_with(".bias") || layer == "offset" {
        return vec![0.0; len];
    }
    let fan_in = plans.iter().find(|(other, ..)| *other == layer).map_or(1, |(_, forward, _)| {
        forward.geometry().tensor(TensorName::Weight).map_or(1, |spec| spec.shape[1..].iter().product())
    });
    // Uniform with the variance 2 / fan_in.
    let reach = (6.0 / fan_in as f32).sqrt();
    (0..len).map(|_| reach * (2.0 * rng.f32() - 1.0)).collect()
}
