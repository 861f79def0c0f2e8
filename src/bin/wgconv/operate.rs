//! One subcommand per operation: tensors from files, the result to a file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use image::ImageFormat;
use serde_json::json;
use wgconv::{Accuracy, PaddingMode, Problem, Storage, TensorName};

use crate::attributes::{ATTRIBUTES, Attributes, Form, Padding, PerAxis, json_of};
use crate::backend::{self, Method, Numbers, Wanted};
use crate::console::{say, say_json, tell};
use crate::failure::{Failure, Result};
use crate::files;
use crate::filters::Filter;
use crate::npy::{self, Array};
use crate::operation::{Kind, Op};
use crate::picture::{self, Encoding, Picture};
use crate::request::Task;
use crate::run;

/// Every operation as a subcommand.
pub fn commands() -> impl Iterator<Item = Command> {
    Op::all().map(command)
}

/// Arguments for attributes.
pub fn attribute_args(names: &[&str]) -> Vec<Arg> {
    ATTRIBUTES
        .iter()
        .filter(|attribute| names.contains(&attribute.name))
        .map(|attribute| {
            let arg = Arg::new(attribute.name)
                .long(attribute.name.replace('_', "-"))
                .value_name(attribute.value)
                .help(attribute.help);
            if attribute.form == Form::Flag {
                arg.num_args(0..=1).default_missing_value("true")
            } else {
                // A negative number must reach the check that refuses it by name.
                arg.allow_hyphen_values(true)
            }
        })
        .collect()
}

/// The attributes that were given.
pub fn attributes(matches: &ArgMatches, names: &[&str]) -> Result<Attributes> {
    let mut attributes = Attributes::default();
    for attribute in ATTRIBUTES.iter().filter(|attribute| names.contains(&attribute.name)) {
        if let Some(text) = matches.get_one::<String>(attribute.name) {
            attributes.set(attribute.name, &json_of(attribute.form, text))?;
        }
    }
    Ok(attributes)
}

/// Axes and rules of a tensor.
fn tensor_help(op: Op, tensor: TensorName) -> String {
    let spatial = ["w", "h, w", "d, h, w"][op.rank - 1];
    let kernel = ["kw", "kh, kw", "kd, kh, kw"][op.rank - 1];
    match tensor {
        TensorName::Input if op.kind == Kind::Col2im => "Columns (batch, channels*kernel, windows)".into(),
        TensorName::Input if op.rank == 2 => {
            format!("Input (batch, channels, {spatial}), batch optional; or a picture")
        }
        TensorName::Input => format!("Input (batch, channels, {spatial}), batch optional"),
        TensorName::Weight if op.kind == Kind::ConvTranspose => format!("Weight (c_in, c_out/groups, {kernel})"),
        TensorName::Weight if op.kind == Kind::LocallyConnected => {
            format!("Weight (ho, wo, c_out, c_in/groups, {kernel})")
        }
        TensorName::Weight => format!("Weight (c_out, c_in/groups, {kernel})"),
        TensorName::WeightV => "Vertical factor (channels, kh)".into(),
        TensorName::WeightH => "Horizontal factor (channels, kw)".into(),
        TensorName::WeightDw => "Depthwise weight (c_in*multiplier, 1, kh, kw)".into(),
        TensorName::WeightPw => "Pointwise weight (c_out, c_in*multiplier, 1, 1)".into(),
        TensorName::Bias if op.kind == Kind::LocallyConnected => "Bias (c_out, ho, wo)".into(),
        TensorName::Bias => "Bias (c_out)".into(),
        TensorName::Residual => "Added to the sums before the activation; the output's shape".into(),
        TensorName::Offset => "Offsets (batch, 2*offset_groups*kh*kw, ho, wo), y before x".into(),
        TensorName::Mask => "Mask (batch, offset_groups*kh*kw, ho, wo)".into(),
        TensorName::Output | TensorName::Indices => String::new(),
        _ => tensor.as_str().into(),
    }
}

fn takes_filter(op: Op) -> bool {
    op == Op { kind: Kind::Conv, rank: 2 } || op.kind == Kind::SpatialSeparable
}

