//! `wgconv targets`: what families of kernels are measured against, as ratios of one run: the tables of
//! docs/performance.md. Every result is verified before it is timed, all problems take turns, a ratio is one of medians.

mod tables;

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use clap::Args;
use serde::Serialize;
use wgconv::bench::{
    Clock, Device, Item, Machine, Pass, Peak, PeakKind, RowNames, Session, Settings, Software, Status, measure_peaks,
};
use wgconv::gpu::Gpu;
use wgconv::{Algorithm, Geometry, Options, Problem};

use crate::backend::{Backend, Kernels, Wanted, open_all};
use crate::bench::{Deadline, Expectations, Load, Saved, machine, or_interrupted, say_devices, stop_on_interrupt};
use crate::console::{progress, say, say_json, tell};
use crate::failure::{Failure, Result};
use tables::{Goal, Measure, Targets};

/// Name and version of the record's format.
const SCHEMA: &str = "wgconv-targets/1";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv targets                                     the table of the device's class of kernels
  wgconv targets --out targets.json --seconds 90
  wgconv targets --tiny --kernels gpu                small problems, one short sample: whether everything runs

Every result is compared with the f64 reference before it is timed; all problems take turns. The exit code does not depend on \
whether targets are met, only on whether results are right; it is 130 where Ctrl-C ended the run. docs/performance.md discusses the tables.")]
pub struct TargetsArgs {
    /// auto, a number or a part of a name (see `wgconv devices`)
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Wanted,
    /// own, gpu or cpu: the table and the kernels of which class, whatever the device is
    #[arg(long, value_name = "CLASS", default_value = "own")]
    kernels: Kernels,
    /// Visits to every problem, spread over the run
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Small problems, one round, one short sample: a rehearsal
    #[arg(long, conflicts_with = "rounds")]
    tiny: bool,
    /// Begin no measurement after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// Write the record, whole at any time
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
    /// Print the record instead of a table
    #[arg(long)]
    json: bool,
}

/// A run.
#[derive(Debug, Serialize)]
struct Record {
    schema: &'static str,
    created: String,
    software: Software,
    machine: Machine,
    settings: Settings,
    /// Whether problems were shrunk: the values mean nothing then.
    tiny: bool,
    devices: Vec<Device>,
    targets: Vec<Target>,
    /// What was timed; targets name places in this list.
    rows: Vec<wgconv::bench::Row>,
    /// Whether it was ended before every round.
    interrupted: bool,
}

/// A row of the table.
#[derive(Debug, Serialize)]
struct Target {
    family: &'static str,
    layer: String,
    /// In words.
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_least: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_most: Option<f64>,
    value: Option<f64>,
    /// Absent where there is no value.
    met: Option<bool>,
    detail: String,
    of: Vec<usize>,
}

pub fn run(args: &TargetsArgs) -> Result<()> {
    let mut saved = Saved::to(args.out.as_deref())?;
    let mut devices = open_all(&args.device)?;
    let adapter = match (devices.len(), devices.pop()) {
        (1, Some(Backend::Adapter(adapter))) => adapter,
        _ => return Err(Failure::invalid("--device: targets take one adapter")),
    };
    let load = Load::now();
    if load.is_busy() {
        tell!("the machine is busy ({load}): do not trust these times");
    }
    let settings = match args.tiny {
        true => Settings { rounds: 1, samples: 1, sample_ms: 1.0, rotate_bytes: 0 },
        false => Settings { rounds: args.rounds.into(), samples: 5, sample_ms: 20.0, rotate_bytes: 256 << 20 },
    };
    let stop = stop_on_interrupt();
    let deadline = Deadline::after(args.seconds, &stop);
    let bar = progress(0);
    // By the device's own class: a software rasteriser takes minutes for the work that a GPU is given.
    let peaks = measure_peaks(&adapter.gpu, Clock::Auto, &mut |what| bar.set_message(format!("limits: {what}")))?;
    let gpu = adapter.with_kernels(args.kernels).gpu;
    let targets = Targets::of(gpu.capabilities().class, args.tiny);
    bar.set_length((targets.items.len() * settings.rounds) as u64);
    let session = Session::new(&gpu, &settings, Clock::Auto);
    let mut record = Record {
        schema: SCHEMA,
        created: machine::now(),
        software: machine::software(),
        machine: machine::before(load),
        settings: settings.clone(),
        tiny: args.tiny,
        devices: vec![machine::device(&gpu, "0", session.clock(), &peaks)],
        targets: Vec::new(),
        rows: Vec::new(),
        interrupted: true,
    };
    let Targets { mut items, rows, .. } = targets;
    let mut expectations = Expectations::default();
    record.interrupted = 'all: {
        for _ in 0..settings.rounds {
            for i in 0..items.len() {
                if deadline.is_over() {
                    break 'all true;
                }
                bar.set_message(items[i].problem().op_name());
                expectations.visit(&session, &mut items[i]);
                bar.inc(1);
                saved.sometimes(|| {
                    record.fill(&items, &rows, &gpu, &session, &peaks);
                    &record
                })?;
            }
        }
        false
    };
    bar.finish_and_clear();
    record.fill(&items, &rows, &gpu, &session, &peaks);
    record.machine.load_after = Load::average();
    saved.last(&record)?;
    if args.json {
        say_json(&serde_json::to_value(&record).map_err(|error| Failure::invalid(error.to_string()))?);
    } else {
        say_record(&record);
    }
    or_interrupted(verdict(&record), stop.load(Ordering::SeqCst))
}

