//! What a command is about: a problem that the arguments describe, or that a case, a layer or a file holds, and the
//! device that it is looked at for.

use std::path::{Path, PathBuf};

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgMatches, Args};
use wgconv::{Capabilities, Geometry, Problem, TensorName};

use crate::attributes::{ATTRIBUTES, Attributes};
use crate::backend::{self, Backend, Wanted};
use crate::bench;
use crate::case::Case;
use crate::document::{self, did_you_mean};
use crate::failure::{Failure, Result};
use crate::files;
use crate::operate;
use crate::operation::{Kind, Op};
use crate::request::{Request, Shapes};

#[derive(Debug, Args)]
pub struct SubjectArgs {
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
    #[arg(value_parser = NonEmptyStringValueParser::new())]
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
}

/// The arguments that describe a problem one by one, apart from its attributes.
pub const DESCRIPTION: [&str; 9] =
    ["op", "input_shape", "weight_shape", "c_out", "multiplier", "bias", "residual", "mask", "indices"];

/// All attributes: which ones an operation has is found out later.
pub fn arguments(command: clap::Command) -> clap::Command {
    let names: Vec<&str> = ATTRIBUTES.iter().map(|attribute| attribute.name).collect();
    command.args(operate::attribute_args(&names))
}

/// A problem and what is known of it.
pub struct Subject {
    /// The operation's name.
    pub op: String,
    pub geometry: Geometry,
    /// The weights of a case.
    pub weight: Option<Vec<f32>>,
}

impl SubjectArgs {
    /// Refuses attributes where no operation takes them.
    pub fn refuse_attributes(&self, matches: &ArgMatches) -> Result<()> {
        if self.op.is_none()
            && let Some(attribute) = ATTRIBUTES.iter().find(|attribute| matches.contains_id(attribute.name))
        {
            let name = attribute.name.replace('_', "-");
            return Err(Failure::invalid(format!("--{name}: the problem is given whole, with its attributes")));
        }
        Ok(())
    }

    /// The problem.
    pub fn subject(&self, matches: &ArgMatches) -> Result<Subject> {
        self.refuse_attributes(matches)?;
        let whole = |geometry: Geometry| Subject { op: geometry.problem().op_name(), geometry, weight: None };
        if let Some(folder) = &self.case {
            let task = Case::load(folder)?.task().map_err(|error| Failure::from(error).of(folder.display()))?;
            let weight = task.inputs.get(&TensorName::Weight).cloned();
            Ok(Subject { op: task.op.name(), geometry: task.checked.geometry, weight })
        } else if let Some(name) = &self.layer {
            Ok(whole(bench::layer(name)?))
        } else if let Some(text) = &self.problem {
            Ok(whole(Geometry::new(&parse_problem(text)?)?))
        } else if self.op.is_some() {
            let (op, geometry) = request(self, matches)?;
            Ok(Subject { op: op.name(), geometry, weight: None })
        } else {
            Err(Failure::invalid("a problem is missing: give an operation, --case, --layer or --problem"))
        }
    }
}

/// A problem as the library serialises it, in the argument itself or in a file.
fn parse_problem(text: &str) -> Result<Problem> {
    let given = |rule: String| Failure::invalid(rule).of("--problem");
    if text.trim_start().starts_with('{') {
        return document::parse(text.as_bytes()).map_err(given);
    }
    document::parse(&files::read(Path::new(text))?).map_err(|rule| given(format!("{text}: {rule}")))
}

/// The problem that the arguments describe.
fn request(args: &SubjectArgs, matches: &ArgMatches) -> Result<(Op, Geometry)> {
    let name = args.op.as_deref().unwrap_or_default();
    let op = Op::parse(name).ok_or_else(|| {
        let known: Vec<String> = Op::all().map(Op::command).collect();
        let hint = did_you_mean(name, known.iter().map(String::as_str));
        Failure::invalid(format!("op = {name:?}: it must be one of {}{hint}", known.join(", ")))
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
fn add_weights(op: Op, attributes: &Attributes, args: &SubjectArgs, shapes: &mut Shapes) -> Result<()> {
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

/// What to choose algorithms for: both classes where no device is named.
pub fn devices(name: Option<&str>) -> Result<Vec<(String, Capabilities)>> {
    let gpu = || ("a GPU with WebGPU's default limits".to_string(), Capabilities::gpu());
    let cpu = || ("a CPU adapter with WebGPU's default limits".to_string(), Capabilities::cpu());
    let wanted = match name {
        None => return Ok(vec![gpu(), cpu()]),
        Some("gpu") => return Ok(vec![gpu()]),
        Some("cpu") => return Ok(vec![cpu()]),
        Some(name) => name.parse().map_err(|rule: String| Failure::invalid(format!("--device = {name:?}: {rule}")))?,
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
