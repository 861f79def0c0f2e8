//! `wgconv deform gradcheck`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use wgconv::lab::gradcheck::{Branches, Config, Forward, Kernels, Reference, Verdict, gradcheck};
use wgconv::lab::picture::render;
use wgconv::{Gradient, Options, TensorName, reference};

use super::layer::picture_format;
use crate::backend::{self, Backend, Method, Numbers, Wanted};
use crate::case::Case;
use crate::console::{Table, progress, say, say_json};
use crate::failure::{Failure, Result};
use crate::files;
use crate::run;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv deform gradcheck CASE_DIR                                  the kernels' gradients, against the f64 reference
  wgconv deform gradcheck CASE_DIR --forward device --plot e.svg    differences of the kernels' own f32 outputs
  wgconv deform gradcheck CASE_DIR --device reference --tensor offset --elements 500

Any operation's case folder will do; without a grad_output in it, every output counts once. An element agrees when its
gradient and the best central difference are as close as their bounds allow; at a kink (an integer sampling coordinate, a
relu's zero) the differences to the left and to the right stay apart, and the gradient must be one of them or lie between.
Nothing can be decided where a value takes no step (infinities, NaN), where the output is no number, or where rounding \
errors hide the derivative. Exit code 1 when an element differs, 3 when nothing could be decided.")]
pub struct GradcheckArgs {
    /// Folder with a case.json and the arrays that it names
    case: PathBuf,
    /// Whose gradients: auto, reference, a number or a part of a name (see `wgconv devices`)
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Wanted,
    /// auto or an algorithm of the backward pass
    #[arg(long, value_name = "NAME", default_value = "auto")]
    algorithm: Method,
    /// Whose outputs are differenced
    #[arg(long, value_name = "SOURCE", default_value = "reference", value_parser = ["reference", "device"])]
    forward: String,
    /// Only this tensor's gradient; may be repeated
    #[arg(long, value_name = "NAME")]
    tensor: Vec<String>,
    /// Elements of each tensor, evenly spread
    #[arg(long, value_name = "N", default_value_t = Config::default().elements)]
    elements: usize,
    /// Smallest step, as a power of two
    #[arg(long, value_name = "N", default_value_t = Config::default().most_halvings)]
    halvings: u32,
    /// Rows of the table for each tensor
    #[arg(long, value_name = "N", default_value_t = 3)]
    worst: usize,
    /// Draw error against step, as .svg or .png
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Print every element in JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &GradcheckArgs) -> Result<()> {
    let case = Case::load(&args.case)?;
    let task = case.task().map_err(|error| Failure::from(error).of(args.case.display()))?;
    let problem = task.checked.geometry.problem();
    let format = match &args.plot {
        Some(path) => Some((path, picture_format("--plot", path)?)),
        None => None,
    };
    let differentiable = problem.differentiable();
    let mut wanted = Vec::new();
    for name in &args.tensor {
        let tensor = TensorName::parse(name).filter(|tensor| differentiable.contains(tensor)).ok_or_else(|| {
            let names: Vec<&str> = differentiable.iter().map(|name| name.as_str()).collect();
            Failure::invalid(format!("--tensor = {name}: it must be one of {}", names.join(", ")))
        })?;
        wanted.push(tensor);
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = wanted.iter().find(|name| !seen.insert(**name)) {
        return Err(Failure::invalid(format!("--tensor = {twice}: it is there twice")));
    }
    if wanted.is_empty() {
        wanted = differentiable;
    }
    let len: usize = task.checked.geometry.output_shape().iter().product();
    let grad_output = match case.grad_output()? {
        Some(array) => array.to_f32().map_err(|error| Failure::from(error).of("grad_output"))?,
        None => vec![1.0; len],
    };
    if grad_output.len() != len {
        let rule = format!("grad_output has {} elements: the output has {len}", grad_output.len());
        return Err(Failure::invalid(rule));
    }

    let options = run::options(args.algorithm, Numbers::default(), &args.device)?;
    let device = backend::open_or_fall_back(&args.device)?;
    let (gradients, algorithm) = gradients(&device, &task, &wanted, &grad_output, &options)?;
    let forward: Box<dyn Forward + '_> = match (&device, args.forward.as_str()) {
        (Backend::Adapter(adapter), "device") => Box::new(Kernels::new(&adapter.gpu, problem)?),
        _ => Box::new(Reference(problem)),
    };
    let config = Config { wanted: wanted.clone(), elements: args.elements, most_halvings: args.halvings };
    let bar = progress(0);
    let report = gradcheck(problem, &task.inputs, &grad_output, &gradients, &*forward, &config, |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    if let Some((path, format)) = format {
        let subtitle = format!("{}: gradients by {algorithm} on {}", case.name, device.description());
        let bytes = render(&Branches { report: &report, subtitle: &subtitle }, format)?;
        files::write_all(&[(path.clone(), bytes)])?;
    }
    if args.json {
        say_json(&serde_json::json!({
            "case": case.name, "device": device.description(), "algorithm": algorithm, "forward": args.forward,
            "passed": report.passed(), "elements": report.elements,
        }));
    } else {
        let mut table = Table::new(&[
            "tensor",
            "checked",
            "kinks",
            "differ",
            "undecidable",
            "worst",
            "gradient",
            "difference",
            "step",
            "error",
            "allowed",
        ]);
        for name in report.tensors() {
            let worst = report.worst(name);
            let count = |verdict| worst.iter().filter(|element| element.verdict == verdict).count().to_string();
            for (row, element) in worst.iter().take(args.worst.max(1)).enumerate() {
                let first = |text: String| if row == 0 { text } else { String::new() };
                table.row(vec![
                    first(name.to_string()),
                    first(worst.len().to_string()),
                    first(count(Verdict::Kink)),
                    first(count(Verdict::Differs)),
                    first(count(Verdict::Undecidable)),
                    format!("[{}]", element.index),
                    format!("{:.6e}", element.analytic),
                    format!("{:.6e}", element.numeric),
                    format!("{:.1e}", element.step),
                    format!("{:.1e}", element.error()),
                    format!("{:.1e}", element.allowed),
                ]);
            }
        }
        table.say();
        say!("gradients by {algorithm} on {}, differences of the {}", device.description(), args.forward);
    }
    match report.count(Verdict::Differs) {
        0 if !report.passed() => {
            let rule =
                "nothing could be decided: the values take no step, the output is no number, or rounding hides it";
            Err(Failure::unsupported(rule))
        }
        0 => Ok(()),
        1 => Err(Failure::mismatch("1 element differs")),
        n => Err(Failure::mismatch(format!("{n} elements differ"))),
    }
}

/// The gradients that are judged, and how they were computed.
fn gradients(
    device: &Backend,
    task: &crate::request::Task,
    wanted: &[TensorName],
    grad_output: &[f32],
    options: &Options,
) -> Result<(BTreeMap<TensorName, Vec<f64>>, String)> {
    let problem = task.checked.geometry.problem();
    match device {
        Backend::Reference => {
            let outcomes = reference::gradients(problem, &task.inputs, grad_output, wanted)?;
            Ok((outcomes.into_iter().map(|(name, outcome)| (name, outcome.output)).collect(), "reference".into()))
        }
        Backend::Adapter(adapter) => {
            let mut inputs = task.inputs.clone();
            inputs.insert(TensorName::GradOutput, grad_output.to_vec());
            let gradient = Gradient::new(problem.clone(), wanted.iter().copied());
            let mut outputs = adapter.gpu.run(&gradient.into(), options, &inputs)?;
            let of = |&name: &TensorName| {
                let values = outputs.gradients.remove(&name.gradient()?)?;
                Some((name, values.into_iter().map(f64::from).collect()))
            };
            Ok((wanted.iter().filter_map(of).collect(), outputs.algorithm.to_string()))
        }
    }
}
