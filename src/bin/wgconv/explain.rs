//! `wgconv explain`: what a problem is, what it costs, and how it would be computed. Needs no adapter.

use clap::{ArgMatches, Args};
use wgconv::{
    Candidate, Capabilities, Choice, Conv, ConvTranspose, DeformConv2d, DeformCost, DepthwiseSeparable2d, Error,
    Geometry, LayerShape, Matrix, Options, PaddingMode, Problem, ReceptiveField, SeparableCost, Storage, TensorName,
    candidates, choose, convolution_matrix, deform_cost, overlap_counts, receptive_field, separable_cost,
};

use crate::backend::Numbers;
use crate::console::say_json;
use crate::failure::{Failure, Result};
use crate::subject::{Subject, SubjectArgs, devices};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv explain conv2d --input-shape 1,64,56,56 --c-out 128 --kernel-size 3 --padding 1 --bias
  wgconv explain conv2d --input-shape 1,64,56,56 --weight-shape 128,64,3,3 --stride 2 --json
  wgconv explain conv-transpose2d --input-shape 1,8,5,5 --c-out 4 --kernel-size 3 --stride 2
  wgconv explain conv1d --input-shape 1,1,5 --c-out 1 --kernel-size 3 --padding 1 --matrix
  wgconv explain conv2d --input-shape 1,3,224,224 --c-out 64 --kernel-size 3 --behind k7s2p3,k3s2p1
  wgconv explain --case cases/conv2d_basic --device auto
  wgconv explain --layer resnet50/conv1 --device gpu
  wgconv explain --problem problem.json

A layer is one that `wgconv bench --list` names; a problem is what --json prints under that name. Without --device the \
algorithms are those of a GPU and of a CPU adapter with the limits that WebGPU guarantees, and no adapter is opened. \
`--matrix` numbers the weights from 1 unless a case gives their values. `--behind` puts layers in front of this one, the \
one nearest to the input first: k and the kernel, then s and the stride, d and the dilation, p and the padding where they are \
not 1, 1 and 0.")]
pub struct ExplainArgs {
    #[command(flatten)]
    subject: SubjectArgs,
    /// Layers in front of this one, for the receptive field
    #[arg(long, value_name = "kKsSdDpP,...")]
    behind: Option<String>,
    /// Write the convolution out as a matrix
    #[arg(long)]
    matrix: bool,
    /// auto, a number or a part of a name; gpu or cpu for such a device with WebGPU's default limits
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    #[command(flatten)]
    numbers: Numbers,
    /// Print everything in JSON
    #[arg(long)]
    json: bool,
}

mod report;

/// Everything that is known about a problem.
struct Explanation {
    /// The operation's name.
    op: String,
    geometry: Geometry,
    storage: Storage,
    layers: Vec<LayerShape>,
    fields: Vec<ReceptiveField>,
    overlap: Option<Overlap>,
    deform: Option<DeformCost>,
    separable: Option<SeparableCost>,
    devices: Vec<Served>,
    matrix: Option<Matrix>,
}

/// How often the outputs of a transposed convolution are written.
struct Overlap {
    axes: Vec<Vec<usize>>,
    /// Kernel, stride and dilation of each axis.
    windows: Vec<[usize; 3]>,
    uniform: bool,
}

/// How a device would compute the problem.
struct Served {
    device: String,
    capabilities: Capabilities,
    candidates: Vec<Candidate>,
    choice: wgconv::Result<Choice>,
}

impl Served {
    fn new(geometry: &Geometry, device: String, capabilities: Capabilities, options: &Options) -> Served {
        let candidates = candidates(geometry, &capabilities, options);
        let choice = choose(geometry, &capabilities, options);
        Served { device, capabilities, candidates, choice }
    }
}

