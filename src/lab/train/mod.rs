//! Two small networks learn the same task on the GPU, through this library's kernels alone: forward, backward, loss and
//! Adam. One has a deformable convolution in the middle, the other a plain one of the same cost.
//!
//! The task needs geometry. Every image shows a bent body of random place, rotation, scale and bend, with a bright or a
//! dark spot at one end, its head. Every pixel of the body is to be told which of the two the head is. A pixel far from
//! the head has to look along the body, and where that leads differs from pixel to pixel: a fixed kernel cannot follow.

mod network;
mod scene;
mod sheet;

use fastrand::Rng;

pub use network::Kind;
use network::Network;
pub use scene::{Scene, scene};
pub use sheet::{Curves, FramePicture, Sheet};

use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::reference::bilinear;

/// What to train.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Config {
    /// Of everything random: the same seed on the same device yields the same bits.
    pub seed: u64,
    /// Steps of Adam.
    pub steps: usize,
    /// Images of a step.
    pub batch: usize,
    /// Height and width of the images.
    pub extent: usize,
    /// Adam's rate; falls to a tenth along a cosine.
    pub rate: f32,
    /// Batches of images that are kept aside for judging.
    pub validation: usize,
    /// Steps between two judgements, and between two frames.
    pub every: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config { seed: 1, steps: 400, batch: 16, extent: 28, rate: 5e-3, validation: 8, every: 50 }
    }
}

/// Loss and accuracy over the pixels of the body.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Score {
    /// Mean logistic loss, in nats.
    pub loss: f32,
    /// Share of pixels that were told right.
    pub accuracy: f32,
}

/// Where the middle layer samples for some pixels, at one moment of the training.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Frame {
    /// Steps taken.
    pub step: usize,
    /// For each of [`Outcome::probes`], nine points (row, column).
    pub points: Vec<[[f32; 2]; 9]>,
    /// What each point adds to the logit of its pixel.
    pub votes: Vec<[f32; 9]>,
}

/// A pixel that is watched.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Probe {
    /// Index among [`Outcome::scenes`].
    pub scene: usize,
    /// Row and column.
    pub pixel: [usize; 2],
}

/// What one network went through.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct History {
    /// Which.
    pub kind: Kind,
    /// Multiply-adds of a forward pass of one image.
    pub macs: u64,
    /// Learned values.
    pub parameters: usize,
    /// Of each step, on its own batch.
    pub training: Vec<Score>,
    /// On the images kept aside: steps taken, score.
    pub validation: Vec<(usize, Score)>,
    /// Logits of the watched scenes at the end, row-major.
    pub logits: Vec<Vec<f32>>,
    /// Of the deformable network.
    pub frames: Vec<Frame>,
}

impl History {
    /// The last judgement.
    pub fn last(&self) -> Score {
        self.validation.last().map_or(Score { loss: f32::NAN, accuracy: f32::NAN }, |&(_, score)| score)
    }
}

/// A whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What was asked for.
    pub config: Config,
    /// The images that are watched: the first ones kept aside.
    pub scenes: Vec<Scene>,
    /// The pixels that are watched.
    pub probes: Vec<Probe>,
    /// The network with the plain convolution.
    pub plain: History,
    /// The network with the deformable convolution.
    pub deformable: History,
}

/// Where the training is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Which network.
    pub kind: Kind,
    /// Steps taken.
    pub step: usize,
    /// The last judgement.
    pub score: Score,
}

/// Scenes that are watched.
const WATCHED: usize = 4;

