//! The explorer: a plain and a deformable layer with the same weights over one image.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use wgconv::bench::Expected;
use wgconv::gpu::{Gpu, Outputs, Plan};
use wgconv::{Conv, DeformConv2d, Error, Geometry, Gradient, Inputs, Options, Problem, Result, Storage, TensorName};

use wgconv_web_numbers::field::{self, Field, Grid};
use wgconv_web_numbers::kernel::{self, Preset};

/// Channels of an image.
const CHANNELS: usize = 3;

/// What is to be seen.
#[derive(Debug, Clone, Deserialize)]
pub struct Scene {
    /// Rows and columns of the image.
    size: [usize; 2],
    kernel: usize,
    dilation: usize,
    stride: usize,
    groups: usize,
    preset: Preset,
    seed: u32,
    field: Field,
    strength: f64,
    /// Offsets of the taps that every position adds: dragged by hand, or learned.
    shared: Vec<[f32; 2]>,
    /// The output position that is looked at.
    at: [usize; 2],
    lower: Loss,
}

/// What the arrows lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Loss {
    /// The output: it becomes darker.
    Brightness,
    /// Its opposite: it becomes brighter.
    Darkness,
    /// Half the squared distance to what the layer that learns is to imitate.
    Distance,
}

impl Scene {
    /// Checks what would make indices run away; the library checks the rest.
    fn grid(&self, image: &[f32]) -> Result<Grid> {
        let wrong = |field: &str, value: String, rule: &str| Err(Error::invalid(field, value, rule.to_string()));
        let within = |value: usize, most: usize| (1..=most).contains(&value);
        if !self.size.iter().all(|&extent| within(extent, 1024)) {
            return wrong("size", format!("{:?}", self.size), "1 to 1024 rows and columns");
        }
        if image.len() != CHANNELS * self.size[0] * self.size[1] {
            return wrong("image", format!("{} numbers", image.len()), "three planes of the size");
        }
        if ![3, 5, 7].contains(&self.kernel) {
            return wrong("kernel", self.kernel.to_string(), "3, 5 or 7");
        }
        if !within(self.dilation, 16) || !within(self.stride, 16) {
            return wrong("dilation, stride", format!("{}, {}", self.dilation, self.stride), "1 to 16");
        }
        if ![1, CHANNELS].contains(&self.groups) {
            return wrong("groups", self.groups.to_string(), "1 or 3");
        }
        if !(0.0..=1.0).contains(&self.strength) {
            return wrong("strength", self.strength.to_string(), "0 to 1");
        }
        let Scene { size: input, kernel, dilation, stride, .. } = *self;
        let grid = Grid { input, kernel, dilation, stride };
        let output = grid.output();
        if self.at[0] >= output[0] || self.at[1] >= output[1] {
            return wrong("at", format!("{:?}", self.at), &format!("a position of the {output:?} of the output"));
        }
        Ok(grid)
    }

    fn plain(&self, grid: &Grid) -> Problem {
        Conv::new(1, CHANNELS, self.size, CHANNELS, [self.kernel; 2])
            .padding(grid.padding())
            .dilation(self.dilation)
            .stride(self.stride)
            .groups(self.groups)
            .into()
    }

    fn deformable(&self, grid: &Grid) -> Problem {
        DeformConv2d::new(1, CHANNELS, self.size, CHANNELS, [self.kernel; 2])
            .padding(grid.padding())
            .dilation(self.dilation)
            .stride(self.stride)
            .groups(self.groups)
            .into()
    }

    fn weight(&self) -> Vec<f32> {
        kernel::weight(self.preset, self.kernel, self.groups, self.seed)
    }
}

/// The layers of a scene with their data.
struct Layers {
    grid: Grid,
    plain: Problem,
    deformable: Problem,
    /// The deformable layer at the position that is looked at: it has no other, and its offsets lead there.
    spot: Problem,
    inputs: Inputs,
}

/// The tensors that a problem reads.
fn inputs_of(problem: &Problem, from: &Inputs, grad_output: Option<&[f32]>) -> Result<Inputs> {
    let mut inputs = Inputs::new();
    for spec in Geometry::new(problem)?.tensors() {
        let data = match spec.name {
            TensorName::GradOutput => grad_output,
            name => from.get(&name).map(Vec::as_slice),
        };
        inputs.extend(data.map(|data| (spec.name, data.to_vec())));
    }
    Ok(inputs)
}

