//! `wgconv tune`: which algorithm is fastest, and how far the library's own choice is from it.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use clap::Args;
use serde_json::{Value, json};
use wgconv::bench::Pass;
use wgconv::gpu::Gpu;
use wgconv::tune::{self, DeviceKey, Entry, Outcome, TuneSettings, Tuned, Tuner};
use wgconv::{Geometry, Options};

use crate::backend::{Adapter, Numbers};
use crate::bench::{self, Layer, Load, Selection, or_interrupted, stop_on_interrupt};
use crate::console::{Table, progress, say, say_json, tell};
use crate::failure::{Code, Failure, Result};
use crate::files;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv tune                                        every suite, forward and backward, on the default adapter
  wgconv tune --suite resnet50 --pass forward --cache mine.jsonl
  wgconv tune --suite mine.json --force              a suite of your own, timed again
  wgconv tune --list                                 what the cache knows of this adapter
  wgconv bench --suite resnet50 --tuned              bench with what was found

Times every algorithm that applies, by turns, and adds the fastest to the cache, a file with a line for each problem and \
adapter; what it holds already is not timed again. `ms` are medians; `ratio` is the time of the library's own choice over \
that of the fastest algorithm, 1 where it chooses best. Rows with a single algorithm are not timed. The cache is \
$XDG_CACHE_HOME/wgconv/tune.jsonl (else ~/.cache/wgconv/tune.jsonl; on Windows in %LOCALAPPDATA%) unless --cache names \
another. Nothing reads it but this command, `bench --tuned`, and programs that ask the library to. Ctrl-C ends the run; \
what was timed is in the cache, and the exit code is 130. docs/tuning.md tells more.")]
pub struct TuneArgs {
    #[command(flatten)]
    selection: Selection,
    /// The file that remembers
    #[arg(long, value_name = "FILE.jsonl")]
    cache: Option<PathBuf>,
    #[command(flatten)]
    numbers: Numbers,
    /// Pack weights once, outside of what is timed, where an algorithm can
    #[arg(long)]
    pack_weights: bool,
    /// Time again what the cache holds
    #[arg(long)]
    force: bool,
    /// Also algorithms whose bits differ from run to run
    #[arg(long)]
    nondeterministic: bool,
    /// Visits to every algorithm, by turns
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Timed samples of a visit
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=1000))]
    samples: u16,
    /// Milliseconds that a sample aims at
    #[arg(long, value_name = "MS", default_value = "20", value_parser = clap::value_parser!(u16).range(1..=10000))]
    sample_ms: u16,
    /// MiB of buffers to rotate through, so that data are not found in a cache; 0 times warm data
    #[arg(long, value_name = "MIB", default_value = "256", value_parser = clap::value_parser!(u16).range(0..=16384))]
    rotate: u16,
    /// Show the cache's entries for the adapter instead of timing anything
    #[arg(long)]
    list: bool,
    /// Print everything in JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// How near the library's choice has to be to count as good.
const NEAR: f64 = 1.1;

/// Warnings that are printed one by one.
const MOST_WARNINGS: usize = 5;

/// The tuner of a file, or of the usual one; says which lines were skipped.
pub fn open(path: Option<&Path>) -> Result<Tuner> {
    path.map(|path| files::expect_no_dash("the cache", path)).transpose()?;
    let nowhere = || Failure::invalid("--cache: it must name a file where neither XDG_CACHE_HOME nor HOME is set");
    let path = path.map(PathBuf::from).or_else(tune::default_path).ok_or_else(nowhere)?;
    let tuner = Tuner::open(&path)?;
    let warnings = tuner.warnings();
    for warning in warnings.iter().take(MOST_WARNINGS) {
        tell!("skipped: {warning}");
    }
    if warnings.len() > MOST_WARNINGS {
        tell!("skipped: {} more lines of {}", warnings.len() - MOST_WARNINGS, path.display());
    }
    Ok(tuner)
}

/// Likewise of a file that is only read: `option` names it where it is not there, or is something else.
pub fn open_to_read(option: &str, path: Option<&Path>) -> Result<Tuner> {
    let tuner = open(path)?;
    tuner.expect_readable().map_err(|error| {
        let failure = Failure::from(error).of(option);
        Failure::invalid(format!("{failure}; `wgconv tune` makes such a file"))
    })?;
    Ok(tuner)
}

/// A layer's pass on an adapter, and what became of it.
struct Row<'a> {
    layer: &'a Layer,
    pass: Pass,
    device: usize,
    outcome: std::result::Result<Tuned, Failure>,
}

