//! `wgconv bench`: verified measurements of known layers.

use std::fmt;

use clap::Args;
use serde_json::{Value, json};
use wgconv::gpu::{Outputs, Timing};
use wgconv::reference::Outcome;
use wgconv::{Algorithm, Geometry, Inputs, Options};

use crate::backend::{self, Adapter, Backend, Method, Wanted};
use crate::console::{progress, say, say_json, tell};
use crate::failure::{Code, Failure, Result};
use crate::suite::{self, Suite};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv bench                                       every suite on the default adapter
  wgconv bench --suite resnet50 --algorithm all      all algorithms side by side
  wgconv bench --layer 3x3 --device all --json       layers with 3x3 in their name on every adapter
  wgconv bench --suite dcnv2 --large                 with the layers that want a GPU
  wgconv bench --suite mine.json                     a suite of your own, see benches/shapes/README.md
  wgconv bench --list

Every result is compared with the f64 reference first; a row whose check fails says WRONG instead of a time, and the \
exit code is 1. `error` is the largest deviation over its bound for f32 in any order of summation: up to 1 is right. \
`ms` is the median of the samples and `spread` reaches from the fastest to the slowest, in percent of it. \
GFLOP/s counts two operations per multiply-add of the direct algorithm, whatever the algorithm does; GB/s counts every \
tensor once.")]
pub struct BenchArgs {
    /// all, one of those that --list names, or a .json file
    #[arg(long, value_name = "NAME", default_value = "all")]
    suite: String,
    /// Only layers with this in suite/name
    #[arg(long, value_name = "TEXT")]
    layer: Option<String>,
    /// Also the layers that are too much for a software rasteriser
    #[arg(long)]
    large: bool,
    /// auto, all, a number or a part of a name (see `wgconv devices`)
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Wanted,
    /// auto for the chosen one, all that apply, or one by name
    #[arg(long, value_name = "NAME", default_value = "auto")]
    algorithm: Method,
    /// Timed samples, of which the median counts
    #[arg(long, value_name = "N", default_value = "7", value_parser = clap::value_parser!(u16).range(1..=1000))]
    samples: u16,
    /// Name the suites and their layers
    #[arg(long)]
    list: bool,
    /// Print the rows in JSON
    #[arg(long)]
    json: bool,
}

/// One layer by one algorithm on one adapter.
struct Row {
    layer: String,
    op: String,
    device: String,
    algorithm: String,
    outcome: std::result::Result<Measured, Failure>,
}

struct Measured {
    timing: Timing,
    macs: u64,
    min_bytes: u64,
    /// Largest error over its tolerance.
    error: f64,
}

impl Measured {
    fn right(&self) -> bool {
        // So that a NaN is wrong.
        self.error <= 1.0
    }

    /// Billions of operations a second; operations that only move elements have none.
    fn gflops(&self) -> Option<f64> {
        (self.macs > 0).then(|| 2.0 * self.macs as f64 / self.timing.median() * 1e-6)
    }

    fn gbytes(&self) -> f64 {
        self.min_bytes as f64 / self.timing.median() * 1e-6
    }
}

