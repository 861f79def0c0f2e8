//! `wgconv bench`: verified measurements of known layers.

pub mod machine;
mod selection;
mod suite;
mod table;
mod turns;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use wgconv::bench::{
    Clock, Expected, Item, Pass, Peak, Record, RowNames, SCHEMA, Session, Settings, Status, measure_peaks,
};
use wgconv::tune::Tuner;
use wgconv::{Geometry, Options, Problem, Storage, choose};

use crate::backend::{Adapter, Method, Numbers};
use crate::console::{progress, say, say_json, tell};
use crate::failure::{Code, Failure, Result};
use crate::files;
pub use machine::Load;
pub use selection::{Layer, LayerFilter, Selection, passes};
pub use selection::{every_layer, layers_of, small_layers};
use suite::Suite;
pub use suite::{Batch, data, expect_memory, layer, layer_of, with_batch};
pub use table::{say_devices, say_rows};
pub use turns::{Deadline, Expectations, Saved};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv bench                                       every suite, forward and backward, on the default adapter
  wgconv bench --suite resnet50 --algorithm all      all algorithms side by side
  wgconv bench --layer 3x3 --device all --out a.json layers with 3x3 in their name on every adapter and backend
  wgconv bench --operation deform_conv2d --pass forward,grad_offset,grad_mask
  wgconv bench --large --batch gpu --out h.json      what a GPU should be given
  wgconv bench --suite mine.json                     a suite of your own, see benches/shapes/README.md
  wgconv bench --tuned                               what `wgconv tune` found, instead of the library's choice
  wgconv bench --list

Every result is compared with the f64 reference first; a row whose check fails says `wrong` instead of a time, and the \
exit code is 1. `error` is the largest deviation over its bound for f32 in any order of summation: up to 1 is right. \
`ms` is the median of all samples, `spread` the distance of their quartiles in percent of it. GFLOP/s counts two \
operations per multiply-add of the direct algorithm, whatever the algorithm does; GB/s counts every tensor once. `limit` \
is the share of min(peak, intensity x bandwidth) that is reached, with the side that bounds it. Ctrl-C ends the run \
and keeps what was measured; the exit code is 130. docs/benchmarking.md tells what makes a timing trustworthy.")]
pub struct BenchArgs {
    #[command(flatten)]
    selection: Selection,
    /// auto for the chosen one, all that apply, or one by name
    #[arg(long, value_name = "NAME", default_value = "auto")]
    algorithm: Method,
    #[command(flatten)]
    numbers: Numbers,
    /// Pack weights once, outside of what is timed, where an algorithm can
    #[arg(long)]
    pack_weights: bool,
    /// Use the algorithms of a file of `wgconv tune` where the library would choose; without a name its usual file
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    tuned: Option<Option<PathBuf>>,
    /// Visits to every row, spread over the run, so that the machine's drift is in the spread
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Timed samples of a visit
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u16).range(1..=1000))]
    samples: u16,
    /// Milliseconds that a sample aims at
    #[arg(long, value_name = "MS", default_value = "20", value_parser = clap::value_parser!(u16).range(1..=10000))]
    sample_ms: u16,
    /// MiB of buffers to rotate through, so that data are not found in a cache; 0 times warm data
    #[arg(long, value_name = "MIB", default_value = "256", value_parser = clap::value_parser!(u16).range(0..=16384))]
    rotate: u16,
    /// auto for timestamps where the device has them
    #[arg(long, value_name = "CLOCK", default_value = "auto")]
    clock: ClockName,
    /// Do not measure the machine's limits; the rows then say nothing about them
    #[arg(long)]
    no_limits: bool,
    /// Write the record, for `wgconv report`
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
    /// What to call the record
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    label: Option<String>,
    /// Name the suites and their layers
    #[arg(long)]
    list: bool,
    /// Print the record instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClockName {
    Auto,
    Wall,
}

/// A device under test.
struct Bench<'a> {
    adapter: &'a Adapter,
    id: String,
    peaks: Vec<Peak>,
}

