//! `wgconv explain`: what a problem is, what it costs, and how it would be computed. Needs no adapter.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args};
use wgconv::{
    Candidate, Capabilities, Choice, Conv, ConvTranspose, DeformConv2d, DeformCost, DepthwiseSeparable2d, Geometry,
    LayerShape, Matrix, Options, PaddingMode, Problem, ReceptiveField, SeparableCost, Storage, TensorName, candidates,
    choose, convolution_matrix, deform_cost, overlap_counts, receptive_field, separable_cost,
};

use crate::attributes::{ATTRIBUTES, Attributes};
use crate::backend::{self, Backend, Numbers, Wanted};
use crate::bench;
use crate::case::Case;
use crate::console::say_json;
use crate::failure::{Failure, Result};
use crate::files;
use crate::operate;
use crate::operation::{Kind, Op};
use crate::request::{Request, Shapes};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv explain conv2d --input-shape 1,64,56,56 --c-out 128 --kernel-size 3 --padding 1 --bias
  wgconv explain conv2d --input-shape 1,64,56,56 --weight-shape 128,64,3,3 --stride 2 --json
  wgconv explain conv-transpose2d --input-shape 1,8,5,5 --c-out 4 --kernel-size 3 --stride 2
  wgconv explain conv1d --input-shape 1,1,5 --c-out 1 --kernel-size 3 --padding 1 --matrix
  wgconv explain conv2d --input-shape 1,3,224,224 --c-out 64 --kernel-size 3 --behind 7s2p3,3s2p1
  wgconv explain --case cases/conv2d_basic --device auto
  wgconv explain --layer resnet50/conv1 --device gpu
  wgconv explain --problem problem.json

