//! `wgconv experiments`: which of two ways to compute a problem is faster.

mod list;

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Serialize;
use serde_json::{Map, Value};
use wgconv::bench::{Clock, Device, Item, Machine, Pass, Row, RowNames, Session, Settings, Software, Status, Summary};
use wgconv::{Options, Problem, choose};

use crate::backend::{Backend, Kernels, Wanted, open_all};
use crate::bench::{
    Batch, Deadline, Expectations, Load, Saved, machine, or_interrupted, say_devices, stop_on_interrupt,
};
use crate::console::{Table, progress, say, say_json, tell};
use crate::failure::{Failure, Result};
use crate::files;
use list::{Experiment, Variant};

/// Name and version of the record's format.
const SCHEMA: &str = "wgconv-experiments/1";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv experiments                                 the built-in list, benches/experiments.json
  wgconv experiments mine.json --out a.json          a list of your own
  wgconv experiments --only winograd --seconds 60    those with this in their name, none begun after a minute
  wgconv experiments --tiny                          one image, one short sample: whether everything runs

Both ways are verified against the f64 reference and timed by turns in one process on one device. `B/A` is the speed of B in \
units of A's, the median of A over that of B: above 1, B is faster. A verdict needs quartiles that do not meet, and two rounds. The file of \
--out is written after every experiment; Ctrl-C ends the run behind the one that is measured, with exit code 130. docs/benchmarking.md describes lists and records.")]
pub struct ExperimentsArgs {
    /// The list; the built-in one unless given
    #[arg(value_name = "FILE.json")]
    file: Option<PathBuf>,
    /// Only experiments with this in their name; may be repeated
    #[arg(long, value_name = "TEXT", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    only: Vec<String>,
    /// auto, a number or a part of a name (see `wgconv devices`)
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Wanted,
    /// own, gpu or cpu: which class of kernels, whatever the device is
    #[arg(long, value_name = "CLASS", default_value = "own")]
    kernels: Kernels,
    /// Images instead of what the list says: a number, suite or gpu
    #[arg(long, value_name = "N")]
    batch: Option<Batch>,
    /// Visits to either variant, by turns
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
    /// One image, one round, one short sample: a rehearsal
    #[arg(long, conflicts_with_all = ["batch", "rounds", "samples", "sample_ms", "rotate"])]
    tiny: bool,
    /// Begin no experiment after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// Write the record, whole after every experiment
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
    /// What to call the record
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    label: Option<String>,
    /// Print the record instead of a table
    #[arg(long)]
    json: bool,
}

/// A run.
#[derive(Debug, Serialize)]
struct Record {
    schema: &'static str,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    software: Software,
    machine: Machine,
    settings: Settings,
    devices: Vec<Device>,
    experiments: Vec<Outcome>,
    /// Names of those that there was no time for.
    waiting: Vec<String>,
}

/// What came of an experiment.
#[derive(Debug, Serialize)]
struct Outcome {
    name: String,
    question: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<String>,
    pass: Pass,
    problem: Problem,
    a: Side,
    b: Side,
    /// Median of A over that of B.
    ratio: Option<f64>,
    /// Likewise of each round.
    round_ratios: Vec<f64>,
    verdict: Verdict,
    /// How long it took, the reference included.
    seconds: f64,
}

/// A variant, as the list writes it, and its measurements.
#[derive(Debug, Serialize)]
struct Side {
    options: Map<String, Value>,
    row: Row,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    BFaster,
    AFaster,
    /// The quartiles meet, or the variants took turns but once.
    Undecided,
    /// One of them has no time.
    NotMeasured,
}

impl Verdict {
    fn of(a: Option<Summary>, b: Option<Summary>, rounds: usize) -> Verdict {
        match (a, b) {
            (Some(_), Some(_)) if rounds < 2 => Verdict::Undecided,
            (Some(a), Some(b)) if b.upper_quartile < a.lower_quartile => Verdict::BFaster,
            (Some(a), Some(b)) if a.upper_quartile < b.lower_quartile => Verdict::AFaster,
            (Some(_), Some(_)) => Verdict::Undecided,
            _ => Verdict::NotMeasured,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Verdict::BFaster => "B faster",
            Verdict::AFaster => "A faster",
            Verdict::Undecided => "undecided",
            Verdict::NotMeasured => "not measured",
        }
    }
}