/// What becomes a row.
struct Entry {
    layer: usize,
    bench: usize,
    pass: Pass,
    chosen: bool,
    /// Whether a file says what is forced.
    tuned: bool,
    item: Item,
}

pub fn run(args: &BenchArgs) -> Result<()> {
    let suites = args.selection.suites(args.list)?;
    if args.list {
        list(&suites, args.selection.batch, args.json)?;
        return Ok(());
    }
    let passes = args.selection.passes()?;
    let layers = args.selection.layers(&suites)?;
    expect_a_pass(&layers, &passes)?;
    let tuned = args.tuned.iter().flatten().map(|path| ("that of --tuned", path.as_path()));
    files::expect_targets(args.selection.files().chain(tuned), [("--out", args.out.as_deref())])?;
    let tuner = args.tuner()?;
    let adapters = args.selection.adapters()?;
    let mut benches: Vec<Bench<'_>> = Vec::new();
    for (index, adapter) in adapters.iter().enumerate() {
        benches.push(Bench { adapter, id: index.to_string(), peaks: Vec::new() });
    }
    let load_before = Load::now();
    if load_before.is_busy() {
        tell!("the machine is busy ({load_before}): do not trust these times");
    }
    let clock = match args.clock {
        ClockName::Auto => Clock::Auto,
        ClockName::Wall => Clock::Wall,
    };
    let settings = Settings {
        rounds: args.rounds.into(),
        samples: args.samples.into(),
        sample_ms: args.sample_ms.into(),
        rotate_bytes: u64::from(args.rotate) << 20,
    };
    let mut record = Record {
        schema: SCHEMA.into(),
        created: machine::now(),
        label: args.label.clone(),
        software: machine::software(),
        machine: machine::before(load_before),
        settings: settings.clone(),
        devices: Vec::new(),
        rows: Vec::new(),
        interrupted: false,
    };

    let stop = stop_on_interrupt();
    if !args.no_limits {
        let bar = progress(0);
        for bench in &mut benches {
            let description = bench.adapter.gpu.description();
            let mut tell = |what: &str| bar.set_message(format!("limits of {description}: {what}"));
            bench.peaks = measure_peaks(&bench.adapter.gpu, clock, &mut tell)?;
        }
        bar.finish_and_clear();
    }
    let pack_weights = args.pack_weights;
    let auto = Options { pack_weights, ..args.numbers.options() };
    let mut entries = entries(&layers, &benches, &passes, args.algorithm, &auto, tuner.as_ref());
    if let Some(tuner) = &tuner {
        let tuned = entries.iter().filter(|entry| entry.tuned).count();
        let file = tuner.path().unwrap_or(Path::new("-")).display();
        tell!("{tuned} of {} rows use {file}", entries.len());
    }
    let sessions: Vec<Session<'_>> =
        benches.iter().map(|bench| Session::new(&bench.adapter.gpu, &settings, clock)).collect();
    record.interrupted = measure(&layers, &sessions, &mut entries, &settings, &stop);

    for (bench, session) in benches.iter().zip(&sessions) {
        record.devices.push(machine::device(&bench.adapter.gpu, &bench.id, session.clock(), &bench.peaks));
    }
    for entry in &entries {
        if entry.item.was_visited() {
            let layer = &layers[entry.layer];
            let bench = &benches[entry.bench];
            let operation = layer.geometry.problem().op_name();
            let names = RowNames {
                suite: &layer.suite,
                layer: &layer.name,
                operation: &operation,
                pass: entry.pass,
                device: &bench.id,
                chosen: entry.chosen,
            };
            record.rows.push(entry.item.row(names, sessions[entry.bench].clock(), &bench.peaks));
        }
    }
    record.machine.load_after = Load::now().average;
    if let Some(path) = &args.out {
        let text = serde_json::to_vec_pretty(&record).map_err(|error| Failure::invalid(error.to_string()))?;
        files::write_all(&[(path.clone(), text)])?;
    }
    if args.json {
        say_json(&serde_json::to_value(&record).map_err(|error| Failure::invalid(error.to_string()))?);
    } else {
        table::say_record(&record);
    }
    or_interrupted(verdict(&record), record.interrupted)
}

