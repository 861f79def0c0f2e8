//! `wgconv run`: computes what a case folder asks for.

use std::path::PathBuf;

use clap::Args;
use wgconv::{Options, TensorName};

use crate::backend::{self, Method, Numbers, Wanted};
use crate::case::{self, Case};
use crate::console::{say, say_json};
use crate::failure::{Failure, Result};
use crate::files;
use crate::gradient::{self, Backward, Computed};
use crate::npy;
use crate::request::Checked;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv run cases/conv2d_basic --out results
  wgconv run cases/conv2d_basic --out results --device reference
  wgconv run cases/conv2d_basic --out results --algorithm direct --json

`output` and the gradients are written as float32, `indices` as int64 (-1 where the maximum lies in the padding). Files of
these names that are in DIR are replaced; a case folder is refused. An
algorithm that is asked for by name is used for the pass that has it, forward or backward or both.")]
pub struct RunArgs {
    /// Folder with a case.json and the arrays that it names
    case: PathBuf,
    /// Folder for NAME.npy of each output; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// auto, reference, a number or a part of a name (see `wgconv devices`)
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Wanted,
    /// auto or an algorithm (see `wgconv explain`)
    #[arg(long, value_name = "NAME", default_value = "auto")]
    algorithm: Method,
    #[command(flatten)]
    numbers: Numbers,
    /// Describe the results in JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &RunArgs) -> Result<()> {
    let case = Case::load(&args.case)?;
    files::expect_folder("--out", &args.out)?;
    if args.out.join(case::CASE_FILE).exists() {
        let rule = "it is a case folder, and results would take the place of its arrays";
        return Err(Failure::invalid(format!("--out = {}: {rule}", args.out.display())));
    }
    let names = case.forward_outputs().into_iter().map(|name| name.as_str()).chain(case.gradients());
    for path in names.map(|name| args.out.join(format!("{name}.npy"))).filter(|path| path.exists()) {
        files::expect_writable(&path)?;
    }
    let task = case.task().map_err(|error| Failure::from(error).of(args.case.display()))?;
    let wanted = case.forward_outputs();
    let options = options(args.algorithm, args.numbers, &args.device)?;
    let device = backend::open_or_fall_back(&args.device)?;
    let backward = Backward::of(&case, &task)?;
    let geometry = &task.checked.geometry;

    let mut written = Vec::new();
    let mut algorithms = Vec::new();
    if !wanted.is_empty() {
        let options = gradient::forward_options(geometry, backward.as_ref(), args.algorithm, &options);
        let computed = device.run(geometry, &options, &task.inputs)?;
        for output in wanted {
            if let Some((shape, bytes)) = encode(&task.checked, &computed, output)? {
                written.push((output.as_str(), shape, args.out.join(format!("{output}.npy")), bytes));
            }
        }
        algorithms.push(computed.algorithm);
    }
    if let Some(backward) = backward {
        let (gradients, algorithm) = backward.run(&device, &backward.options(args.algorithm, &options))?;
        for Computed { name, shape, values } in gradients {
            let (path, bytes) = (args.out.join(format!("{name}.npy")), npy::encode_f32(&shape, &values)?);
            written.push((name, shape, path, bytes));
        }
        algorithms.push(algorithm);
    }
    algorithms.dedup();
    let algorithm = algorithms.join(" and ");
    files::make_folder(&args.out)?;
    let (told, files): (Vec<_>, Vec<_>) =
        written.into_iter().map(|(name, shape, path, bytes)| ((name, shape, path.clone()), (path, bytes))).unzip();
    files::write_all(&files)?;

    if args.json {
        let outputs: Vec<_> = told
            .iter()
            .map(|(name, shape, path)| {
                serde_json::json!({"name": name, "shape": shape, "file": path.display().to_string()})
            })
            .collect();
        say_json(&serde_json::json!({
            "case": case.name, "op": task.op.name(), "device": device.description(),
            "algorithm": algorithm, "outputs": outputs,
        }));
    } else {
        for (_, shape, path) in &told {
            say!("{}: {shape:?} by {} on {}", path.display(), algorithm, device.description());
        }
    }
    Ok(())
}

/// Options for a command that runs one algorithm.
pub fn options(method: Method, numbers: Numbers, device: &Wanted) -> Result<Options> {
    match method {
        Method::Auto => Ok(numbers.options()),
        Method::One(algorithm) if *device == Wanted::Reference => {
            Err(Failure::invalid(format!("--algorithm = {algorithm}: the reference has no choice of algorithms")))
        }
        Method::One(algorithm) => Ok(numbers.options().algorithm(algorithm)),
        Method::All => Err(Failure::invalid("--algorithm = all: this command runs one algorithm")),
    }
}

/// Shape and file of one output; `None` where it was not computed.
fn encode(
    checked: &Checked,
    computed: &backend::Computed,
    output: TensorName,
) -> Result<Option<(Vec<usize>, Vec<u8>)>> {
    let shape = checked.given_shape(checked.geometry.output_shape());
    let bytes = match (output, &computed.indices) {
        (TensorName::Indices, None) => return Ok(None),
        (TensorName::Indices, Some(indices)) => npy::encode_i64(&shape, &positions(indices))?,
        _ => npy::encode_f32(&shape, &computed.output)?,
    };
    Ok(Some((shape, bytes)))
}

/// Positions of maxima as files hold them: -1 in the padding.
pub fn positions(indices: &[u32]) -> Vec<i64> {
    indices.iter().map(|&index| if index == u32::MAX { -1 } else { index.into() }).collect()
}
