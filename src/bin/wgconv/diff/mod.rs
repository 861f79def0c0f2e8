//! `wgconv diff`: the same problems with the same data on every adapter, and where the results differ.

mod html;
mod load;
mod terminal;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use wgconv::bench::{
    DIFF_SCHEMA, DiffDevice, DiffRecord, DiffReport, DiffStatus, Expected, Pass, REFERENCE, compare_results,
};
use wgconv::gpu::{Gpu, Select};
use wgconv::{Accuracy, Algorithm, ErrorKind, Geometry, Gradient, Inputs, Options, Problem, Storage, TensorName};

use crate::backend::{self, Adapter, Backend, Method, Wanted, no_adapter};
use crate::bench::{self, Layer, machine};
use crate::case::{self, Case};
use crate::console::{progress, say_json, tell};
use crate::failure::{Code, Failure, Result};
use crate::files;

/// The problems that are compared where none are named.
const SPREAD: &str = include_str!("spread.json");

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv diff                                        every operation, forward and backward, on every adapter
  wgconv diff --device all --suite resnet50          layers of a network
  wgconv diff cases/stem --algorithm direct          case folders, one algorithm
  wgconv diff --out here.json                        keep the results for another machine
  wgconv diff --with there.json --html diff.html     compare with another machine's, as a page
  wgconv report here.json there.json                 compare files alone

Data are made up, the same on every machine; those of a case are its own. Every result is compared with the reference \
rounded to f32, and with what the same algorithm made of it on the first device that has it. `ulp` is the largest distance \
in units in the last place of the elements: it is large where a sum cancels. `scaled` is the largest distance in units \
in the last place of the tensor's largest element. `error` is the largest deviation over its bound for f32 in any order \
of summation: up to 1 is right. Exit code 1 where a result is wrong, or differs between devices by more than \
--max-ulps. docs/backends.md describes the file.")]
pub struct DiffArgs {
    /// Case folders, or folders of case folders, instead of made-up data
    #[arg(value_name = "DIR", conflicts_with = "suite")]
    cases: Vec<PathBuf>,
    /// Layers of these suites that `wgconv bench --list` names, or of .json files, instead of the built-in spread
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    suite: Vec<String>,
    #[command(flatten)]
    filter: bench::LayerFilter,
    /// forward, backward (every gradient in one plan), grad_input, grad_weight and so on, or all
    #[arg(long, value_name = "PASS", default_value = "forward,backward", value_delimiter = ',')]
    pass: Vec<String>,
    /// all, auto, reference alone, a number or a part of a name (see `wgconv devices`)
    #[arg(long, value_name = "DEVICE", default_value = "all")]
    device: Wanted,
    /// all that apply, auto for the chosen one, or one by name
    #[arg(long, value_name = "NAME", default_value = "all")]
    algorithm: Method,
    /// strict, standard, relaxed or half: which algorithms apply (docs/numerics.md)
    #[arg(long, value_name = "CLASS", default_value = "standard", value_parser = backend::accuracy)]
    accuracy: Accuracy,
    /// The most elements of a tensor whose bits are kept; of the others their digest
    #[arg(long, value_name = "N", default_value = "4096", value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    sample: u32,
    /// Compare with results that `wgconv diff --out` wrote, on this machine or another; may be repeated
    #[arg(long, value_name = "FILE.json")]
    with: Vec<PathBuf>,
    /// End with exit code 1 where an algorithm's results on two devices are further apart
    #[arg(long, value_name = "N")]
    max_ulps: Option<u32>,
    /// Write the results
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
    /// What to call them
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    label: Option<String>,
    /// Write a page for a browser
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
    /// Print the comparison in JSON
    #[arg(long)]
    json: bool,
}

/// What is computed: a problem of some pass, with its data.
struct Work {
    suite: String,
    layer: String,
    pass: Pass,
    problem: Problem,
    /// Made up where there are none.
    inputs: Option<Inputs>,
}

/// Records with their names.
pub struct Sources {
    pub names: Vec<String>,
    pub records: Vec<DiffRecord>,
    pub report: DiffReport,
}

