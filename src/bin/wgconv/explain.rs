//! `wgconv explain`: what a problem is, what it costs, and how it would be computed. Needs no adapter.

use std::path::PathBuf;

use clap::{ArgMatches, Args};
use wgconv::gpu::{Gpu, Select};
use wgconv::{
    Candidate, Capabilities, Choice, Conv, ConvTranspose, DeformConv2d, DeformCost, DepthwiseSeparable2d, Geometry,
    LayerShape, Matrix, Options, PaddingMode, Problem, ReceptiveField, SeparableCost, TensorName, candidates, choose,
    convolution_matrix, deform_cost, overlap_counts, receptive_field, separable_cost,
};

use crate::attributes::{ATTRIBUTES, Attributes};
use crate::backend::{Adapter, Wanted};
use crate::case::Case;
use crate::console::say_json;
use crate::failure::{Failure, Result};
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
  wgconv explain --case cases/conv2d_basic --device cpu

`--matrix` numbers the weights from 1 unless a case gives their values. `--behind` puts layers in front of this one: \
kernel, then s for the stride, d for the dilation, p for the padding.")]
pub struct ExplainArgs {
    /// Operation: a subcommand's name
    #[arg(required_unless_present = "case")]
    op: Option<String>,
    /// Take the problem from a case folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["op", "input_shape", "weight_shape", "c_out"])]
    case: Option<PathBuf>,
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
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: String,
    /// Print everything in JSON
    #[arg(long)]
    json: bool,
}

/// All attributes: which ones an operation has is found out later.
pub fn arguments(command: clap::Command) -> clap::Command {
    let names: Vec<&str> = ATTRIBUTES.iter().map(|attribute| attribute.name).collect();
    command.args(operate::attribute_args(&names))
}

mod report;

/// Everything that is known about a problem.
struct Explanation {
    op: Op,
    geometry: Geometry,
    layers: Vec<LayerShape>,
    fields: Vec<ReceptiveField>,
    overlap: Option<Overlap>,
    deform: Option<DeformCost>,
    separable: Option<SeparableCost>,
    device: String,
    capabilities: Capabilities,
    candidates: Vec<Candidate>,
    choice: wgconv::Result<Choice>,
    matrix: Option<Matrix>,
}

/// How often the outputs of a transposed convolution are written.
struct Overlap {
    axes: Vec<Vec<usize>>,
    uniform: bool,
}

pub fn run(args: &ExplainArgs, matches: &ArgMatches) -> Result<()> {
    let (op, geometry, weight) = match &args.case {
        Some(folder) => {
            let task = Case::load(folder)?.task().map_err(|failure| failure.of(folder.display()))?;
            (task.op, task.checked.geometry, task.inputs.get(&TensorName::Weight).cloned())
        }
        None => {
            let (op, geometry) = request(args, matches)?;
            (op, geometry, None)
        }
    };
    let (device, capabilities) = device(&args.device)?;
    let options = Options::default();
    let layers = layers(&geometry);
    let front = args.behind.as_deref().map(parse_layers).transpose()?.unwrap_or_default();
    let field = |layer: &LayerShape| Ok(receptive_field(&[&front[..], &[*layer]].concat())?);
    let explanation = Explanation {
        fields: layers.iter().map(field).collect::<Result<_>>()?,
        layers,
        overlap: overlap(geometry.problem()),
        deform: deformable_cost(geometry.problem()),
        separable: depthwise_cost(geometry.problem()),
        candidates: candidates(&geometry, &capabilities, &options),
        choice: choose(&geometry, &capabilities, &options),
        matrix: if args.matrix { Some(matrix(&geometry, weight)?) } else { None },
        op,
        geometry,
        device,
        capabilities,
    };
    if args.json {
        say_json(&explanation.json());
    } else {
        explanation.say();
    }
    // What cannot be computed is explained all the same.
    explanation.choice.map(|_| ()).map_err(Failure::from)
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

/// What to choose algorithms for.
fn device(name: &str) -> Result<(String, Capabilities)> {
    let parsed: Wanted = match name {
        "gpu" => return Ok(("a GPU with WebGPU's default limits".into(), Capabilities::gpu())),
        "cpu" => return Ok(("a CPU adapter with WebGPU's default limits".into(), Capabilities::cpu())),
        _ => name.parse().unwrap_or(Wanted::Auto),
    };
    let opened = match &parsed {
        Wanted::Auto => Adapter::open(&Select::Auto),
        Wanted::One(select) => Adapter::open(select),
        Wanted::Reference | Wanted::All => {
            return Err(Failure::invalid(format!("--device = {name}: it must be auto, gpu, cpu or one adapter")));
        }
    };
    match opened {
        Ok(adapter) => Ok((adapter.gpu.description(), *adapter.gpu.capabilities())),
        Err(_) if parsed == Wanted::Auto && Gpu::adapters().is_empty() => {
            Ok(("a GPU with WebGPU's default limits, for there is no adapter here".into(), Capabilities::gpu()))
        }
        Err(failure) => Err(failure),
    }
}

fn layers(geometry: &Geometry) -> Vec<LayerShape> {
    (0..3).filter_map(|axis| geometry.layer(axis)).collect()
}

fn overlap(problem: &Problem) -> Option<Overlap> {
    let Problem::ConvTranspose(p) = problem else { return None };
    // Too many positions to count leave this part out.
    let counts = overlap_counts(p).ok()?;
    let axes = (0..p.input.rank()).map(|axis| counts.axis(axis).to_vec()).collect();
    Some(Overlap { axes, uniform: counts.is_uniform() })
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