pub fn run(args: &TuneArgs) -> Result<()> {
    if args.list {
        return list(args);
    }
    let suites = args.selection.suites(false)?;
    let passes = args.selection.passes()?;
    let layers = args.selection.layers(&suites)?;
    bench::expect_a_pass(&layers, &passes)?;
    let tuner = open(args.cache.as_deref())?.nondeterministic(args.nondeterministic);
    let adapters = args.selection.adapters()?;
    tuner.expect_writable()?;
    let load = Load::now();
    if load.is_busy() {
        tell!("the machine is busy ({load}): do not trust these times");
    }
    let stop = stop_on_interrupt();
    let options = Options { pack_weights: args.pack_weights, ..args.numbers.options() };
    let settings = TuneSettings {
        rounds: args.rounds.into(),
        samples: args.samples.into(),
        sample_ms: args.sample_ms.into(),
        rotate_bytes: u64::from(args.rotate) << 20,
        force: args.force,
        ..TuneSettings::default()
    };
    let mut rows = Vec::new();
    let bar = progress(layers.len() * passes.len() * adapters.len());
    'all: for layer in &layers {
        for &pass in &passes {
            for (device, Adapter { gpu, .. }) in adapters.iter().enumerate() {
                if stop.load(Ordering::SeqCst) {
                    break 'all;
                }
                bar.inc(1);
                bar.set_message(format!("{} {}", layer.full_name(), pass.as_str()));
                let Some(problem) = pass.of(layer.geometry.problem()) else { continue };
                let outcome = Geometry::new(&problem)
                    .map_err(Failure::from)
                    .and_then(|geometry| bench::expect_memory(&geometry))
                    .and_then(|()| Ok(tuner.tune(gpu, &problem, &options, &settings)?));
                rows.push(Row { layer, pass, device, outcome });
            }
        }
    }
    bar.finish_and_clear();
    if args.json {
        say_json(&report(&tuner, &adapters, &rows, stop.load(Ordering::SeqCst)));
    } else {
        say_rows(&adapters, &rows);
    }
    or_interrupted(verdict(&rows), stop.load(Ordering::SeqCst))
}

/// How often the library's choice is near the best, of the rows that have a choice.
struct Score {
    near: usize,
    all: usize,
    /// The layer that it serves worst.
    worst: Option<(String, f64)>,
    /// Geometric mean of the ratios.
    mean: f64,
}