pub fn run(args: &DiffArgs) -> Result<()> {
    let read = args.with.iter().map(|path| ("that of --with", path.as_path()));
    files::expect_targets(read, [("--out", args.out.as_deref()), ("--html", args.html.as_deref())])?;
    let works = args.works()?;
    let others = args.with.iter().map(|path| load::record(path, &files::read(path)?)).collect::<Result<Vec<_>>>()?;
    if let (Method::One(algorithm), Wanted::Reference) = (args.algorithm, &args.device) {
        let rule = format!("--algorithm = {algorithm}: the reference has no choice of algorithms");
        return Err(Failure::invalid(rule));
    }
    let adapters = args.adapters()?;
    let record = compute(args, &works, &adapters)?;
    let mut outputs = Vec::new();
    if let Some(path) = &args.out {
        let text = serde_json::to_vec(&record).map_err(|error| Failure::invalid(error.to_string()))?;
        outputs.push((path.clone(), text));
    }
    let mut names = vec![record.label.clone().unwrap_or_else(|| "here".into())];
    names.extend(args.with.iter().map(|path| path.display().to_string()));
    let records: Vec<DiffRecord> = std::iter::once(record).chain(others).collect();
    let report = compare_results(&records)?;
    let sources = Sources { names, records, report };
    if let Some(path) = &args.html {
        outputs.push((path.clone(), html::page(&sources).into_bytes()));
    }
    files::write_all(&outputs)?;
    say(&sources, args.json)?;
    verdict(&sources, args.max_ulps)
}

/// Compares files alone, for `wgconv report`.
pub fn report(files: &[(PathBuf, Vec<u8>)], html: Option<&Path>, json: bool) -> Result<()> {
    let records = files.iter().map(|(path, bytes)| load::record(path, bytes)).collect::<Result<Vec<_>>>()?;
    let report = compare_results(&records)?;
    let names = files.iter().map(|(path, _)| path.display().to_string()).collect();
    let sources = Sources { names, records, report };
    if let Some(path) = html {
        files::write_all(&[(path.to_path_buf(), html::page(&sources).into_bytes())])?;
    }
    say(&sources, json)?;
    verdict(&sources, None)
}

/// Whether the bytes of a file say that they are results, of this version or another.
pub fn is_results(bytes: &[u8]) -> bool {
    load::schema(bytes).is_some_and(|schema| schema.starts_with(DIFF_SCHEMA.trim_end_matches(char::is_numeric)))
}

fn say(sources: &Sources, json: bool) -> Result<()> {
    if json {
        say_json(&serde_json::to_value(&sources.report).map_err(|error| Failure::invalid(error.to_string()))?);
    } else {
        terminal::say(sources);
    }
    Ok(())
}

impl DiffArgs {
    /// What the arguments name; every problem is judged before the first one is computed.
    fn works(&self) -> Result<Vec<Work>> {
        let operations = self.filter.operations()?;
        let passes = bench::passes(&self.pass)?;
        let keeps = |suite: &str, layer: &str, problem: &Problem| {
            (operations.is_empty() || operations.contains(&problem.op_name())) && self.filter.names(suite, layer)
        };
        let mut works = Vec::new();
        let mut left_out = None;
        if self.cases.is_empty() {
            for Layer { suite, name, geometry } in self.layers()? {
                if !keeps(&suite, &name, geometry.problem()) {
                    continue;
                }
                for &pass in &passes {
                    if let Some(problem) = pass.of(geometry.problem()) {
                        works.push(Work { suite: suite.clone(), layer: name.clone(), pass, problem, inputs: None });
                    }
                }
            }
        } else {
            for folder in case::find(&self.cases)? {
                let case = Case::load(&folder)?;
                let task = match case.task() {
                    Ok(task) => task,
                    // What must be refused has no results to compare.
                    Err(_) if case.expects_error() => continue,
                    Err(error) if error.kind() == ErrorKind::Unsupported => {
                        let failure = Failure::from(error).of(folder.display());
                        tell!("left out: {failure}");
                        left_out.get_or_insert(failure);
                        continue;
                    }
                    Err(error) => return Err(Failure::from(error).of(folder.display())),
                };
                let problem = task.checked.geometry.problem();
                if !keeps("cases", &case.name, problem) {
                    continue;
                }
                for &pass in &passes {
                    if let Some((problem, inputs)) = of_case(&case, problem, &task.inputs, pass)? {
                        let (suite, layer) = ("cases".to_string(), case.name.clone());
                        works.push(Work { suite, layer, pass, problem, inputs: Some(inputs) });
                    }
                }
            }
        }
        if let (true, Some(failure)) = (works.is_empty(), left_out) {
            return Err(failure);
        }
        if works.is_empty() {
            let text = self.filter.text();
            return Err(Failure::invalid(format!("--layer = {text}, --operation, --pass: nothing is left to compute")));
        }
        let mut names = BTreeSet::new();
        for Work { suite, layer, pass, .. } in &works {
            if !names.insert((suite, layer, pass.as_str())) {
                return Err(Failure::invalid(format!("{suite}/{layer}: two problems are called so")));
            }
        }
        Ok(works)
    }