async fn run(gpu: &Gpu, problem: &Problem, from: &Inputs, grad_output: Option<&[f32]>) -> Result<Outputs> {
    gpu.run_async(problem, &Options::default(), &inputs_of(problem, from, grad_output)?).await
}

impl Layers {
    fn new(scene: &Scene, image: Vec<f32>) -> Result<Layers> {
        let grid = scene.grid(&image)?;
        let offset = field::offsets(&grid, scene.field, scene.strength, &image, &scene.shared);
        let inputs = BTreeMap::from([
            (TensorName::Input, image),
            (TensorName::Weight, scene.weight()),
            (TensorName::Offset, offset),
        ]);
        let spot = DeformConv2d::new(1, CHANNELS, scene.size, CHANNELS, [scene.kernel; 2])
            .padding(grid.padding())
            .dilation(scene.dilation)
            .stride(scene.size)
            .groups(scene.groups)
            .into();
        Ok(Layers { grid, plain: scene.plain(&grid), deformable: scene.deformable(&grid), spot, inputs })
    }

    /// What a layer computes whose taps are those that learning aims at.
    async fn target(&self, gpu: &Gpu, strength: f64) -> Result<Vec<f32>> {
        let aims: Vec<[f32; 2]> =
            self.grid.taps().map(|tap| field::target(&self.grid, tap, strength).map(|v| v as f32)).collect();
        let offset = field::offsets(&self.grid, Field::None, 0.0, &[], &aims);
        let inputs = Inputs::from([(TensorName::Offset, offset)]);
        Ok(run(gpu, &self.deformable, &self.with(inputs), None).await?.output)
    }

    /// The data with some of it replaced.
    fn with(&self, other: Inputs) -> Inputs {
        self.inputs.clone().into_iter().chain(other).collect()
    }

    /// The data of `spot`, with the offset that `of` says of each tap.
    fn at_spot(&self, scene: &Scene, of: impl Fn(usize, [usize; 2]) -> [f32; 2]) -> Inputs {
        let there = scene.at.map(|v| (v * scene.stride) as f32);
        let offsets = self.grid.taps().enumerate().flat_map(|(i, tap)| {
            let offset = of(i, tap);
            [0, 1].map(|axis| there[axis] + offset[axis])
        });
        self.with(Inputs::from([(TensorName::Offset, offsets.collect())]))
    }

    /// The gradient of the loss with respect to the offsets of the position that is looked at.
    async fn arrows(&self, gpu: &Gpu, scene: &Scene, output: &[f32]) -> Result<Arrows> {
        let [rows, columns] = self.grid.output();
        let (plane, at) = (rows * columns, scene.at[0] * columns + scene.at[1]);
        let upstream = match scene.lower {
            Loss::Brightness => vec![1.0; CHANNELS],
            Loss::Darkness => vec![-1.0; CHANNELS],
            Loss::Distance => {
                let aims =
                    self.at_spot(scene, |_, tap| field::target(&self.grid, tap, scene.strength).map(|v| v as f32));
                let target = run(gpu, &self.spot, &aims, None).await?.output;
                target.iter().enumerate().map(|(channel, target)| output[channel * plane + at] - target).collect()
            }
        };
        let offset = &self.inputs[&TensorName::Offset];
        let inputs = self.at_spot(scene, |tap, _| [0, 1].map(|axis| offset[(2 * tap + axis) * plane + at]));
        let problem = backward_of(&self.spot);
        let inputs = inputs_of(&problem, &inputs, Some(&upstream))?;
        let outputs = gpu.run_async(&problem, &Options::default(), &inputs).await?;
        Ok(Arrows { problem, inputs, outputs })
    }
}

fn backward_of(problem: &Problem) -> Problem {
    Gradient::new(problem.clone(), [TensorName::Offset]).into()
}

/// A gradient with what it was computed from.
struct Arrows {
    problem: Problem,
    inputs: Inputs,
    outputs: Outputs,
}