impl Record {
    /// What is known by now.
    fn fill(&mut self, items: &[Item], rows: &[tables::Row], gpu: &Gpu, session: &Session<'_>, peaks: &[Peak]) {
        let row = |item: &Item| {
            let operation = item.problem().op_name();
            let pass = if matches!(item.problem(), Problem::Gradient(_)) { Pass::Backward } else { Pass::Forward };
            let chosen = item.options().algorithm.is_none();
            let names =
                RowNames { suite: "targets", layer: &operation, operation: &operation, pass, device: "0", chosen };
            item.row(names, session.clock(), peaks)
        };
        self.rows = items.iter().map(row).collect();
        self.targets = rows.iter().map(|row| target(row, items, gpu, peaks)).collect();
    }
}

fn target(row: &tables::Row, items: &[Item], gpu: &Gpu, peaks: &[Peak]) -> Target {
    let median = |place: usize| items[place].summary_ms().map_or(f64::NAN, |summary| summary.median);
    let peak = |kind: PeakKind| peaks.iter().find(|peak| peak.kind == kind).map_or(f64::NAN, |peak| peak.per_second);
    let how = |place: usize| match (&items[place].algorithm, items[place].status) {
        (Some(algorithm), Status::Right) => algorithm.name(),
        (_, status) => status.as_str(),
    };
    let one = |place: usize| match items[place].summary_ms() {
        Some(summary) => format!("{:.4} ms by {}", summary.median, how(place)),
        None => how(place).into(),
    };
    let both = |a: usize, b: usize| format!("{}, {}", one(a), one(b));
    let geometry = |place: usize| Geometry::new(items[place].problem());
    let (value, detail, of) = match row.measure {
        Measure::Faster(ours, theirs) => (median(theirs) / median(ours), both(ours, theirs), vec![ours, theirs]),
        Measure::Slower(ours, theirs) => (median(ours) / median(theirs), both(ours, theirs), vec![ours, theirs]),
        Measure::Bandwidth(place) => {
            let bytes = geometry(place).map_or(0, |geometry| geometry.min_bytes(items[place].options().storage));
            (bytes as f64 / (median(place) * 1e-3) / peak(PeakKind::Copy), one(place), vec![place])
        }
        Measure::Peak(place) => {
            let operations = geometry(place).map_or(0, |geometry| 2 * geometry.macs());
            (operations as f64 / (median(place) * 1e-3) / peak(PeakKind::F32Fma), one(place), vec![place])
        }
        Measure::Workspace(place) => {
            let options = Options { algorithm: items[place].algorithm, ..items[place].options().clone() };
            let plan = wgconv::gpu::Plan::new(gpu.context(), items[place].problem(), &options);
            let bytes = plan.map_or(f64::NAN, |plan| plan.workspace_size() as f64);
            (bytes, format!("by {}", items[place].algorithm.map_or("-", Algorithm::name)), vec![place])
        }
    };
    let (at_least, at_most, number) = match row.goal {
        Goal::AtLeast(goal) => (Some(goal), None, format!("{goal}")),
        Goal::AtMost(goal) => (None, Some(goal), format!("at most {goal}")),
    };
    Target {
        family: row.family,
        layer: row.layer.clone(),
        target: format!("{number} {}", row.target),
        at_least,
        at_most,
        value: value.is_finite().then_some(value),
        met: value.is_finite().then(|| row.goal.is_met_by(value)),
        detail,
        of,
    }
}

/// As Markdown, for docs/performance.md.
fn say_record(record: &Record) {
    say_devices(&record.devices);
    say!("\n| family | layer | target | measured | | |\n| --- | --- | --- | --- | --- | --- |");
    for Target { family, layer, target, value, met, detail, .. } in &record.targets {
        let value = value.map_or_else(|| "-".into(), |value| format!("{value:.3}"));
        let met = met.map_or("", |met| if met { "met" } else { "missed" });
        say!("| {family} | {layer} | {target} | {value} | {met} | {detail} |");
    }
    if record.interrupted {
        say!("ended early: what is missing was not measured");
    }
}

fn verdict(record: &Record) -> Result<()> {
    let of = |status: Status| record.rows.iter().filter(move |row| row.status == status);
    let wrong = of(Status::Wrong).count();
    if wrong > 0 {
        return Err(Failure::mismatch(format!("{wrong} of {} results are wrong", record.rows.len())));
    }
    // What there was no time for has no algorithm.
    let failed = of(Status::Failed).find(|row| row.message.as_deref() != Some("not measured"));
    let message =
        |row: &wgconv::bench::Row| format!("{}: {}", row.operation, row.message.as_deref().unwrap_or("failed"));
    if let Some(row) = failed {
        return Err(Failure::device(message(row)));
    }
    match (of(Status::Right).next(), of(Status::Unsupported).next()) {
        (Some(_), _) => Ok(()),
        (None, Some(row)) => Err(Failure::unsupported(message(row))),
        (None, None) => Err(Failure::unsupported("nothing was measured: there was no time")),
    }
}