A layer is one that `wgconv bench --list` names; a problem is what --json prints under that name. Without --device the \
algorithms are those of a GPU and of a CPU adapter with the limits that WebGPU guarantees, and no adapter is opened. \
`--matrix` numbers the weights from 1 unless a case gives their values. `--behind` puts layers in front of this one: \
kernel, then s for the stride, d for the dilation, p for the padding.")]
pub struct ExplainArgs {
    /// Operation: a subcommand's name; or else one of --case, --layer and --problem
    op: Option<String>,
    /// Take the problem from a case folder
    #[arg(long, value_name = "DIR", conflicts_with_all = DESCRIPTION, conflicts_with_all = ["layer", "problem"])]
    case: Option<PathBuf>,
    /// Take the problem from a layer of the built-in benchmarks
    #[arg(long, value_name = "SUITE/NAME", conflicts_with_all = DESCRIPTION, conflicts_with = "problem")]
    layer: Option<String>,
    /// Take the problem from JSON, or from a file with it
    #[arg(long, value_name = "JSON|FILE", conflicts_with_all = DESCRIPTION)]
    problem: Option<String>,
    /// Extents of the input
    #[arg(long, value_name = "N,C,H,W")]
    input_shape: Option<String>,
    /// Extents of the weight
    #[arg(long, value_name = "O,I,KH,KW", conflicts_with = "c_out")]
    weight_shape: Option<String>,
    /// Output channels, instead of the weight's extents, with --kernel-size
    #[arg(long, value_name = "N")]
    c_out: Option<usize>,
    /// Depthwise outputs per channel of depthwise-separable-conv2d
    #[arg(long, value_name = "N", default_value = "1")]
    multiplier: usize,
    /// With a bias
    #[arg(long)]
    bias: bool,
    /// With a residual
    #[arg(long)]
    residual: bool,
    /// With a mask
    #[arg(long)]
    mask: bool,
    /// With the positions of the maxima
    #[arg(long)]
    indices: bool,
    /// Layers in front of this one, for the receptive field
    #[arg(long, value_name = "KsSdDpP,...")]
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

/// The arguments that describe a problem one by one, apart from its attributes.
const DESCRIPTION: [&str; 9] =
    ["op", "input_shape", "weight_shape", "c_out", "multiplier", "bias", "residual", "mask", "indices"];

/// All attributes: which ones an operation has is found out later.
pub fn arguments(command: clap::Command) -> clap::Command {
    let names: Vec<&str> = ATTRIBUTES.iter().map(|attribute| attribute.name).collect();
    command.args(operate::attribute_args(&names))
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
    let (op, geometry, weight) = subject(args, matches)?;
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

/// What is to be explained: the operation's name, its geometry, and the weights of a case.
fn subject(args: &ExplainArgs, matches: &ArgMatches) -> Result<(String, Geometry, Option<Vec<f32>>)> {
    if args.op.is_none()
        && let Some(attribute) = ATTRIBUTES.iter().find(|attribute| matches.contains_id(attribute.name))
    {
        let name = attribute.name.replace('_', "-");
        return Err(Failure::invalid(format!("--{name}: the problem is given whole, with its attributes")));
    }
    let whole = |geometry: Geometry| (geometry.problem().op_name(), geometry, None);
    if let Some(folder) = &args.case {
        let task = Case::load(folder)?.task().map_err(|failure| failure.of(folder.display()))?;
        Ok((task.op.name(), task.checked.geometry, task.inputs.get(&TensorName::Weight).cloned()))
    } else if let Some(name) = &args.layer {
        Ok(whole(bench::layer(name)?))
    } else if let Some(text) = &args.problem {
        Ok(whole(Geometry::new(&parse_problem(text)?)?))
    } else if args.op.is_some() {
        let (op, geometry) = request(args, matches)?;
        Ok((op.name(), geometry, None))
    } else {
        Err(Failure::invalid("a problem is missing: give an operation, --case, --layer or --problem"))
    }
}

/// A problem as the library serialises it, in the argument itself or in a file.
fn parse_problem(text: &str) -> Result<Problem> {
    let parsed = if text.trim_start().starts_with('{') {
        serde_json::from_str(text)
    } else {
        serde_json::from_slice(&files::read(Path::new(text))?)
    };
    parsed.map_err(|error| Failure::invalid(format!("--problem: {error}")))
}

/// The problem that the arguments describe.
fn request(args: &ExplainArgs, matches: &ArgMatches) -> Result<(Op, Geometry)> {
    let name = args.op.as_deref().unwrap_or_default();
    let op = Op::parse(name).ok_or_else(|| {
        let known: Vec<String> = Op::all().map(Op::command).collect();
        Failure::invalid(format!("op = {name:?}: it must be one of {}", known.join(", ")))
    })?;
    let makes_weight = op.required().len() > 1 && args.weight_shape.is_none();
    let all: Vec<&str> = ATTRIBUTES.iter().map(|attribute| attribute.name).collect();
    for name in &all {
        let given = matches.get_one::<String>(name).is_some();
        let known = op.attributes().contains(name) || (*name == "kernel_size" && makes_weight);
        if given && !known {
            return Err(Failure::invalid(format!("--{}: {} has no such attribute", name.replace('_', "-"), op.name())));
        }
    }
    let attributes = operate::attributes(matches, &all)?;
    let input = args.input_shape.as_deref().ok_or_else(|| Failure::invalid("--input-shape: it is missing"))?;
    let mut shapes = Shapes::from([(TensorName::Input, Some(parse_shape("--input-shape", input)?))]);
    if let Some(weight) = &args.weight_shape {
        if op.required().get(1) != Some(&TensorName::Weight) {
            let rule = format!("--weight-shape: {} has no single weight; give --c-out and --kernel-size", op.name());
            return Err(Failure::invalid(rule));
        }
        shapes.insert(TensorName::Weight, Some(parse_shape("--weight-shape", weight)?));
    }
    if op.kind == Kind::DeformConv {
        shapes.insert(TensorName::Offset, None);
    }
    for (wanted, tensor) in
        [(args.bias, TensorName::Bias), (args.residual, TensorName::Residual), (args.mask, TensorName::Mask)]
    {
        if wanted {
            shapes.insert(tensor, None);
        }
    }
    if makes_weight {
        add_weights(op, &attributes, args, &mut shapes)?;
    }
    let request = Request { op, attributes: &attributes, shapes: &shapes, indices: args.indices };
    Ok((op, request.check()?.geometry))
}

fn parse_shape(name: &str, text: &str) -> Result<Vec<usize>> {
    let extent = |part: &str| part.trim().parse::<usize>();
    let shape = text.split(',').map(extent).collect::<std::result::Result<_, _>>();
    shape.map_err(|_| Failure::invalid(format!("{name} = {text:?}: it must be whole numbers separated by commas")))
}

/// Shapes of the weights that a number of output channels and a kernel ask for.
fn add_weights(op: Op, attributes: &Attributes, args: &ExplainArgs, shapes: &mut Shapes) -> Result<()> {
    let kernel = attributes.kernel_size.as_ref();
    let kernel = kernel.ok_or_else(|| Failure::invalid("--kernel-size: it is missing, and so is --weight-shape"))?;
    let kernel = kernel.axes("kernel_size", op.rank)?;
    let input = shapes.get(&TensorName::Input).cloned().flatten().unwrap_or_default();
    // A wrong number of axes is for the check to name.
    let channels = input.len().checked_sub(op.rank + 1).map_or(1, |axis| input[axis]);
    if op.kind == Kind::SpatialSeparable {
        if args.c_out.is_some() {
            return Err(Failure::invalid(format!("--c-out: {} has as many outputs as channels", op.name())));
        }
        shapes.insert(TensorName::WeightV, Some(vec![channels, kernel[0]]));
        shapes.insert(TensorName::WeightH, Some(vec![channels, kernel[1]]));
        return Ok(());
    }
    let c_out = args.c_out.ok_or_else(|| Failure::invalid("--c-out: it is missing, and so is --weight-shape"))?;
    let groups = attributes.groups.unwrap_or(1);
    let per_group = |n: usize| n.checked_div(groups).unwrap_or(n);
    let with = |lead: &[usize]| Some([lead, &kernel].concat());
    match op.kind {
        Kind::ConvTranspose => {
            if c_out.checked_rem(groups).is_some_and(|rest| rest != 0) {
                return Err(Failure::invalid(format!("groups = {groups}: it must divide c_out = {c_out}")));
            }
            shapes.insert(TensorName::Weight, with(&[channels, per_group(c_out)]));
        }
        Kind::LocallyConnected => {
            // A convolution with the same window has the same output positions.
            let conv = Op { kind: Kind::Conv, rank: 2 };
            let weight = with(&[c_out, per_group(channels)]);
            let shapes_of_conv = Shapes::from([(TensorName::Input, Some(input)), (TensorName::Weight, weight)]);
            let conv = Request { op: conv, attributes, shapes: &shapes_of_conv, indices: false }.check()?;
            let positions = &conv.geometry.output_shape()[2..];
            shapes.insert(TensorName::Weight, with(&[positions, &[c_out, per_group(channels)]].concat()));
        }
        Kind::DepthwiseSeparable => {
            let middle = channels.saturating_mul(args.multiplier);
            shapes.insert(TensorName::WeightDw, with(&[middle, 1]));
            shapes.insert(TensorName::WeightPw, Some(vec![c_out, middle, 1, 1]));
        }
        _ => {
            shapes.insert(TensorName::Weight, with(&[c_out, per_group(channels)]));
        }
    }
    Ok(())
}

/// `7s2d1p3,3`: kernels with their strides, dilations and paddings.
fn parse_layers(text: &str) -> Result<Vec<LayerShape>> {
    let layer = |part: &str| {
        let wrong = || {
            let rule = "it must be a kernel, then s, d or p with a number, as in 7s2p3";
            Failure::invalid(format!("--behind = {part:?}: {rule}"))
        };
        let mut layer = LayerShape::new(0);
        let mut field: Option<char> = None;
        let mut rest = part.trim();
        while !rest.is_empty() || field.is_none() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let value: usize = rest[..digits].parse().map_err(|_| wrong())?;
            layer = match field {
                None => LayerShape { kernel: value, ..layer },
                Some('s') => layer.stride(value),
                Some('d') => layer.dilation(value),
                Some('p') => layer.padding(value),
                Some(_) => return Err(wrong()),
            };
            let mut after = rest[digits..].chars();
            field = Some(after.next().unwrap_or(' '));
            rest = after.as_str();
            if rest.is_empty() && field != Some(' ') {
                return Err(wrong());
            }
        }
        Ok(layer)
    };
    text.split(',').map(layer).collect()
}

/// What to choose algorithms for: both classes where no device is named.
fn devices(name: Option<&str>) -> Result<Vec<(String, Capabilities)>> {
    let gpu = || ("a GPU with WebGPU's default limits".to_string(), Capabilities::gpu());
    let cpu = || ("a CPU adapter with WebGPU's default limits".to_string(), Capabilities::cpu());
    let wanted = match name {
        None => return Ok(vec![gpu(), cpu()]),
        Some("gpu") => return Ok(vec![gpu()]),
        Some("cpu") => return Ok(vec![cpu()]),
        Some(name) => name.parse().unwrap_or(Wanted::Auto),
    };
    if matches!(wanted, Wanted::Reference | Wanted::All) {
        let name = name.unwrap_or_default();
        return Err(Failure::invalid(format!("--device = {name}: it must be auto, gpu, cpu or one adapter")));
    }
    let described = |device: &Backend| match device {
        Backend::Adapter(adapter) => Some((adapter.gpu.description(), *adapter.gpu.capabilities())),
        Backend::Reference => None,
    };
    Ok(backend::open_all(&wanted)?.iter().filter_map(described).collect())
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