/// Results for the page.
#[wasm_bindgen]
pub struct View {
    output: [usize; 2],
    plain: Vec<f32>,
    deformed: Vec<f32>,
    offset: Vec<f32>,
    arrows: Vec<f32>,
    aims: Vec<f32>,
    weight: Vec<f32>,
    algorithms: [String; 3],
}

#[wasm_bindgen]
impl View {
    /// Rows and columns of the outputs.
    #[wasm_bindgen(getter)]
    pub fn output(&self) -> Vec<u32> {
        self.output.map(|extent| extent as u32).to_vec()
    }

    /// Output of the plain layer, three planes.
    #[wasm_bindgen(getter)]
    pub fn plain(&self) -> Vec<f32> {
        self.plain.clone()
    }

    /// Of the deformable one.
    #[wasm_bindgen(getter)]
    pub fn deformed(&self) -> Vec<f32> {
        self.deformed.clone()
    }

    /// The offsets, as the library takes them.
    #[wasm_bindgen(getter)]
    pub fn offset(&self) -> Vec<f32> {
        self.offset.clone()
    }

    /// -grad_offset (y, x) of every tap of the position that is looked at.
    #[wasm_bindgen(getter)]
    pub fn arrows(&self) -> Vec<f32> {
        self.arrows.clone()
    }

    /// The offsets (y, x) of the taps that learning aims at.
    #[wasm_bindgen(getter)]
    pub fn aims(&self) -> Vec<f32> {
        self.aims.clone()
    }

    /// The weights.
    #[wasm_bindgen(getter)]
    pub fn weight(&self) -> Vec<f32> {
        self.weight.clone()
    }

    /// Algorithms of the plain layer, of the deformable one, of its gradient.
    #[wasm_bindgen(getter)]
    pub fn algorithms(&self) -> Vec<String> {
        self.algorithms.to_vec()
    }
}

struct Computed {
    layers: Layers,
    plain: Outputs,
    deformed: Outputs,
    arrows: Arrows,
}

async fn compute(gpu: &Gpu, scene: &Scene, image: Vec<f32>) -> Result<Computed> {
    let layers = Layers::new(scene, image)?;
    let plain = run(gpu, &layers.plain, &layers.inputs, None).await?;
    let deformed = run(gpu, &layers.deformable, &layers.inputs, None).await?;
    let arrows = layers.arrows(gpu, scene, &deformed.output).await?;
    Ok(Computed { layers, plain, deformed, arrows })
}

/// Both layers and the gradient.
pub async fn view(gpu: &Gpu, scene: &Scene, image: Vec<f32>) -> Result<View> {
    let Computed { mut layers, plain, deformed, arrows } = compute(gpu, scene, image).await?;
    let grid = layers.grid;
    let gradient = &arrows.outputs.gradients[&TensorName::GradOffset];
    let aims = grid.taps().flat_map(|tap| field::target(&grid, tap, scene.strength).map(|v| v as f32)).collect();
    let mut take = |name| layers.inputs.remove(&name).unwrap_or_default();
    Ok(View {
        output: grid.output(),
        arrows: gradient.iter().map(|v| -v).collect(),
        aims,
        offset: take(TensorName::Offset),
        weight: take(TensorName::Weight),
        algorithms: [&plain, &deformed, &arrows.outputs].map(|outputs| outputs.algorithm.name().to_string()),
        plain: plain.output,
        deformed: deformed.output,
    })
}

/// Largest errors over their bounds: up to 1 is right.
#[derive(Debug, Serialize)]
pub struct Compared {
    plain: f64,
    deformable: f64,
    grad_offset: f64,
    elements: usize,
}

/// The same by the reference.
pub async fn compare(gpu: &Gpu, scene: &Scene, image: Vec<f32>) -> Result<Compared> {
    let Computed { layers, plain, deformed, arrows } = compute(gpu, scene, image).await?;
    let worst = |problem: &Problem, inputs: &Inputs, outputs: &Outputs| -> Result<f64> {
        Ok(Expected::of(problem, inputs, Storage::F32)?.worst_error(outputs))
    };
    Ok(Compared {
        plain: worst(&layers.plain, &layers.inputs, &plain)?,
        deformable: worst(&layers.deformable, &layers.inputs, &deformed)?,
        grad_offset: worst(&arrows.problem, &arrows.inputs, &arrows.outputs)?,
        elements: plain.output.len() + deformed.output.len() + arrows.outputs.gradients[&TensorName::GradOffset].len(),
    })
}