pub fn run(args: &ExperimentsArgs) -> Result<()> {
    files::expect_targets(args.file.iter().map(|path| ("the list", path.as_path())), [("--out", args.out.as_deref())])?;
    let batch = if args.tiny { Some(Batch::Images(1)) } else { args.batch };
    let mut experiments = list::read(args.file.as_deref(), batch)?;
    experiments.retain(|one| args.only.is_empty() || args.only.iter().any(|text| one.name.contains(text)));
    if experiments.is_empty() {
        return Err(Failure::invalid(format!("--only = {}: no experiment has this in its name", args.only.join(","))));
    }
    let mut saved = Saved::to(args.out.as_deref())?;
    let mut devices = open_all(&args.device)?;
    let adapter = match (devices.len(), devices.pop()) {
        (1, Some(Backend::Adapter(adapter))) => adapter.with_kernels(args.kernels),
        _ => return Err(Failure::invalid("--device: experiments take one adapter")),
    };
    let load = Load::now();
    if load.is_busy() {
        tell!("the machine is busy ({load}): do not trust these times");
    }
    let settings = args.settings();
    let session = Session::new(&adapter.gpu, &settings, Clock::Auto);
    let names = experiments.iter().map(|experiment| experiment.name.clone());
    let mut record = Record {
        schema: SCHEMA,
        created: machine::now(),
        label: args.label.clone(),
        software: machine::software(),
        machine: machine::before(load),
        settings: settings.clone(),
        devices: vec![machine::device(&adapter.gpu, "0", session.clock(), &[])],
        experiments: Vec::new(),
        waiting: names.collect(),
    };
    saved.now(&record)?;
    let stop = stop_on_interrupt();
    let deadline = Deadline::after(args.seconds, &stop);
    let mut expectations = Expectations::default();
    let bar = progress(experiments.len());
    for experiment in &experiments {
        if deadline.is_over() {
            break;
        }
        bar.set_message(experiment.name.clone());
        record.experiments.push(measure(experiment, &adapter.gpu, &session, &mut expectations, &settings));
        record.waiting.remove(0);
        record.machine.load_after = Load::average();
        saved.now(&record)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    saved.last(&record)?;
    if args.json {
        say_json(&serde_json::to_value(&record).map_err(|error| Failure::invalid(error.to_string()))?);
    } else {
        say_record(&record);
    }
    or_interrupted(verdict(&record), stop.load(Ordering::SeqCst))
}

impl ExperimentsArgs {
    fn settings(&self) -> Settings {
        if self.tiny {
            return Settings { rounds: 1, samples: 1, sample_ms: 1.0, rotate_bytes: 0 };
        }
        Settings {
            rounds: self.rounds.into(),
            samples: self.samples.into(),
            sample_ms: self.sample_ms.into(),
            rotate_bytes: u64::from(self.rotate) << 20,
        }
    }
}

/// Visits both variants by turns, the first of a round being the second of the next.
fn measure(
    experiment: &Experiment,
    gpu: &wgconv::gpu::Gpu,
    session: &Session<'_>,
    expectations: &mut Expectations,
    settings: &Settings,
) -> Outcome {
    let start = std::time::Instant::now();
    let item = |variant: &Variant| Item::new(experiment.problem.clone(), variant.options.clone());
    let mut items = [item(&experiment.a), item(&experiment.b)];
    for round in 0..settings.rounds {
        for turn in 0..2 {
            expectations.visit(session, &mut items[(round + turn) % 2]);
        }
    }
    let (suite, layer) =
        experiment.layer.as_deref().and_then(|name| name.split_once('/')).unwrap_or(("experiments", &experiment.name));
    let operation = experiment.problem.op_name();
    let side = |item: &Item, variant: &Variant| {
        let chosen = variant.options.algorithm.is_none_or(|algorithm| {
            let free = Options { algorithm: None, ..variant.options.clone() };
            let choice = wgconv::Geometry::new(&experiment.problem)
                .and_then(|geometry| choose(&geometry, gpu.capabilities(), &free));
            choice.is_ok_and(|choice| choice.algorithm == algorithm)
        });
        let names = RowNames { suite, layer, operation: &operation, pass: experiment.pass, device: "0", chosen };
        Side { options: variant.text.clone(), row: item.row(names, session.clock(), &[]) }
    };
    let [a, b] = [side(&items[0], &experiment.a), side(&items[1], &experiment.b)];
    let medians =
        |row: &Row| -> Vec<f64> { row.rounds_ms.iter().filter_map(|round| Some(Summary::of(round)?.median)).collect() };
    let round_ratios = medians(&a.row).iter().zip(medians(&b.row)).map(|(a, b)| a / b).collect();
    Outcome {
        name: experiment.name.clone(),
        question: experiment.question.clone(),
        layer: experiment.layer.clone(),
        pass: experiment.pass,
        problem: experiment.problem.clone(),
        ratio: a.row.median_ms().zip(b.row.median_ms()).map(|(a, b)| a / b),
        round_ratios,
        verdict: Verdict::of(a.row.summary_ms, b.row.summary_ms, settings.rounds),
        a,
        b,
        seconds: start.elapsed().as_secs_f64(),
    }
}

fn say_record(record: &Record) {
    say_devices(&record.devices);
    let mut table = Table::new(&["experiment", "A", "B", "A ms", "B ms", "B/A", "rounds", "verdict"]);
    for outcome in &record.experiments {
        let ms = |row: &Row| match row.summary_ms {
            Some(summary) => format!("{:.4} ±{:.1}%", summary.median, 50.0 * summary.spread()),
            None => row.status.as_str().into(),
        };
        let least = outcome.round_ratios.iter().copied().reduce(f64::min);
        let most = outcome.round_ratios.iter().copied().reduce(f64::max);
        table.row(vec![
            outcome.name.clone(),
            outcome.a.row.algorithm.clone(),
            outcome.b.row.algorithm.clone(),
            ms(&outcome.a.row),
            ms(&outcome.b.row),
            outcome.ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.3}")),
            least.zip(most).map_or_else(|| "-".into(), |(least, most)| format!("{least:.3} to {most:.3}")),
            outcome.verdict.as_str().into(),
        ]);
    }
    table.say();
    for outcome in &record.experiments {
        for (name, side) in [("A", &outcome.a), ("B", &outcome.b)] {
            if let Some(message) = &side.row.message {
                say!("{} {name}: {}: {message}", outcome.name, side.row.status.as_str());
            }
        }
    }
    if !record.waiting.is_empty() {
        say!("no time was left for: {}", record.waiting.join(", "));
    }
}