fn check(config: &Config) -> Result<()> {
    let at_least = |field: &str, value: usize, least: usize| {
        let rule = format!("it must be at least {least}");
        if value < least { Err(Error::invalid(field, value, rule)) } else { Ok(()) }
    };
    at_least("steps", config.steps, 1)?;
    at_least("batch", config.batch, WATCHED)?;
    at_least("extent", config.extent, 24)?;
    at_least("validation", config.validation, 1)?;
    at_least("every", config.every, 1)?;
    if config.extent > 128 {
        return Err(Error::invalid("extent", config.extent, "it must be at most 128"));
    }
    if config.batch > 1024 || config.validation > 1024 || config.steps > 1_000_000 {
        let value = format!("batch {}, validation {}, steps {}", config.batch, config.validation, config.steps);
        return Err(Error::invalid("size", value, "at most 1024 images, 1024 batches, 1000000 steps"));
    }
    if !(config.rate.is_finite() && config.rate > 0.0) {
        return Err(Error::invalid("rate", config.rate, "it must be positive and finite"));
    }
    Ok(())
}

/// Images as the network reads them.
struct Batch {
    images: Vec<f32>,
    /// Label and weight of every pixel; the weights add up to one.
    labels: Vec<[f32; 2]>,
}

impl Batch {
    fn of(scenes: &[Scene]) -> Self {
        let body = scenes.iter().flat_map(|scene| &scene.body).filter(|&&on| on).count().max(1) as f32;
        let label = |scene: &Scene, on: bool| [f32::from(u8::from(scene.label)), if on { 1.0 / body } else { 0.0 }];
        Batch {
            images: scenes.iter().flat_map(|scene| scene.image.iter().copied()).collect(),
            labels: scenes.iter().flat_map(|s| s.body.iter().map(|&on| label(s, on)).collect::<Vec<_>>()).collect(),
        }
    }
}

/// Trains both networks on the same images in the same order. `progress` is called at every judgement; when it returns
/// false, the training stops there and what is finished is returned.
pub fn train(gpu: &Gpu, config: &Config, mut progress: impl FnMut(Progress) -> bool) -> Result<Outcome> {
    check(config)?;
    let mut rng = Rng::with_seed(config.seed);
    let aside: Vec<Scene> = (0..config.validation * config.batch).map(|_| scene(&mut rng, config.extent)).collect();
    // Bright and dark heads by turns.
    let mut aside = aside;
    for place in 0..WATCHED {
        let wanted = place % 2 == 0;
        if let Some(found) = (place..aside.len()).find(|&i| aside[i].label == wanted) {
            aside.swap(place, found);
        }
    }
    let scenes = aside[..WATCHED].to_vec();
    // Near the head, in the middle, at the tail.
    let probe = |scene: usize, along: usize| {
        let line: &Scene = &scenes[scene];
        Probe { scene, pixel: line.line[along].map(|v| v.round() as usize) }
    };
    let probes: Vec<Probe> = (0..WATCHED).flat_map(|s| [4, 12, 22].map(|along| probe(s, along))).collect();
    let aside: Vec<Batch> = aside.chunks(config.batch).map(Batch::of).collect();
    let seeds = [rng.u64(..), rng.u64(..)];
    let mut run = |kind| one(gpu, kind, config, &aside, &probes, seeds, &mut progress);
    let deformable = run(Kind::Deformable)?;
    let plain = run(Kind::Plain)?;
    Ok(Outcome { config: config.clone(), scenes, probes, plain, deformable })
}