impl BenchArgs {
    /// That of `--tuned`.
    fn tuner(&self) -> Result<Option<Tuner>> {
        match &self.tuned {
            None => Ok(None),
            Some(_) if self.algorithm != Method::Auto => {
                Err(Failure::invalid("--tuned: it needs --algorithm auto, which leaves a choice"))
            }
            Some(path) => crate::tune::open_to_read("--tuned", path.as_deref()).map(Some),
        }
    }
}

/// Refuses passes that no layer has.
pub fn expect_a_pass(layers: &[Layer], passes: &[Pass]) -> Result<()> {
    let has = |layer: &Layer| passes.iter().any(|pass| pass.of(layer.geometry.problem()).is_some());
    if layers.iter().any(has) {
        return Ok(());
    }
    let names: Vec<&str> = passes.iter().map(|pass| pass.as_str()).collect();
    Err(Failure::invalid(format!("--pass = {}: no layer here has it", names.join(","))))
}

/// Set by the first Ctrl-C; the second one ends the program. Where no thread can be started to wait for it, the first one does.
pub fn stop_on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let caught = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        tell!("ending behind this measurement; press Ctrl-C again to end at once");
    });
    if let Err(error) = caught {
        tell!("Ctrl-C will end the run with nothing kept: {error}");
    }
    stop
}

/// What a run ends with that Ctrl-C may have ended: a wrong result and trouble with the device are worth more than that, but
/// what was not measured says nothing then.
pub fn or_interrupted(verdict: Result<()>, interrupted: bool) -> Result<()> {
    match verdict {
        Ok(()) | Err(Failure { code: Code::Unsupported, .. }) if interrupted => Err(Failure::interrupted()),
        verdict => verdict,
    }
}

fn list(suites: &[Suite], batch: suite::Batch, as_json: bool) -> Result<()> {
    if as_json {
        let mut told = Vec::new();
        for suite in suites {
            let mut layers = Vec::new();
            for layer in &suite.layers {
                let geometry =
                    layer.geometry(batch).map_err(|error| Failure::from(error).of(suite.full_name(layer)))?;
                layers.push(json!({
                    "name": layer.name, "operation": geometry.problem().op_name(), "large": layer.large,
                    "gpu_batch": layer.gpu_batch, "macs": geometry.macs(), "min_bytes": geometry.min_bytes(Storage::F32),
                    "problem": geometry.problem(),
                }));
            }
            told.push(json!({"name": suite.name, "source": suite.source, "layers": layers}));
        }
        say_json(&Value::Array(told));
        return Ok(());
    }
    for suite in suites {
        say!("{}: {}", suite.name, suite.source);
        for layer in &suite.layers {
            say!("  {}{}", layer.name, if layer.large { " (large)" } else { "" });
        }
    }
    Ok(())
}

/// Every row in the order in which they are visited.
fn entries(
    layers: &[Layer],
    benches: &[Bench<'_>],
    passes: &[Pass],
    method: Method,
    auto: &Options,
    tuner: Option<&Tuner>,
) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (layer, Layer { geometry, .. }) in layers.iter().enumerate() {
        for &pass in passes {
            let Some(problem) = pass.of(geometry.problem()) else { continue };
            for (bench, Bench { adapter, .. }) in benches.iter().enumerate() {
                for (options, chosen) in ways(&problem, adapter, method, auto, tuner) {
                    let tuned = tuner.is_some() && options.algorithm.is_some();
                    let item = Item::new(problem.clone(), options);
                    entries.push(Entry { layer, bench, pass, chosen, tuned, item });
                }
            }
        }
    }
    entries
}