fn verdict(record: &Record) -> Result<()> {
    let rows = || record.experiments.iter().flat_map(|outcome| [&outcome.a.row, &outcome.b.row]);
    let wrong = rows().filter(|row| row.status == Status::Wrong).count();
    if wrong > 0 {
        return Err(Failure::mismatch(format!("{wrong} results are wrong")));
    }
    let of = |status: Status| rows().find(move |row| row.status == status);
    let message = |row: &Row| format!("{}: {}", row.full_name(), row.message.as_deref().unwrap_or("failed"));
    if let Some(row) = of(Status::Failed) {
        return Err(Failure::device(message(row)));
    }
    match (of(Status::Right), of(Status::Unsupported)) {
        (Some(_), _) => Ok(()),
        (None, Some(row)) => Err(Failure::unsupported(message(row))),
        (None, None) => Err(Failure::unsupported("nothing was measured: there was no time")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_needs_quartiles_that_do_not_meet() {
        let of = |samples: &[f64]| Summary::of(samples);
        let (fast, slow, wide) = (of(&[1.0, 1.1, 1.2]), of(&[2.0, 2.1, 2.2]), of(&[1.0, 2.1, 3.0]));
        assert_eq!(Verdict::of(slow, fast, 3), Verdict::BFaster);
        assert_eq!(Verdict::of(fast, slow, 3), Verdict::AFaster);
        assert_eq!(Verdict::of(wide, slow, 3), Verdict::Undecided);
        assert_eq!(Verdict::of(slow, fast, 1), Verdict::Undecided);
        assert_eq!(Verdict::of(None, slow, 3), Verdict::NotMeasured);
    }
}