fn one(
    gpu: &Gpu,
    kind: Kind,
    config: &Config,
    aside: &[Batch],
    probes: &[Probe],
    [image_seed, weight_seed]: [u64; 2],
    progress: &mut impl FnMut(Progress) -> bool,
) -> Result<History> {
    let judgements = config.steps.div_ceil(config.every) + 1;
    let slots = config.steps + judgements * aside.len();
    let network = Network::new(gpu, kind, config.batch, config.extent, slots, weight_seed)?;
    let mut parameters = 0;
    for name in network.parameters() {
        parameters += network.read(name)?.len();
    }
    let mut history = History {
        kind,
        macs: network::macs(kind, config.extent)?,
        parameters,
        training: Vec::new(),
        validation: Vec::new(),
        logits: Vec::new(),
        frames: Vec::new(),
    };
    let mut rng = Rng::with_seed(image_seed);
    let mut steps = 0;
    loop {
        // The first batch comes last: its activations stay for the frame.
        for (i, batch) in aside.iter().enumerate().rev() {
            network.evaluate(&batch.images, &batch.labels, config.steps + i);
        }
        let sums = network.read("sums")?;
        let mean = |which: usize| {
            let judged = (0..aside.len()).map(|i| sums[2 * (config.steps + i) + which]);
            judged.sum::<f32>() / aside.len() as f32
        };
        let score = Score { loss: mean(0), accuracy: mean(1) };
        history.validation.push((steps, score));
        if kind == Kind::Deformable {
            history.frames.push(frame(steps, &network, probes, config.extent)?);
        }
        let go_on = progress(Progress { kind, step: steps, score });
        if steps == config.steps || !go_on {
            break;
        }
        for _ in 0..config.every.min(config.steps - steps) {
            let scenes: Vec<Scene> = (0..config.batch).map(|_| scene(&mut rng, config.extent)).collect();
            let batch = Batch::of(&scenes);
            let along = steps as f32 / config.steps as f32;
            let rate = config.rate * (0.55 + 0.45 * (std::f32::consts::PI * along).cos());
            steps += 1;
            network.step(&batch.images, &batch.labels, steps, rate, steps - 1);
        }
    }
    let sums = network.read("sums")?;
    history.training = (0..steps).map(|i| Score { loss: sums[2 * i], accuracy: sums[2 * i + 1] }).collect();
    let plane = config.extent * config.extent;
    history.logits = network.read("head.output")?.chunks(plane).take(WATCHED).map(<[f32]>::to_vec).collect();
    Ok(history)
}

/// Where the middle layer samples for the watched pixels of the batch that was evaluated last, and to what effect.
fn frame(step: usize, network: &Network<'_>, probes: &[Probe], extent: usize) -> Result<Frame> {
    let plane = extent * extent;
    let [offsets, features, weight] =
        [network.read("offset.output")?, network.read("second.output")?, network.read("middle.weight")?];
    let [middle, head] = [network.read("middle.output")?, network.read("head.weight")?];
    let (c_out, c_in) = (head.len(), weight.len() / (9 * head.len()));
    let point = |probe: &Probe, tap: usize| {
        let [row, column] = probe.pixel;
        let at = |axis: usize| offsets[(probe.scene * 18 + 2 * tap + axis) * plane + row * extent + column];
        let grid = |index: usize, centre: usize| centre as f32 + network::DILATION as f32 * (index as f32 - 1.0);
        [grid(tap / 3, row) + at(0), grid(tap % 3, column) + at(1)]
    };
    // The logit is a sum over the middle's channels, those that a relu stops left out, and each of these over the taps.
    let vote = |probe: &Probe, tap: usize| {
        let [y, x] = point(probe, tap).map(f64::from);
        let sample = |ci: usize| {
            let first = (probe.scene * c_in + ci) * plane;
            bilinear(&features[first..first + plane], extent, extent, y, x)
        };
        let samples: Vec<f64> = (0..c_in).map(sample).collect();
        let [row, column] = probe.pixel;
        let alive = |co: &usize| middle[(probe.scene * c_out + co) * plane + row * extent + column] > 0.0;
        let channel = |co: usize| -> f64 {
            let product = |(ci, sample): (usize, &f64)| f64::from(weight[(co * c_in + ci) * 9 + tap]) * sample;
            f64::from(head[co]) * samples.iter().enumerate().map(product).sum::<f64>()
        };
        (0..c_out).filter(alive).map(channel).sum::<f64>() as f32
    };
    Ok(Frame {
        step,
        points: probes.iter().map(|probe| std::array::from_fn(|tap| point(probe, tap))).collect(),
        votes: probes.iter().map(|probe| std::array::from_fn(|tap| vote(probe, tap))).collect(),
    })
}