pub fn run(args: &ExplainArgs, matches: &ArgMatches) -> Result<()> {
    let Subject { op, geometry, weight } = args.subject.subject(matches)?;
    let devices = devices(args.device.as_deref())?;
    let layers = layers(&geometry);
    let front = args.behind.as_deref().map(parse_layers).transpose()?.unwrap_or_default();
    let field = |layer: &LayerShape| Ok(receptive_field(&[&front[..], &[*layer]].concat())?);
    let options = args.numbers.options();
    let explanation = Explanation {
        storage: args.numbers.storage,
        fields: layers.iter().map(field).collect::<Result<_>>()?,
        layers,
        overlap: overlap(geometry.problem()),
        deform: deformable_cost(geometry.problem()),
        separable: depthwise_cost(geometry.problem()),
        devices: devices.into_iter().map(|(name, of)| Served::new(&geometry, name, of, &options)).collect(),
        matrix: if args.matrix { Some(matrix(&geometry, weight)?) } else { None },
        op,
        geometry,
    };
    if args.json {
        say_json(&explanation.json());
    } else {
        explanation.say();
    }
    // What cannot be computed is explained all the same.
    let (served, refused): (Vec<_>, Vec<_>) =
        explanation.devices.into_iter().map(|served| served.choice).partition(|choice| choice.is_ok());
    match refused.into_iter().next() {
        Some(Err(error)) if served.is_empty() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Layers as [`LayerShape`] reads them, separated by commas.
fn parse_layers(text: &str) -> Result<Vec<LayerShape>> {
    let named = |error: Error| match error {
        Error::Invalid { value, rule, .. } => Failure::invalid(format!("--behind = {value}: {rule}")),
        error => error.into(),
    };
    let layer = |part: &str| part.trim().parse::<LayerShape>().map_err(named);
    text.split(',').map(layer).collect()
}

fn layers(geometry: &Geometry) -> Vec<LayerShape> {
    (0..3).filter_map(|axis| geometry.layer(axis)).collect()
}

fn overlap(problem: &Problem) -> Option<Overlap> {
    let Problem::ConvTranspose(p) = problem else { return None };
    // Too many positions to count leave this part out.
    let counts = overlap_counts(p).ok()?;
    let axes = (0..p.input.rank()).map(|axis| counts.axis(axis).to_vec()).collect();
    let windows = (0..p.input.rank()).map(|axis| [p.kernel[axis], p.stride[axis], p.dilation[axis]]).collect();
    Some(Overlap { axes, windows, uniform: counts.is_uniform() })
}

/// Of the problem itself, or of the modulated deformable variant of a plain convolution.
fn deformable_cost(problem: &Problem) -> Option<DeformCost> {
    let variant = match problem {
        Problem::DeformConv2d(p) => p.clone(),
        Problem::Conv(p) if p.input.rank() == 2 && p.padding_mode == PaddingMode::Zeros => DeformConv2d {
            batch: p.batch,
            c_in: p.c_in,
            input: p.input,
            c_out: p.c_out,
            kernel: p.kernel,
            stride: p.stride,
            padding: p.padding,
            dilation: p.dilation,
            groups: p.groups,
            offset_groups: 1,
            mask: true,
            epilogue: p.epilogue,
        },
        _ => return None,
    };
    deform_cost(&variant).ok()
}

/// Of the problem itself, or of the depthwise separable variant of a plain convolution with more than one tap.
fn depthwise_cost(problem: &Problem) -> Option<SeparableCost> {
    let variant = match problem {
        Problem::DepthwiseSeparable2d(p) => p.clone(),
        Problem::Conv(p) if p.input.rank() == 2 && p.groups == 1 && p.kernel.iter().any(|&k| k > 1) => {
            DepthwiseSeparable2d {
                batch: p.batch,
                c_in: p.c_in,
                input: p.input,
                multiplier: 1,
                c_out: p.c_out,
                kernel: p.kernel,
                stride: p.stride,
                padding: p.padding,
                dilation: p.dilation,
                padding_mode: p.padding_mode,
                epilogue: p.epilogue,
            }
        }
        _ => return None,
    };
    separable_cost(&variant).ok()
}

/// Most elements of a matrix that anybody would read.
const MOST_MATRIX: usize = 64 * 64;

/// The matrix of one image; weights that nobody gave are numbered from 1.
fn matrix(geometry: &Geometry, weight: Option<Vec<f32>>) -> Result<Matrix> {
    let op = geometry.problem().op_name();
    let (Some(window), Some(spec)) = (geometry.window(), geometry.tensor(TensorName::Weight)) else {
        return Err(Failure::unsupported(format!("--matrix is not supported: {op} has no single weight")));
    };
    let (rows, columns) = (window.c_out * window.output_len(), window.c_in * window.input_len());
    if rows.checked_mul(columns).is_none_or(|len| len > MOST_MATRIX) || spec.len() > MOST_MATRIX {
        let rule = format!("--matrix = {rows} x {columns}: it may have at most {MOST_MATRIX} elements");
        return Err(Failure::unsupported(rule));
    }
    let weight = weight.unwrap_or_else(|| (1..=spec.len()).map(|n| n as f32).collect());
    match geometry.problem() {
        Problem::Conv(p) => Ok(convolution_matrix(p, &weight)?),
        Problem::ConvTranspose(p) => Ok(convolution_matrix(&adjoint(p, geometry)?, &weight)?.transpose()),
        _ => Err(Failure::unsupported(format!("--matrix is not supported: {op} is no single convolution"))),
    }
}

/// The convolution whose matrix is the transpose.
fn adjoint(p: &ConvTranspose, geometry: &Geometry) -> Result<Conv> {
    let adjoint = Conv {
        batch: p.batch,
        c_in: p.c_out,
        input: wgconv::Axes::from_slice("output", &geometry.output_shape()[2..])?,
        c_out: p.c_in,
        kernel: p.kernel,
        stride: p.stride,
        padding: p.padding,
        dilation: p.dilation,
        groups: p.groups,
        padding_mode: PaddingMode::Zeros,
        flip_kernel: p.flip_kernel,
        epilogue: Default::default(),
    };
    if p.output_padding.iter().zip(p.stride.iter()).any(|(padding, stride)| padding >= stride) {
        let rule = "--matrix is not supported: output_padding reaches the stride, so no convolution is its adjoint";
        return Err(Failure::unsupported(rule));
    }
    Ok(adjoint)
}