fn file_arg(tensor: TensorName) -> Arg {
    Arg::new(tensor.as_str())
        .long(tensor.as_str().replace('_', "-"))
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
}

fn command(op: Op) -> Command {
    let ranked = Op::all().any(|other| other.kind == op.kind && other.rank != op.rank);
    let about = if ranked { format!("{} (likewise in 1d and 3d)", op.about()) } else { op.about().into() };
    let mut command = Command::new(op.command())
        .about(if op.rank == 2 { about } else { op.about().into() })
        // The list of commands is long enough.
        .hide(op.rank != 2)
        .aliases(op.command_aliases())
        .after_help(examples(op));
    for &tensor in op.required() {
        let arg = file_arg(tensor).help(tensor_help(op, tensor));
        let weight = tensor != TensorName::Input && takes_filter(op);
        command = command.arg(if weight { arg.required_unless_present("filter") } else { arg.required(true) });
    }
    for &tensor in op.optional() {
        command = command.arg(file_arg(tensor).help(tensor_help(op, tensor)));
    }
    command = command.args(attribute_args(op.attributes()));
    if takes_filter(op) {
        let mut filter =
            Arg::new("filter").long("filter").value_name("NAME[:N]").value_parser(value_parser!(Filter)).help(
                "Built-in weights for every channel, with replicate padding that keeps the size: box[:3], \
                 gaussian[:1.0], sobel-x, sobel-y, sobel, laplacian, sharpen, emboss; the alpha of a picture is not \
                 filtered: an output pixel takes that of the pixel under the centre of its window",
            );
        let own = op.required()[1..].iter().chain(op.optional()).map(|tensor| tensor.as_str());
        for other in own.chain(["groups", "activation"]) {
            filter = filter.conflicts_with(other);
        }
        if op.kind == Kind::Conv {
            filter = filter.conflicts_with("flip_kernel");
        }
        command = command.arg(filter);
    }
    let kinds = if op.rank == 2 {
        "Result: .npy, .png (16 bits a sample where the input picture has them, else 8) or .jpg; - is stdout"
    } else {
        "Result: a .npy file; - is stdout"
    };
    command = command.arg(file_arg(TensorName::Output).help(kinds).required(true));
    if op.has_indices() {
        let help = "Positions of the maxima in the input's planes (int64 .npy; -1 in the padding)";
        command = command.arg(file_arg(TensorName::Indices).help(help));
    }
    if op.rank == 2 {
        let normalize = Arg::new("normalize").long("normalize").action(ArgAction::SetTrue);
        command = command.arg(normalize.help("Stretch the values of a picture to black and white instead of clamping"));
        let format = Arg::new("format").long("format").value_name("NAME").value_parser(["npy", "png", "jpg"]);
        command = command.arg(format.help("What the result is, instead of what its name ends in; stdout gets .npy"));
    }
    command.args(device_args())
}

fn device_args() -> [Arg; 5] {
    [
        Arg::new("device")
            .long("device")
            .value_name("DEVICE")
            .default_value("auto")
            .value_parser(value_parser!(Wanted))
            .help("auto, reference, a number or a part of a name (see `wgconv devices`)"),
        Arg::new("algorithm")
            .long("algorithm")
            .value_name("NAME")
            .default_value("auto")
            .value_parser(value_parser!(Method))
            .help("auto or an algorithm (see `wgconv explain`)"),
        Arg::new("accuracy")
            .long("accuracy")
            .value_name("CLASS")
            .default_value("standard")
            .value_parser(backend::accuracy)
            .help("strict, standard, relaxed or half: how large rounding errors may be (docs/numerics.md)"),
        Arg::new("storage")
            .long("storage")
            .value_name("TYPE")
            .default_value("f32")
            .value_parser(backend::storage)
            .help("f32 or f16: how tensors lie in device memory; sums are f32"),
        Arg::new("json").long("json").action(ArgAction::SetTrue).help("Describe the result in JSON"),
    ]
}