    fn layers(&self) -> Result<Vec<Layer>> {
        if self.suite.is_empty() {
            return bench::layers_of(SPREAD);
        }
        let mut layers = Vec::new();
        for name in &self.suite {
            layers.extend(bench::small_layers(name)?);
        }
        Ok(layers)
    }

    /// The adapters; one of all that cannot be opened is left out with a word.
    fn adapters(&self) -> Result<Vec<Adapter>> {
        let opened = match &self.device {
            Wanted::All => {
                let count = Gpu::find_adapters()?.len();
                let mut opened = Vec::new();
                for index in 0..count {
                    match Adapter::open(&Select::Index(index)) {
                        Ok(adapter) => opened.push(Backend::Adapter(Box::new(adapter))),
                        Err(failure) => tell!("left out: adapter {index}: {failure}"),
                    }
                }
                if opened.is_empty() && self.with.is_empty() {
                    return Err(Failure::device(no_adapter()));
                }
                opened
            }
            wanted => backend::open_all(wanted)?,
        };
        let adapter = |device| match device {
            Backend::Adapter(adapter) => Some(*adapter),
            Backend::Reference => None,
        };
        Ok(opened.into_iter().filter_map(adapter).collect())
    }
}

/// A pass of a case with its data; `None` where it has no gradient to start from, or no such tensor.
fn of_case(case: &Case, problem: &Problem, inputs: &Inputs, pass: Pass) -> Result<Option<(Problem, Inputs)>> {
    let mut inputs = inputs.clone();
    let wanted = match pass {
        Pass::Forward => return Ok(Some((problem.clone(), inputs))),
        Pass::Backward => problem.differentiable(),
        Pass::Gradient(tensor) if problem.differentiable().contains(&tensor) => vec![tensor],
        Pass::Gradient(_) => return Ok(None),
    };
    let Some(upstream) = case.grad_output()? else { return Ok(None) };
    let wrong = |error| Failure::from(error).of("grad_output").of(&case.name);
    let upstream = upstream.to_f32().map_err(wrong)?;
    inputs.insert(TensorName::GradOutput, upstream);
    Ok(Some((Gradient::new(problem.clone(), wanted).into(), inputs)))
}