/// Gradient descent on one offset for each tap, shared by all positions, towards the output of a layer whose grid is
/// turned and stretched.
#[wasm_bindgen]
pub struct Learner {
    gpu: Rc<Gpu>,
    layers: Layers,
    forward: Plan,
    backward: Plan,
    target: Vec<f32>,
    shared: Vec<[f32; 2]>,
    /// Adam's moments (D. Kingma and J. Ba 2015), and how many steps they saw.
    moments: Vec<[[f64; 2]; 2]>,
    steps: i32,
}

/// Pixels of the first step; the last ones are small, so that taps come to rest.
const RATE: f64 = 0.15;
/// Steps until then.
const STEPS: f64 = 120.0;

impl Learner {
    pub async fn new(gpu: Rc<Gpu>, scene: Scene, image: Vec<f32>) -> Result<Learner> {
        // It starts from the regular grid.
        let layers = Layers::new(&Scene { field: Field::Learned, shared: Vec::new(), ..scene.clone() }, image)?;
        let target = layers.target(&gpu, scene.strength).await?;
        let options = Options::default();
        let forward = Plan::new_async(gpu.context(), &layers.deformable, &options).await?;
        let backward = Plan::new_async(gpu.context(), &backward_of(&layers.deformable), &options).await?;
        let taps = scene.kernel * scene.kernel;
        let (shared, moments) = (vec![[0.0; 2]; taps], vec![[[0.0; 2]; 2]; taps]);
        Ok(Learner { gpu, layers, forward, backward, target, shared, moments, steps: 0 })
    }

    async fn descend(&mut self) -> Result<f64> {
        let offset = field::offsets(&self.layers.grid, Field::Learned, 0.0, &[], &self.shared);
        self.layers.inputs.insert(TensorName::Offset, offset);
        let inputs = inputs_of(&self.layers.deformable, &self.layers.inputs, None)?;
        let output = self.gpu.run_plan_async(&self.forward, &inputs).await?.output;
        let upstream: Vec<f32> = output.iter().zip(&self.target).map(|(output, target)| output - target).collect();
        let loss = upstream.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / upstream.len() as f64;
        let inputs = inputs_of(&backward_of(&self.layers.deformable), &self.layers.inputs, Some(&upstream))?;
        let backward = self.gpu.run_plan_async(&self.backward, &inputs).await?;
        let gradient = &backward.gradients[&TensorName::GradOffset];
        let [rows, columns] = self.layers.grid.output();
        let share = (f64::from(self.steps) / STEPS).min(0.99);
        let rate = RATE * 0.5 * (1.0 + (share * std::f64::consts::PI).cos());
        self.steps += 1;
        for (i, plane) in gradient.chunks(rows * columns).enumerate() {
            let (tap, axis) = (i / 2, i % 2);
            let gradient: f64 = plane.iter().map(|&v| f64::from(v)).sum();
            let [mean, square] = &mut self.moments[tap];
            mean[axis] = 0.9 * mean[axis] + 0.1 * gradient;
            square[axis] = 0.99 * square[axis] + 0.01 * gradient * gradient;
            let mean = mean[axis] / (1.0 - 0.9_f64.powi(self.steps));
            let square = square[axis] / (1.0 - 0.99_f64.powi(self.steps));
            // A tap without weight has no gradient and stays.
            self.shared[tap][axis] -= (rate * mean / (square.sqrt() + 1e-12)) as f32;
        }
        Ok(loss)
    }
}

#[wasm_bindgen]
impl Learner {
    /// A step down. The mean squared distance before it.
    pub async fn step(&mut self) -> std::result::Result<f64, JsError> {
        self.descend().await.map_err(crate::to_js)
    }

    /// The offsets (y, x) of the taps.
    #[wasm_bindgen(getter)]
    pub fn shared(&self) -> Vec<f32> {
        self.shared.concat()
    }
}