fn examples(op: Op) -> String {
    let name = op.command();
    let io = "--input x.npy --output y.npy";
    let lines: Vec<String> = match op.kind {
        Kind::Conv if op.rank == 2 => vec![
            format!("{name} --input x.npy --weight w.npy --bias b.npy --stride 2 --padding 1 --output y.npy"),
            format!(
                "{name} --input x.npy --weight w.npy --padding 0:1,2:2 --groups 4 --activation relu --output y.npy"
            ),
            format!("{name} --input photo.jpg --filter gaussian:2 --output soft.png"),
            format!("{name} --input photo.jpg --filter sobel --normalize --output edges.png"),
        ],
        Kind::Conv => vec![format!("{name} --input x.npy --weight w.npy --padding same --dilation 2 --output y.npy")],
        Kind::ConvTranspose => {
            vec![format!(
                "{name} --input x.npy --weight w.npy --stride 2 --padding 1 --output-padding 1 --output y.npy"
            )]
        }
        Kind::DeformConv => vec![
            format!("{name} --input x.npy --weight w.npy --offset o.npy --padding 1 --output y.npy"),
            format!("{name} --input x.npy --weight w.npy --offset o.npy --mask m.npy --offset-groups 2 --output y.npy"),
        ],
        Kind::LocallyConnected => vec![format!("{name} --input x.npy --weight w.npy --output y.npy")],
        Kind::SpatialSeparable => vec![
            format!("{name} --input x.npy --weight-v v.npy --weight-h h.npy --padding same --output y.npy"),
            format!("{name} --input photo.png --filter box:9 --output soft.png"),
        ],
        Kind::DepthwiseSeparable => {
            vec![format!("{name} --input x.npy --weight-dw d.npy --weight-pw p.npy --padding 1 --output y.npy")]
        }
        Kind::MaxPool => vec![
            format!("{name} {io} --kernel-size 3 --stride 2 --padding 1"),
            format!("{name} {io} --kernel-size 2 --ceil-mode --indices i.npy"),
        ],
        Kind::AvgPool => vec![format!("{name} {io} --kernel-size 3 --padding 1 --count-include-pad false")],
        Kind::LpPool => vec![format!("{name} {io} --kernel-size 2 --p 3")],
        Kind::GlobalMaxPool | Kind::GlobalAvgPool | Kind::GlobalLpPool => vec![format!("{name} {io}")],
        Kind::DepthToSpace | Kind::SpaceToDepth => vec![format!("{name} {io} --block-size 2 --mode DCR")],
        Kind::Im2col => vec![format!("{name} {io} --kernel-size 3 --padding 1")],
        Kind::Col2im => {
            vec![format!("{name} {io} --output-size {} --kernel-size 3", ["9", "9,9", "9,9,9"][op.rank - 1])]
        }
    };
    let lines: String = lines.iter().map(|line| format!("\n  wgconv {line}")).collect();
    format!("Example{}:{lines}", if lines.lines().count() > 2 { "s" } else { "" })
}