/// Everything on every adapter, and the reference.
fn compute(args: &DiffArgs, works: &[Work], adapters: &[Adapter]) -> Result<DiffRecord> {
    let mut devices = vec![DiffDevice {
        id: REFERENCE.into(),
        name: "f64 reference".into(),
        backend: REFERENCE.into(),
        device_type: "Cpu".into(),
        driver: String::new(),
        driver_info: String::new(),
    }];
    for (index, adapter) in adapters.iter().enumerate() {
        let info = adapter.gpu.info();
        devices.push(DiffDevice {
            id: index.to_string(),
            name: info.name.clone(),
            backend: info.backend.to_string(),
            device_type: format!("{:?}", info.device_type),
            driver: info.driver.clone(),
            driver_info: info.driver_info.clone(),
        });
    }
    let mut record = DiffRecord {
        schema: DIFF_SCHEMA.into(),
        created: machine::now(),
        label: args.label.clone(),
        software: machine::software(),
        host: machine::host(),
        sample: args.sample as usize,
        devices,
        problems: Vec::new(),
        results: Vec::new(),
        elements: BTreeMap::new(),
    };
    let options = Options::default().accuracy(args.accuracy);
    let bar = progress(works.len());
    for work in works {
        bar.inc(1);
        bar.set_message(format!("{}/{} {}", work.suite, work.layer, work.pass.as_str()));
        let geometry = Geometry::new(&work.problem)?;
        let made_up;
        let inputs = match &work.inputs {
            Some(inputs) => inputs,
            None => {
                made_up = bench::data(&geometry).map_err(|failure| failure.of(&work.layer))?;
                &made_up
            }
        };
        let expected = Expected::of(&work.problem, inputs, Storage::F32)?;
        let operation = match &work.problem {
            Problem::Gradient(gradient) => gradient.of.op_name(),
            problem => problem.op_name(),
        };
        let number = record.add_problem(&work.suite, &work.layer, &operation, work.pass, (&work.problem, inputs));
        record.add_reference(number, &expected);
        for (index, adapter) in adapters.iter().enumerate() {
            let id = index.to_string();
            for forced in ways(&geometry, adapter, args.algorithm, &options) {
                let options = Options { algorithm: forced, ..options.clone() };
                match adapter.gpu.run(&work.problem, &options, inputs) {
                    Ok(outputs) => record.add_outputs(number, &id, &outputs, &expected),
                    Err(error) => {
                        let failure = Failure::from(error);
                        let status = match failure.code {
                            Code::Device => DiffStatus::Failed,
                            _ => DiffStatus::Unsupported,
                        };
                        let name = forced.map_or("auto", Algorithm::name);
                        record.add_refusal(number, &id, name, status, &failure.message);
                    }
                }
            }
        }
    }
    bar.finish_and_clear();
    Ok(record)
}

/// What to force, one after the other; `None` leaves the choice to the library, or lets it say why nothing applies.
fn ways(geometry: &Geometry, adapter: &Adapter, method: Method, options: &Options) -> Vec<Option<Algorithm>> {
    match method {
        Method::Auto => vec![None],
        // An algorithm by name concerns the problems that have it.
        Method::One(algorithm) => {
            let has = Algorithm::of(geometry.problem()).contains(&algorithm);
            if has { vec![Some(algorithm)] } else { Vec::new() }
        }
        Method::All => {
            let candidates = wgconv::candidates(geometry, adapter.gpu.capabilities(), options);
            let applicable: Vec<_> =
                candidates.iter().filter(|c| c.verdict.is_ok()).map(|c| Some(c.algorithm)).collect();
            if applicable.is_empty() { vec![None] } else { applicable }
        }
    }
}

fn verdict(sources: &Sources, max_ulps: Option<u32>) -> Result<()> {
    let report = &sources.report;
    let wrong: usize = report.against_reference.iter().map(|row| row.wrong).sum();
    if wrong > 0 {
        let tensors: usize = report.against_reference.iter().map(|row| row.tensors).sum();
        return Err(Failure::mismatch(format!("{wrong} of {tensors} results are wrong")));
    }
    if let Some(most) = max_ulps
        && let Some(row) = report.between_devices.iter().find(|row| row.max_ulps.is_none_or(|ulps| ulps > most))
    {
        let apart = row.max_ulps.map_or_else(|| "no number".into(), |ulps| format!("{ulps} ulp"));
        let [a, b] = [row.baseline, row.source].map(|source| &report.sources[source].label);
        return Err(Failure::mismatch(format!(
            "--max-ulps = {most}: {} of {} {} by {} on {b} is {apart} from that on {a}",
            row.tensor,
            row.operation,
            row.pass.as_str(),
            row.algorithm
        )));
    }
    if let Some(refusal) = report.refusals.iter().find(|refusal| refusal.status == DiffStatus::Failed) {
        let device = &report.sources[refusal.source].label;
        let rule = format!("{} by {} on {device}: {}", refusal.problem, refusal.algorithm, refusal.message);
        return Err(Failure::device(rule));
    }
    if !report.against_reference.is_empty() || !report.between_devices.is_empty() {
        return Ok(());
    }
    let on_devices = report.sources.iter().filter(|source| source.device.id != REFERENCE).count();
    match report.refusals.first() {
        Some(refusal) => Err(Failure::unsupported(format!("{}: {}", refusal.problem, refusal.message))),
        // The reference alone has nothing to agree with, and nobody asked for more.
        None if on_devices == 0 && sources.records.len() == 1 => Ok(()),
        None => Err(Failure::unsupported("nothing was compared: no problem has results of two devices")),
    }
}