/// What to force, one after the other, and whether the library would choose it; nothing forced leaves the choice to it.
fn ways(
    problem: &Problem,
    adapter: &Adapter,
    method: Method,
    auto: &Options,
    tuner: Option<&Tuner>,
) -> Vec<(Options, bool)> {
    let forced = |algorithm| auto.clone().algorithm(algorithm);
    let Ok(geometry) = Geometry::new(problem) else { return vec![(auto.clone(), true)] };
    let capabilities = adapter.gpu.capabilities();
    let chosen = choose(&geometry, capabilities, auto).ok().map(|choice| choice.algorithm);
    match method {
        Method::Auto => match tuner.and_then(|tuner| tuner.lookup(adapter.gpu.context(), problem, auto)) {
            Some(algorithm) => vec![(forced(algorithm), chosen == Some(algorithm))],
            None => vec![(auto.clone(), true)],
        },
        Method::One(algorithm) => vec![(forced(algorithm), chosen == Some(algorithm))],
        Method::All => {
            let candidates = wgconv::candidates(&geometry, capabilities, auto);
            let applicable = candidates.iter().filter(|candidate| candidate.verdict.is_ok());
            let ways: Vec<_> = applicable.map(|c| (forced(c.algorithm), chosen == Some(c.algorithm))).collect();
            // Where nothing applies, running says why.
            if ways.is_empty() { vec![(auto.clone(), true)] } else { ways }
        }
    }
}

/// Visits everything once in every round. Returns whether it was ended early.
fn measure(
    layers: &[Layer],
    sessions: &[Session<'_>],
    entries: &mut [Entry],
    settings: &Settings,
    stop: &AtomicBool,
) -> bool {
    let bar = progress(entries.len() * settings.rounds);
    for round in 0..settings.rounds {
        // Entries of one problem lie side by side: they share data and expectation.
        for group in entries.chunk_by_mut(|a, b| (a.layer, a.pass) == (b.layer, b.pass)) {
            let layer = &layers[group[0].layer];
            let what = format!("{}/{} {}", layer.suite, layer.name, group[0].pass.as_str());
            bar.set_message(format!("round {} of {}: {what}", round + 1, settings.rounds));
            let problem = group[0].item.problem().clone();
            let inputs = Geometry::new(&problem).map_err(Failure::from).and_then(|geometry| suite::data(&geometry));
            let inputs = match inputs {
                Ok(inputs) => inputs,
                Err(failure) => {
                    group.iter_mut().for_each(|entry| entry.item.refuse(Status::Unsupported, &failure.message));
                    bar.inc(group.len() as u64);
                    continue;
                }
            };
            let storage = group[0].item.options().storage;
            let mut known: Option<Arc<Expected>> = None;
            let mut expected = || match &known {
                Some(known) => Ok(known.clone()),
                None => {
                    let expected = Arc::new(Expected::of(&problem, &inputs, storage)?);
                    known = Some(expected.clone());
                    Ok(expected)
                }
            };
            for entry in group.iter_mut() {
                if stop.load(Ordering::SeqCst) {
                    bar.finish_and_clear();
                    return true;
                }
                if entry.item.is_alive() {
                    sessions[entry.bench].visit(&mut entry.item, &inputs, &mut expected);
                }
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    false
}

fn verdict(record: &Record) -> Result<()> {
    let count = |status: Status| record.rows.iter().filter(|row| row.status == status).count();
    let rows = record.rows.len();
    if rows == 0 {
        return Err(Failure::unsupported("nothing was measured"));
    }
    let wrong = count(Status::Wrong);
    if wrong > 0 {
        return Err(Failure::mismatch(format!("{wrong} of {rows} results are wrong")));
    }
    let first = |status: Status| record.rows.iter().find(|row| row.status == status);
    let message = |row: &wgconv::bench::Row| {
        format!("{} {}: {}", row.full_name(), row.pass.as_str(), row.message.as_deref().unwrap_or("failed"))
    };
    if let Some(row) = first(Status::Failed) {
        return Err(Failure::device(message(row)));
    }
    let unsupported = count(Status::Unsupported);
    match first(Status::Unsupported) {
        Some(row) if unsupported == rows => Err(Failure::unsupported(message(row))),
        Some(_) => {
            tell!("{unsupported} of {rows} rows were not measured");
            Ok(())
        }
        None => Ok(()),
    }
}