pub fn run(args: &BenchArgs) -> Result<()> {
    let suites = select(args)?;
    if args.list {
        list(&suites, args.json);
        return Ok(());
    }
    if args.device == Wanted::Reference {
        return Err(Failure::invalid("--device = reference: only adapters are measured"));
    }
    // Every layer is judged before the first one is measured.
    let mut layers: Vec<(String, Geometry)> = Vec::new();
    for suite in &suites {
        for layer in &suite.layers {
            let name = suite.full_name(layer);
            let geometry = layer.geometry().map_err(|failure| failure.of(&name))?;
            layers.push((name, geometry));
        }
    }
    let devices = backend::open_all(&args.device)?;
    let adapters: Vec<&Adapter> = devices
        .iter()
        .filter_map(|device| match device {
            Backend::Adapter(adapter) => Some(&**adapter),
            Backend::Reference => None,
        })
        .collect();
    let load = Load::now();
    if !args.json {
        for (index, adapter) in adapters.iter().enumerate() {
            say!("device {index}: {}", adapter.gpu.description());
        }
        say!("{load}");
        say!("{}", header());
    }
    let bar = progress(layers.len());
    let mut rows = Vec::new();
    for (name, geometry) in &layers {
        bar.set_message(name.clone());
        let known = Known::new(geometry);
        for (index, adapter) in adapters.iter().enumerate() {
            for algorithm in algorithms(geometry, adapter, args.algorithm) {
                let outcome = match &known {
                    Ok(known) => measure(adapter, geometry, known, algorithm, args.samples),
                    Err(failure) => Err(failure.clone()),
                };
                let row = Row {
                    layer: name.clone(),
                    op: geometry.problem().op_name(),
                    device: index.to_string(),
                    algorithm: algorithm.map_or("auto", Algorithm::name).into(),
                    outcome,
                };
                if !args.json {
                    bar.suspend(|| say!("{}", row.text()));
                }
                rows.push(row);
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if args.json {
        let devices: Vec<String> = adapters.iter().map(|adapter| adapter.gpu.description()).collect();
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        say_json(
            &json!({"devices": devices, "load_average": load.average, "processors": load.processors, "rows": rows}),
        );
    }
    verdict(&rows)
}

/// How busy the machine was before the first measurement: a software rasteriser shares its processors.
struct Load {
    /// Of the last 1, 5 and 15 minutes, where the system tells.
    average: Option<[f64; 3]>,
    processors: Option<usize>,
}

impl Load {
    fn now() -> Load {
        Load {
            average: std::fs::read_to_string("/proc/loadavg").ok().and_then(|text| Load::parse(&text)),
            processors: std::thread::available_parallelism().ok().map(usize::from),
        }
    }

    fn parse(text: &str) -> Option<[f64; 3]> {
        let mut words = text.split_whitespace().map_while(|word| word.parse().ok());
        Some([words.next()?, words.next()?, words.next()?])
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.average {
            Some([one, five, fifteen]) => write!(f, "load average {one} {five} {fifteen}")?,
            None => write!(f, "load average unknown")?,
        }
        match self.processors {
            Some(count) => write!(f, ", {count} processors"),
            None => Ok(()),
        }
    }
}

/// A layer's data and what must come of it.
struct Known {
    inputs: Inputs,
    expected: Outcome,
}

impl Known {
    fn new(geometry: &Geometry) -> Result<Known> {
        let inputs = suite::data(geometry)?;
        let expected = backend::run_reference(geometry, &inputs)?;
        Ok(Known { inputs, expected })
    }
}

/// The suites and layers that the arguments name.
fn select(args: &BenchArgs) -> Result<Vec<Suite>> {
    let mut suites = suite::named(&args.suite)?;
    let wanted = args.layer.as_ref().map(|text| text.to_lowercase());
    for suite in &mut suites {
        let name = suite.name.clone();
        suite.layers.retain(|layer| {
            let full = format!("{name}/{}", layer.name).to_lowercase();
            (args.large || args.list || !layer.large) && wanted.as_ref().is_none_or(|text| full.contains(text))
        });
    }
    suites.retain(|suite| !suite.layers.is_empty());
    if suites.is_empty() {
        let hint = if args.large { "" } else { " (large ones are left out without --large)" };
        let text = args.layer.as_deref().unwrap_or_default();
        return Err(Failure::invalid(format!("--layer = {text}: no layer has this in its name{hint}")));
    }
    Ok(suites)
}

fn list(suites: &[Suite], as_json: bool) {
    if as_json {
        let suites: Vec<Value> = suites
            .iter()
            .map(|suite| {
                let layers: Vec<&str> = suite.layers.iter().map(|layer| layer.name.as_str()).collect();
                json!({"name": suite.name, "source": suite.source, "layers": layers})
            })
            .collect();
        say_json(&json!(suites));
        return;
    }
    for suite in suites {
        say!("{}: {}", suite.name, suite.source);
        for layer in &suite.layers {
            say!("  {}{}", layer.name, if layer.large { " (large)" } else { "" });
        }
    }
}

/// What to force, one after the other; `None` leaves the choice to the library.
fn algorithms(geometry: &Geometry, adapter: &Adapter, method: Method) -> Vec<Option<Algorithm>> {
    match method {
        Method::Auto => vec![None],
        Method::One(algorithm) => vec![Some(algorithm)],
        Method::All => {
            let candidates = wgconv::candidates(geometry, adapter.gpu.capabilities(), &Options::default());
            let applicable: Vec<_> =
                candidates.iter().filter(|c| c.verdict.is_ok()).map(|c| Some(c.algorithm)).collect();
            // Where nothing applies, running says why.
            if applicable.is_empty() { vec![None] } else { applicable }
        }
    }
}

fn measure(
    adapter: &Adapter,
    geometry: &Geometry,
    known: &Known,
    algorithm: Option<Algorithm>,
    samples: u16,
) -> Result<Measured> {
    let options = Options { algorithm, ..Options::default() };
    let timing = adapter.benchmark(geometry.problem(), &options, &known.inputs, samples.into())?;
    let error = worst_error(&known.expected, &timing.outputs);
    Ok(Measured { timing, macs: geometry.macs(), min_bytes: geometry.min_bytes(), error })
}

/// Largest error over its tolerance; infinite where a value or a position is missing or wrong, no number, or inexact
/// and must not be.
fn worst_error(expected: &Outcome, got: &Outputs) -> f64 {
    if got.output.len() != expected.output.len() || got.indices != expected.indices {
        return f64::INFINITY;
    }
    let ratio = |(i, (&got, want)): (usize, (&f32, &f64))| {
        // What must be exact is the nearest f32.
        let tolerance = expected.tolerance(i);
        let want = if tolerance == 0.0 { f64::from(*want as f32) } else { *want };
        match (f64::from(got) - want).abs() {
            0.0 => 0.0,
            // `max` below would drop a NaN.
            error if (error / tolerance).is_nan() => f64::INFINITY,
            error => error / tolerance,
        }
    };
    got.output.iter().zip(&expected.output).enumerate().map(ratio).fold(0.0, f64::max)
}

fn header() -> String {
    let (layer, op, algorithm) = ("layer", "operation", "algorithm");
    let times = format!("{:>10}  {:>6}", "ms", "spread");
    let rates = format!("{:>8}  {:>7}", "GFLOP/s", "GB/s");
    format!("{layer:<31}  {op:<17}  dev  {algorithm:<14}  {times}  {rates}  {:>7}  clock", "error")
}

impl Row {
    fn text(&self) -> String {
        let Row { layer, op, device, .. } = self;
        let start = |algorithm: &str| format!("{layer:<31}  {op:<17}  {device:>3}  {algorithm:<14}");
        match &self.outcome {
            Ok(measured) => {
                let Measured { timing, error, .. } = measured;
                let start = start(timing.outputs.algorithm.name());
                if !measured.right() {
                    return format!("{start}  {:>10}  {:>6}  {:>8}  {:>7}  {error:>7.2}  -", "WRONG", "-", "-", "-");
                }
                let gflops = measured.gflops().map_or("-".into(), |gflops| format!("{gflops:.2}"));
                let (ms, spread, gbytes) = (timing.median(), 100.0 * timing.spread(), measured.gbytes());
                let clock = timing.method;
                format!("{start}  {ms:>10.4}  {spread:>5.0}%  {gflops:>8}  {gbytes:>7.2}  {error:>7.4}  {clock}")
            }
            Err(failure) => format!("{}  {failure}", start(&self.algorithm)),
        }
    }

    fn json(&self) -> Value {
        let mut value = json!({"layer": self.layer, "op": self.op, "device": self.device});
        match &self.outcome {
            Ok(measured) => {
                let right = measured.right();
                let timed = |x: f64| if right { json!(x) } else { Value::Null };
                value["algorithm"] = json!(measured.timing.outputs.algorithm.name());
                value["right"] = json!(right);
                value["error_over_tolerance"] = json!(measured.error);
                value["median_ms"] = timed(measured.timing.median());
                value["spread"] = timed(measured.timing.spread());
                value["samples_ms"] = if right { json!(measured.timing.samples_ms) } else { Value::Null };
                value["clock"] = json!(measured.timing.method);
                value["gflops"] = measured.gflops().map_or(Value::Null, timed);
                value["gbytes_per_s"] = timed(measured.gbytes());
                value["workspace_bytes"] = json!(measured.timing.workspace_bytes);
            }
            Err(failure) => {
                value["algorithm"] = json!(self.algorithm);
                value["error"] = json!(failure.message);
            }
        }
        value
    }
}

fn verdict(rows: &[Row]) -> Result<()> {
    let wrong = rows.iter().filter(|row| matches!(&row.outcome, Ok(measured) if !measured.right())).count();
    if wrong > 0 {
        return Err(Failure::mismatch(format!("{wrong} of {} results are wrong", rows.len())));
    }
    let failures: Vec<&Failure> = rows.iter().filter_map(|row| row.outcome.as_ref().err()).collect();
    if let Some(failure) = failures.iter().find(|failure| failure.code == Code::Device) {
        return Err((*failure).clone());
    }
    match failures.first() {
        Some(first) if failures.len() == rows.len() => Err((*first).clone()),
        Some(_) => {
            tell!("{} of {} rows were not measured", failures.len(), rows.len());
            Ok(())
        }
        None => Ok(()),
    }
}