impl Score {
    fn of(device: usize, rows: &[Row<'_>]) -> Score {
        let mut score = Score { near: 0, all: 0, worst: None, mean: 1.0 };
        let mut logarithms = 0.0;
        for row in rows.iter().filter(|row| row.device == device) {
            let Some(ratio) = row.outcome.as_ref().ok().and_then(Tuned::heuristic_over_best) else { continue };
            score.all += 1;
            score.near += usize::from(ratio <= NEAR);
            logarithms += ratio.ln();
            if score.worst.as_ref().is_none_or(|(_, worst)| ratio > *worst) {
                score.worst = Some((format!("{} {}", row.layer.full_name(), row.pass.as_str()), ratio));
            }
        }
        if score.all > 0 {
            score.mean = (logarithms / score.all as f64).exp();
        }
        score
    }
}

fn say_rows(adapters: &[Adapter], rows: &[Row<'_>]) {
    for (id, adapter) in adapters.iter().enumerate() {
        say!("device {id}: {}", adapter.gpu.description());
    }
    let mut table =
        Table::new(&["layer", "pass", "dev", "heuristic", "tuned", "heuristic ms", "tuned ms", "ratio", "from"]);
    for row in rows {
        let mut cells = vec![row.layer.full_name(), row.pass.as_str().into(), row.device.to_string()];
        let number = |value: Option<f64>, digits: usize| value.map_or("-".into(), |value| format!("{value:.digits$}"));
        match &row.outcome {
            Ok(tuned) => cells.extend([
                tuned.heuristic.to_string(),
                tuned.algorithm.to_string(),
                number(tuned.ms_of(tuned.heuristic), 4),
                number(tuned.ms(), 4),
                number(tuned.heuristic_over_best(), 2),
                from(tuned).into(),
            ]),
            Err(failure) => {
                cells.extend(["-"; 6].map(String::from));
                cells.push(failure.message.clone());
            }
        }
        table.row(cells);
    }
    table.say();
    for id in 0..adapters.len() {
        let Score { near, all, worst, mean } = Score::of(id, rows);
        let Some((layer, ratio)) = worst else {
            say!("device {id}: no row has a choice");
            continue;
        };
        say!(
            "device {id}: the heuristic is within 10 % of the best candidate on {near} of {all} rows that have a choice \
             ({:.0} %); ratio {mean:.3} in the geometric mean, at worst {ratio:.2} ({layer})",
            100.0 * near as f64 / all as f64
        );
    }
}

fn from(tuned: &Tuned) -> &'static str {
    match (tuned.cached, tuned.best_ms()) {
        (true, _) => "cache",
        (false, Some(_)) => "timed",
        (false, None) => "no choice",
    }
}

fn report(tuner: &Tuner, adapters: &[Adapter], rows: &[Row<'_>], interrupted: bool) -> Value {
    let devices = adapters.iter().enumerate().map(|(id, adapter)| {
        let Score { near, all, worst, mean } = Score::of(id, rows);
        json!({
            "id": id.to_string(), "description": adapter.gpu.description(), "device": device(&adapter.gpu),
            "rows_with_a_choice": all, "heuristic_within_10_percent": near, "ratio_geometric_mean": mean,
            "worst": worst.map(|(row, ratio)| json!({"row": row, "ratio": ratio})),
        })
    });
    let rows = rows.iter().map(|row| {
        let mut told = json!({
            "suite": row.layer.suite, "layer": row.layer.name, "operation": row.layer.geometry.problem().op_name(),
            "pass": row.pass.as_str(), "device": row.device.to_string(),
        });
        match &row.outcome {
            Ok(tuned) => {
                told["heuristic"] = json!(tuned.heuristic);
                told["tuned"] = json!(tuned.algorithm);
                told["heuristic_ms"] = json!(tuned.ms_of(tuned.heuristic));
                told["tuned_ms"] = json!(tuned.ms());
                told["ratio"] = json!(tuned.heuristic_over_best());
                told["cached"] = json!(tuned.cached);
                told["clock"] = json!(tuned.clock);
                told["timings"] = json!(tuned.timings);
            }
            Err(failure) => told["message"] = json!(failure.message),
        }
        told
    });
    json!({
        "cache": tuner.path().map(|path| path.display().to_string()), "shaders": tune::shader_hash(),
        "devices": devices.collect::<Vec<_>>(), "rows": rows.collect::<Vec<_>>(), "interrupted": interrupted,
    })
}

fn device(gpu: &Gpu) -> Value {
    json!(DeviceKey::of(gpu.context()))
}

/// Refuses where nothing, or less than everything, could be tuned.
fn verdict(rows: &[Row<'_>]) -> Result<()> {
    let failures: Vec<(&Row<'_>, &Failure)> =
        rows.iter().filter_map(|row| Some((row, row.outcome.as_ref().err()?))).collect();
    let named = |(row, failure): &(&Row<'_>, &Failure)| {
        (*failure).clone().of(format!("{} {}", row.layer.full_name(), row.pass.as_str()))
    };
    match failures.iter().find(|(_, failure)| failure.code != Code::Unsupported) {
        Some(failure) => Err(named(failure)),
        None if rows.is_empty() => Err(Failure::unsupported("nothing was tuned")),
        None if failures.is_empty() => Ok(()),
        None if failures.len() == rows.len() => Err(named(&failures[0])),
        None => {
            tell!("{} of {} rows were not tuned", failures.len(), rows.len());
            Ok(())
        }
    }
}

/// What the cache knows of the adapters.
fn list(args: &TuneArgs) -> Result<()> {
    // The usual file need not be there.
    let tuner = match &args.cache {
        Some(path) => open_to_read("--cache", Some(path))?,
        None => open(None)?,
    };
    let adapters = args.selection.adapters()?;
    let entries = tuner.entries();
    let mut told = Vec::new();
    for adapter in &adapters {
        let key = DeviceKey::of(adapter.gpu.context());
        let entries: Vec<&Entry> = entries.iter().filter(|entry| entry.key.device == key).collect();
        if args.json {
            told.extend(entries.into_iter().map(|entry| json!(entry)));
            continue;
        }
        say!("{}: {} entries", adapter.gpu.description(), entries.len());
        let mut table = Table::new(&["operation", "tensors", "algorithm", "ms", "candidates", "kernels"]);
        for entry in entries {
            let timed = |outcome: &Outcome| matches!(outcome, Outcome::Timed { .. });
            let ms = entry.timings.iter().find(|timing| timing.algorithm == entry.algorithm).and_then(|t| t.ms());
            table.row(vec![
                entry.key.operation.clone(),
                tensors(entry),
                entry.algorithm.to_string(),
                ms.map_or("-".into(), |ms| format!("{ms:.4}")),
                entry.timings.iter().filter(|timing| timed(&timing.outcome)).count().to_string(),
                if entry.key.is_current() { "current".into() } else { "stale".into() },
            ]);
        }
        table.say();
    }
    if args.json {
        say_json(&Value::Array(told));
    }
    Ok(())
}

/// Names and shapes of what an entry's problem reads.
fn tensors(entry: &Entry) -> String {
    let Ok(geometry) = Geometry::new(&entry.key.problem) else { return "-".into() };
    let shape = |shape: &[usize]| shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    let read = geometry.tensors().iter().filter(|spec| spec.access != wgconv::Access::Write);
    read.map(|spec| format!("{} {}", spec.name, shape(&spec.shape))).collect::<Vec<_>>().join(", ")
}