/// An argument that an operation may not have.
fn optional<'a, T: Clone + Send + Sync + 'static>(matches: &'a ArgMatches, name: &str) -> Option<&'a T> {
    matches.try_get_one(name).ok().flatten()
}

pub fn run(op: Op, matches: &ArgMatches) -> Result<()> {
    let mut attributes = attributes(matches, op.attributes())?;
    let path = |tensor: TensorName| optional::<PathBuf>(matches, tensor.as_str());
    let output_path = path(TensorName::Output).ok_or_else(|| Failure::invalid("output: it is missing"))?;
    let format = match optional::<String>(matches, "format").and_then(|name| picture::format_named(name)) {
        Some(format) => format,
        None => picture::format_of(output_path)?,
    };
    let normalize = optional::<bool>(matches, "normalize").copied().unwrap_or(false);
    if normalize && format.is_none() {
        return Err(Failure::invalid("--normalize: the output must be a picture"));
    }
    if op.rank != 2 && format.is_some() {
        let rule = format!("output = {}: the result of {} is no picture", output_path.display(), op.name());
        return Err(Failure::invalid(rule));
    }
    let indices_path = path(TensorName::Indices);
    if indices_path == Some(output_path) {
        return Err(Failure::invalid(format!("indices = {}: it is the output's file", output_path.display())));
    }
    files::expect_targets(
        [],
        [("--output", Some(output_path.as_path())), ("--indices", indices_path.map(PathBuf::as_path))],
    )?;
    let device_wanted = optional::<Wanted>(matches, "device").cloned().unwrap_or(Wanted::Auto);
    let method = optional::<Method>(matches, "algorithm").copied().unwrap_or(Method::Auto);
    let accuracy = optional::<Accuracy>(matches, "accuracy").copied().unwrap_or_default();
    let storage = optional::<Storage>(matches, "storage").copied().unwrap_or_default();
    let options = run::options(method, Numbers { accuracy, storage, tile: None }, &device_wanted)?;

    let mut arrays = BTreeMap::new();
    let mut picture = None;
    for &tensor in op.required().iter().chain(op.optional()) {
        if let Some(path) = path(tensor) {
            let (array, found) = picture::load(path)?;
            if found.is_some() && (tensor != TensorName::Input || op.rank != 2 || op.kind == Kind::Col2im) {
                return Err(Failure::invalid(format!("{tensor} = {}: it must be a .npy file", path.display())));
            }
            picture = picture.or(found);
            arrays.insert(tensor, array);
        }
    }
    let filter = optional::<Filter>(matches, "filter").copied();
    let mut alpha = None;
    if let (Some(filter), Some(input)) = (filter, arrays.get_mut(&TensorName::Input)) {
        if picture.is_some() {
            alpha = split_alpha(input);
        }
        apply_filter(op, filter, &mut arrays, &mut attributes)?;
    }
    let task = Task::new(op, &attributes, &arrays, indices_path.is_some())?;
    let geometry = &task.checked.geometry;
    let computed_shape = task.checked.given_shape(geometry.output_shape());
    let mut shape = computed_shape.clone();
    let channel_axis = shape.len().saturating_sub(3);
    if filter == Some(Filter::Sobel) {
        shape[channel_axis] /= 2;
    }
    shape[channel_axis] += usize::from(alpha.is_some());
    let encoding = match format {
        Some(format) => Some(encoding(format, normalize, &shape, picture.as_ref())?),
        None => None,
    };
    let device = backend::open_or_fall_back(&device_wanted)?;
    let computed = device.run(geometry, &options, &task.inputs)?;

    let mut output = computed.output;
    if filter == Some(Filter::Sobel) {
        output = lengths(&computed_shape, &output);
    }
    if let Some(alpha) = &alpha {
        output.extend(alpha_of_outputs(alpha, geometry.problem(), &shape));
    }
    let bytes = match &encoding {
        None => npy::encode_f32(&shape, &output)?,
        Some(encoding) => picture::encode(&shape, &output, encoding)?,
    };
    let mut written = vec![(output_path.clone(), bytes)];
    if let (Some(path), Some(indices)) = (indices_path, &computed.indices) {
        written.push((path.clone(), npy::encode_i64(&shape, &run::positions(indices))?));
    }
    files::write_all(&written)?;
    let left_out = picture.map(|picture| picture.left_out(encoding.as_ref())).unwrap_or_default();
    if let (Some(path), false) = (path(TensorName::Input), left_out.is_empty()) {
        tell!("{}: not in {}: {}", path.display(), output_path.display(), left_out.join(", "));
    }

    if matches.get_flag("json") {
        say_json(&json!({
            "op": op.name(), "device": device.description(), "algorithm": computed.algorithm, "shape": shape,
            "files": written.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>(),
        }));
    } else {
        for (path, _) in &written {
            say!("{}: {shape:?} by {} on {}", path.display(), computed.algorithm, device.description());
        }
    }
    Ok(())
}

/// How a result of some shape becomes a picture: as the input is one, where it is.
fn encoding(format: ImageFormat, normalize: bool, shape: &[usize], input: Option<&Picture>) -> Result<Encoding> {
    let (channels, ..) = picture::expect_extents(shape, format)?;
    let plain = Encoding { format, normalize, bits: 8, profile: None };
    Ok(input.map_or(plain, |input| input.encoding(format, normalize, channels)))
}

/// Takes the fourth channel off a picture.
fn split_alpha(picture: &mut Array) -> Option<Array> {
    let &[1, 4, height, width] = &picture.shape[..] else { return None };
    let data = picture.data.split_off(3 * height * width);
    picture.shape[1] = 3;
    Some(Array { shape: vec![1, 1, height, width], data })
}

/// Makes the weights of a built-in filter, one set per channel of the input.
fn apply_filter(
    op: Op,
    filter: Filter,
    arrays: &mut BTreeMap<TensorName, Array>,
    attributes: &mut Attributes,
) -> Result<()> {
    let shape = arrays.get(&TensorName::Input).map(|input| input.shape.clone()).unwrap_or_default();
    let channels = match shape[..] {
        [_, channels, _, _] | [channels, _, _] => channels,
        _ => return Err(Failure::invalid(format!("input shape = {shape:?}: it must be (batch, channels, h, w)"))),
    };
    let extent = filter.extent();
    let repeated = |kernel: &[f64]| kernel.iter().copied().cycle().take(channels * kernel.len()).collect();
    if op.kind == Kind::SpatialSeparable {
        let (vertical, horizontal) =
            filter.factors().ok_or_else(|| Failure::invalid("--filter: it is no product of a column and a row"))?;
        for (tensor, factor) in [(TensorName::WeightV, vertical), (TensorName::WeightH, horizontal)] {
            arrays.insert(tensor, Array { shape: vec![channels, extent], data: repeated(&factor) });
        }
    } else {
        let kernels = filter.kernels();
        let c_out = channels * kernels.len();
        let kernels: Vec<f64> = kernels.iter().flatten().map(|&value| value.into()).collect();
        arrays.insert(TensorName::Weight, Array { shape: vec![c_out, 1, extent, extent], data: repeated(&kernels) });
        attributes.groups = Some(channels);
    }
    if attributes.padding.is_none() {
        let dilation = attributes.dilation.as_ref().map(|dilation| dilation.axes("dilation", 2)).transpose()?;
        let sides = |axis: usize| {
            let total = dilation.as_ref().map_or(1, |dilation| dilation[axis]).saturating_mul(extent - 1);
            [total / 2, total - total / 2]
        };
        attributes.padding = Some(Padding::Sides(PerAxis::Each(vec![sides(0), sides(1)])));
    }
    attributes.padding_mode.get_or_insert(PaddingMode::Replicate);
    Ok(())
}

/// The alpha of every output position: that of the pixel under the centre of its window, or of the nearest one where the centre
/// lies outside of the picture.
fn alpha_of_outputs(alpha: &Array, problem: &Problem, shape: &[usize]) -> Vec<f32> {
    let pixel = |axis: usize, position: usize| {
        let (kernel, stride, padding, dilation) = match problem {
            Problem::Conv(p) => (p.kernel[axis], p.stride[axis], p.padding[axis][0], p.dilation[axis]),
            Problem::SpatialSeparable2d(p) => (p.kernel[axis], p.stride[axis], p.padding[axis][0], p.dilation[axis]),
            // No other operation has built-in filters.
            _ => (1, 1, 0, 1),
        };
        // Below 2^31 each: geometry checks them.
        let twice = 2 * (position * stride) as i64 + ((kernel - 1) * dilation) as i64 - 2 * padding as i64;
        twice.div_euclid(2).clamp(0, alpha.shape[2 + axis] as i64 - 1) as usize
    };
    let columns: Vec<usize> = (0..shape[3]).map(|x| pixel(1, x)).collect();
    let rows = (0..shape[2]).map(|y| pixel(0, y) * alpha.shape[3]);
    rows.flat_map(|row| columns.iter().map(move |column| alpha.data[row + column] as f32)).collect()
}

/// Channel pairs (x, y) of some shape to the lengths of those vectors.
fn lengths(shape: &[usize], pairs: &[f32]) -> Vec<f32> {
    let axis = shape.len() - 3;
    let plane: usize = shape[axis + 1..].iter().product();
    let length = |i: usize| {
        let x = i / plane * 2 * plane + i % plane;
        pairs[x].hypot(pairs[x + plane])
    };
    (0..pairs.len() / 2).map(length).collect()
}
