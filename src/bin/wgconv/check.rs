//! `wgconv check`: case folders on every applicable algorithm against the numbers that they hold.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::json;
use wgconv::bench::{Clock, Device, Stopwatch};
use wgconv::{Accuracy, Algorithm, ErrorKind, Geometry, Options, Storage, TensorName, reference};

use crate::backend::{self, Backend, Computed, Kernels, Method, Numbers, Wanted};
use crate::bench::{Deadline, Saved, machine};
use crate::case::{self, Case};
use crate::compare::{Comparison, compare};
use crate::console::{Table, progress, say, say_json, tell};
use crate::failure::{Code, Failure, Result};
use crate::gradient::Backward;
use crate::npy::Array;
use crate::operation::Op;
use crate::request::Task;
use crate::run;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv check cases                              every case, every algorithm that applies, the default adapter
  wgconv check cases --device all --op conv2d     convolutions on every adapter
  wgconv check cases/one_case --algorithm direct  one case, one algorithm
  wgconv check cases --device reference           the CPU oracle against the numbers in the cases

A result passes when |got - want| <= atol + rtol*|want| for every element; `exact` cases and indices must be equal. \
Infinities of one sign are equal, NaN passes where NaN is wanted, and neither passes for a number. A \
case that expects an error passes when the request is refused as invalid. With --storage f16 the reference on the rounded \
inputs takes the place of the case's numbers, and a result may be one f16 further off. Exit code 1 when anything fails, 3 \
when nothing passes because nothing was compared.")]
pub struct CheckArgs {
    /// Case folders, or folders of case folders
    #[arg(required = true, value_name = "DIR")]
    paths: Vec<PathBuf>,
    /// auto, reference, all, a number or a part of a name (see `wgconv devices`)
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Wanted,
    /// all that apply, auto for the chosen one, or one by name
    #[arg(long, value_name = "NAME", default_value = "all")]
    algorithm: Method,
    #[command(flatten)]
    numbers: Numbers,
    /// own, gpu or cpu: which class of kernels, whatever the device is
    #[arg(long, value_name = "CLASS", default_value = "own")]
    kernels: Kernels,
    /// Only this operation
    #[arg(long, value_name = "OP", value_parser = NonEmptyStringValueParser::new())]
    op: Option<String>,
    /// Only cases with this in their name
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    filter: Option<String>,
    /// Compile the shaders with wgpu's bounds checks
    #[arg(long)]
    runtime_checks: bool,
    /// Print every comparison in JSON
    #[arg(long)]
    json: bool,
    /// Begin no case after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// Write counts and failures in JSON with what computed them, whole at any time
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
}

/// Name and version of the format of --out.
const SCHEMA: &str = "wgconv-check/1";

/// What became of one output of one case by one algorithm on one device.
struct Record {
    case: String,
    op: String,
    output: String,
    device: String,
    algorithm: String,
    verdict: Verdict,
}

impl Record {
    fn json(&self) -> serde_json::Value {
        let mut value = self.verdict.json();
        value["case"] = json!(self.case);
        value["op"] = json!(self.op);
        value["output"] = json!(self.output);
        value["device"] = json!(self.device);
        value["algorithm"] = json!(self.algorithm);
        value
    }
}

enum Verdict {
    Compared(Comparison),
    /// An expected refusal came.
    Refused,
    Failed(String),
    /// The device was at fault, or a shader that it refused.
    Device(String),
    Unsupported(String),
}

impl Verdict {
    fn passed(&self) -> bool {
        matches!(self, Verdict::Refused) || matches!(self, Verdict::Compared(c) if c.passed())
    }

    fn failed(&self) -> bool {
        matches!(self, Verdict::Failed(_) | Verdict::Device(_)) || matches!(self, Verdict::Compared(c) if !c.passed())
    }

    /// Why it did not pass, in one line.
    fn reason(&self) -> Option<String> {
        match self {
            Verdict::Compared(c) if !c.passed() => {
                let w = &c.worst;
                Some(format!(
                    "{} of {} elements out of tolerance, at {:?} got {:e}, want {:e} within {:.3e}",
                    c.bad, c.total, w.index, w.got, w.want, w.limit
                ))
            }
            Verdict::Failed(reason) | Verdict::Device(reason) | Verdict::Unsupported(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    fn json(&self) -> serde_json::Value {
        let name = match self {
            verdict if verdict.passed() => "pass",
            verdict if verdict.failed() => "fail",
            _ => "unsupported",
        };
        let mut value = json!({"verdict": name, "reason": self.reason()});
        if let Verdict::Compared(c) = self {
            // JSON has no infinity: such a ratio becomes null.
            value["error_over_tolerance"] = json!(c.ratio);
            value["error_over_typical"] = json!(c.typical);
            value["out_of_tolerance"] = json!(c.bad);
            value["elements"] = json!(c.total);
        }
        value
    }
}

pub fn run(args: &CheckArgs) -> Result<()> {
    let folders = case::find(&args.paths)?;
    if let (Method::One(algorithm), Wanted::Reference) = (args.algorithm, &args.device) {
        let rule = format!("--algorithm = {algorithm}: the reference has no choice of algorithms");
        return Err(Failure::invalid(rule));
    }
    let devices = backend::open_all(&args.device)?;
    let devices: Vec<Backend> = devices.into_iter().map(|device| device.with_kernels(args.kernels)).collect();
    let names = devices.iter().map(|device| (device.selector().to_string(), device.description())).collect();
    let adapters = devices.iter().filter_map(|device| match device {
        Backend::Adapter(adapter) => {
            let clock = Stopwatch::new(&adapter.gpu, Clock::Auto).kind();
            Some(machine::device(&adapter.gpu, device.selector(), clock, &[]))
        }
        Backend::Reference => None,
    });
    let mut report = Report {
        json: args.json,
        numbers: args.numbers,
        kernels: args.kernels,
        devices: names,
        adapters: adapters.collect(),
        created: machine::now(),
        ..Report::default()
    };
    let mut saved = Saved::to(args.out.as_deref())?;
    let stop = AtomicBool::new(false);
    let deadline = Deadline::after(args.seconds, &stop);
    let bar = progress(folders.len());
    for folder in folders {
        if deadline.is_over() {
            report.interrupted = true;
            break;
        }
        bar.inc(1);
        let folder_name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if args.filter.as_ref().is_some_and(|part| !folder_name.contains(part)) {
            continue;
        }
        let case = match Case::load(&folder) {
            Ok(case) => case,
            Err(error) => {
                report.cases.entry("unreadable".into()).or_default().cases += 1;
                let verdict = verdict_of(error.into());
                let record = Record {
                    case: folder_name,
                    op: "unreadable".into(),
                    output: String::new(),
                    device: String::new(),
                    algorithm: String::new(),
                    verdict,
                };
                bar.suspend(|| report.add(record, &folder));
                continue;
            }
        };
        if args.op.as_ref().is_some_and(|op| !same_op(op, case.op_name())) {
            continue;
        }
        bar.set_message(case.name.clone());
        report.cases.entry(case.op_name().into()).or_default().cases += 1;
        check_case(&case, &devices, args, &mut |record| bar.suspend(|| report.add(record, &folder)));
        saved.sometimes(|| report.summary(false))?;
    }
    bar.finish_and_clear();
    saved.last(&report.summary(!report.interrupted))?;
    report.finish()
}

fn same_op(wanted: &str, name: &str) -> bool {
    let canonical = |text: &str| Op::parse(text).map_or_else(|| text.replace('-', "_"), Op::name);
    canonical(wanted) == canonical(name)
}

fn verdict_of(failure: Failure) -> Verdict {
    match failure.code {
        Code::Unsupported => Verdict::Unsupported(failure.message),
        Code::Device => Verdict::Device(failure.message),
        _ => Verdict::Failed(failure.message),
    }
}

fn check_case(case: &Case, devices: &[Backend], args: &CheckArgs, add: &mut dyn FnMut(Record)) {
    let record = |output: &str, device: &str, algorithm: &str, verdict| Record {
        case: case.name.clone(),
        op: case.op_name().into(),
        output: output.into(),
        device: device.into(),
        algorithm: algorithm.into(),
        verdict,
    };
    let task = match (case.task(), case.expects_error()) {
        (Err(error), true) if error.kind() == ErrorKind::Invalid => {
            add(record("", "", "", Verdict::Refused));
            return;
        }
        (Ok(_), true) => {
            add(record("", "", "", Verdict::Failed("accepted, although it is invalid".into())));
            return;
        }
        (Err(error), _) => {
            add(record("", "", "", verdict_of(error.into())));
            return;
        }
        (Ok(task), false) => task,
    };
    let backward = match Backward::of(case, &task) {
        Ok(backward) => backward,
        Err(failure) => {
            add(record("gradients", "", "", verdict_of(failure)));
            None
        }
    };
    let outputs = case.forward_outputs();
    let expected = match Expected::new(case, &task, backward.as_ref(), args.numbers.storage) {
        Ok(expected) => expected,
        Err(failure) => {
            add(record("output", "reference", "", verdict_of(failure)));
            return;
        }
    };
    for device in devices {
        let forward = &task.checked.geometry;
        let passes = [(!outputs.is_empty()).then_some(forward), backward.as_ref().map(|backward| &backward.geometry)];
        let [forward_algorithms, backward_algorithms] =
            algorithms(passes, device, args.algorithm, &args.numbers.options());
        let runtime_checks = args.runtime_checks;
        let options = |algorithm| Options { algorithm, runtime_checks, ..args.numbers.options() };
        for algorithm in forward_algorithms {
            match device.run(forward, &options(algorithm), &task.inputs) {
                Ok(computed) => {
                    let allowed = allowed(&task, &computed);
                    for &output in &outputs {
                        let verdict = match &allowed {
                            Ok(allowed) => judge(&expected, &task, &computed, output, *allowed),
                            Err(failure) => verdict_of(failure.clone()),
                        };
                        add(record(output.as_str(), device.selector(), &computed.algorithm, verdict));
                    }
                }
                Err(failure) => add(record("output", device.selector(), named(algorithm), verdict_of(failure))),
            }
        }
        for (algorithm, backward) in backward_algorithms.into_iter().zip(backward.iter().cycle()) {
            match backward.run(device, &options(algorithm)) {
                Ok((gradients, algorithm)) => {
                    for gradient in gradients {
                        let got: Vec<f64> = gradient.values.iter().map(|&value| value.into()).collect();
                        let verdict = judge_values(&expected, gradient.name, &gradient.shape, &got, 0.0);
                        add(record(gradient.name, device.selector(), &algorithm, verdict));
                    }
                }
                Err(failure) => add(record("gradients", device.selector(), named(algorithm), verdict_of(failure))),
            }
        }
    }
}

fn named(algorithm: Option<Algorithm>) -> &'static str {
    algorithm.map_or("auto", Algorithm::name)
}

/// What to force for each pass that is there, one after the other; `None` leaves the choice to the library. An algorithm
/// that was asked for by name is forced on the passes that have it.
fn algorithms(
    passes: [Option<&Geometry>; 2],
    device: &Backend,
    method: Method,
    options: &Options,
) -> [Vec<Option<Algorithm>>; 2] {
    let has = |geometry: &Geometry, algorithm| Algorithm::of(geometry.problem()).contains(&algorithm);
    passes.map(|pass| {
        let Some(geometry) = pass else { return Vec::new() };
        match (device, method) {
            (Backend::Reference, _) | (_, Method::Auto) => vec![None],
            (_, Method::One(algorithm)) => {
                let elsewhere = passes.iter().flatten().any(|pass| has(pass, algorithm));
                if elsewhere && !has(geometry, algorithm) { vec![] } else { vec![Some(algorithm)] }
            }
            (_, Method::All) => {
                let candidates = device.candidates(geometry, options);
                let applicable: Vec<_> =
                    candidates.iter().filter(|c| c.verdict.is_ok()).map(|c| Some(c.algorithm)).collect();
                // Where nothing applies, running says why.
                if applicable.is_empty() { vec![None] } else { applicable }
            }
        }
    })
}

/// What an algorithm may err by beyond the tolerance of a case: nothing, unless its accuracy is one that had to be allowed. The
/// integers of an exact case are exact in plain sums alone.
fn allowed(task: &Task, computed: &Computed) -> Result<f64> {
    match Algorithm::parse(&computed.algorithm) {
        Some(algorithm) if algorithm.accuracy() > Accuracy::Standard => {
            let outcome = reference::run_by(task.checked.geometry.problem(), &task.inputs, algorithm)?;
            Ok((0..outcome.output.len())
                .map(|i| outcome.tolerance(i))
                .filter(|bound| bound.is_finite())
                .fold(0.0, f64::max))
        }
        _ => Ok(0.0),
    }
}

fn judge(expected: &Expected<'_>, task: &Task, computed: &Computed, output: TensorName, allowed: f64) -> Verdict {
    let shape = task.checked.given_shape(task.checked.geometry.output_shape());
    match (output, &computed.indices) {
        (TensorName::Indices, Some(indices)) => {
            let got: Vec<f64> = run::positions(indices).iter().map(|&position| position as f64).collect();
            match expected.array(output.as_str(), &shape) {
                // Positions are equal or wrong, whatever the case says.
                Ok(want) => Verdict::Compared(compare(&got, &want, &case::Tolerance::default(), false)),
                Err(reason) => Verdict::Failed(reason),
            }
        }
        (TensorName::Indices, None) => Verdict::Failed("no indices were computed".into()),
        _ => {
            let got: Vec<f64> = computed.output.iter().map(|&value| value.into()).collect();
            judge_values(expected, output.as_str(), &shape, &got, allowed)
        }
    }
}

/// Compares values that were rounded to f32.
fn judge_values(expected: &Expected<'_>, output: &str, shape: &[usize], got: &[f64], allowed: f64) -> Verdict {
    match expected.array(output, shape) {
        Ok(want) => {
            let got: Vec<f64> = got.iter().map(|&value| expected.held(value)).collect();
            let mut tolerance = expected.tolerance(output);
            if allowed > 0.0 {
                tolerance = case::Tolerance { exact: false, atol: tolerance.atol + allowed, ..tolerance };
            }
            Verdict::Compared(compare(&got, &want, &tolerance, true))
        }
        Err(reason) => Verdict::Failed(reason),
    }
}

/// What a case's outputs are compared with.
struct Expected<'a> {
    case: &'a Case,
    storage: Storage,
    /// The reference on the inputs that f16 holds, in place of the case's arrays.
    rounded: BTreeMap<&'static str, Vec<f64>>,
}

impl<'a> Expected<'a> {
    fn new(case: &'a Case, task: &Task, backward: Option<&Backward>, storage: Storage) -> Result<Expected<'a>> {
        let mut rounded = BTreeMap::new();
        if storage == Storage::F16 {
            let single = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
            let inputs = storage.round_all(&task.inputs);
            let exact = Options::default();
            let computed = Backend::Reference.run(&task.checked.geometry, &exact, &inputs)?;
            rounded.insert(TensorName::Output.as_str(), single(computed.output));
            if let Some(backward) = backward {
                let (gradients, _) = backward.rounded(storage).run(&Backend::Reference, &exact)?;
                rounded.extend(gradients.into_iter().map(|gradient| (gradient.name, single(gradient.values))));
            }
        }
        Ok(Expected { case, storage, rounded })
    }

    /// The expected array of an output of this shape.
    fn array(&self, output: &str, shape: &[usize]) -> std::result::Result<Array, String> {
        let mut want = match self.case.expected(output) {
            Ok(Some(want)) if want.shape == shape => want,
            Ok(Some(want)) => return Err(format!("{output} has shape {shape:?}: the case expects {:?}", want.shape)),
            Ok(None) => return Err("the case has no expected output".into()),
            Err(error) => return Err(error.to_string()),
        };
        if let Some(rounded) = self.rounded.get(output) {
            want.data = rounded.iter().map(|&value| self.held(value)).collect();
        }
        Ok(want)
    }

    /// The value, or where f16 ends the first one that it cannot hold: whether a device stores the largest or infinity is its
    /// own affair.
    fn held(&self, value: f64) -> f64 {
        const BEYOND_F16: f64 = 65520.0;
        match self.storage {
            Storage::F32 => value,
            Storage::F16 => value.clamp(-BEYOND_F16, BEYOND_F16),
        }
    }

    /// Of f16 one more of its spacings, and the subnormals that a device may flush.
    fn tolerance(&self, output: &str) -> case::Tolerance {
        let tolerance = self.case.tolerance(output);
        let (relative, absolute) = self.storage.error();
        match self.storage {
            Storage::F32 => tolerance,
            Storage::F16 => case::Tolerance {
                exact: false,
                atol: tolerance.atol + absolute,
                rtol: tolerance.rtol + relative,
                atol_typical: None,
            },
        }
    }
}

/// Counts of one operation.
#[derive(Debug, Default)]
struct Totals {
    cases: usize,
    comparisons: usize,
    passed: usize,
    failed: usize,
    /// Of the failed ones, those that the device brought about.
    device: usize,
    unsupported: usize,
    /// How often each reason came.
    reasons: BTreeMap<String, usize>,
    ratio: f64,
    typical: f64,
}

impl Totals {
    fn add(&mut self, verdict: &Verdict) {
        self.comparisons += 1;
        self.passed += usize::from(verdict.passed());
        self.failed += usize::from(verdict.failed());
        self.device += usize::from(matches!(verdict, Verdict::Device(_)));
        if let Verdict::Unsupported(reason) = verdict {
            self.unsupported += 1;
            *self.reasons.entry(reason.clone()).or_default() += 1;
        }
        if let Verdict::Compared(comparison) = verdict {
            self.ratio = self.ratio.max(comparison.ratio);
            self.typical = self.typical.max(comparison.typical.unwrap_or(0.0));
        }
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "cases": self.cases, "comparisons": self.comparisons, "pass": self.passed,
            "fail": self.failed, "unsupported": self.unsupported, "unsupported_reasons": self.reasons,
            "worst_error_over_tolerance": self.ratio, "worst_error_over_typical": self.typical,
        })
    }

    fn cells(&self, name: &str) -> Vec<String> {
        let counts = [self.cases, self.comparisons, self.passed, self.failed, self.unsupported];
        let mut cells = vec![name.to_string()];
        cells.extend(counts.map(|count| count.to_string()));
        cells.extend([self.ratio, self.typical].map(|ratio| format!("{ratio:.3}")));
        cells
    }
}

#[derive(Default)]
struct Report {
    json: bool,
    numbers: Numbers,
    kernels: Kernels,
    /// What `--device` calls each, and what it is.
    devices: Vec<(String, String)>,
    /// Those that are adapters, in full.
    adapters: Vec<Device>,
    created: String,
    records: Vec<serde_json::Value>,
    failures: Vec<serde_json::Value>,
    cases: BTreeMap<String, Totals>,
    all: Totals,
    /// Whether there was no time for the last cases.
    interrupted: bool,
}

impl Report {
    fn add(&mut self, record: Record, folder: &std::path::Path) {
        self.all.add(&record.verdict);
        self.cases.entry(record.op.clone()).or_default().add(&record.verdict);
        if record.verdict.failed() {
            self.failures.push(record.json());
        }
        if self.json {
            self.records.push(record.json());
        } else if record.verdict.failed() {
            let mut rerun = format!("wgconv check {}", folder.display());
            if !record.device.is_empty() {
                rerun.push_str(&format!(" --device {}", quoted(&record.device)));
            }
            if Algorithm::parse(&record.algorithm).is_some() {
                rerun.push_str(&format!(" --algorithm {}", record.algorithm));
            }
            if self.kernels != Kernels::Own {
                rerun.push_str(&format!(" --kernels {}", if self.kernels == Kernels::Gpu { "gpu" } else { "cpu" }));
            }
            if let Some(tile) = self.numbers.tile {
                rerun.push_str(&format!(" --tile {tile}"));
            }
            if self.numbers.accuracy != Accuracy::default() {
                rerun.push_str(&format!(" --accuracy {}", self.numbers.accuracy));
            }
            if self.numbers.storage != Storage::default() {
                rerun.push_str(&format!(" --storage {}", self.numbers.storage));
            }
            let reason = record.verdict.reason().unwrap_or_default();
            say!("FAIL {} {} {}: {reason}; rerun: {rerun}", record.case, record.output, record.algorithm);
        }
    }

    /// Why nothing was compared.
    fn nothing(&self) -> String {
        // In words that one line holds.
        const MOST_REASONS: usize = 3;
        let mut reasons: Vec<&str> = self.all.reasons.keys().map(String::as_str).collect();
        let more = reasons.len().saturating_sub(MOST_REASONS);
        reasons.truncate(MOST_REASONS);
        let why = match reasons.len() {
            0 if self.interrupted => "there was no time".into(),
            0 => "the cases name no output that was computed".into(),
            _ => reasons.join("; "),
        };
        let more = if more > 0 { format!("; and {more} more reasons") } else { String::new() };
        format!("nothing was compared: {why}{more}")
    }

    /// What --out writes.
    fn summary(&self, complete: bool) -> serde_json::Value {
        let cases: usize = self.cases.values().map(|totals| totals.cases).sum();
        let mut all = self.all.json();
        all["cases"] = json!(cases);
        let operations: serde_json::Map<_, _> =
            self.cases.iter().map(|(name, totals)| (name.clone(), totals.json())).collect();
        json!({
            "schema": SCHEMA, "created": self.created, "software": machine::software(), "host": machine::host(),
            "devices": self.adapters, "accuracy": self.numbers.accuracy, "storage": self.numbers.storage.name(),
            "tile": self.numbers.tile, "complete": complete, "all": all, "operations": operations, "failures": self.failures,
        })
    }

    fn finish(mut self) -> Result<()> {
        self.all.cases = self.cases.values().map(|totals| totals.cases).sum();
        if self.all.cases == 0 && !self.interrupted {
            return Err(Failure::invalid("--op and --filter: no case matches"));
        }
        if self.json {
            let operations: serde_json::Map<_, _> =
                self.cases.iter().map(|(name, totals)| (name.clone(), totals.json())).collect();
            let devices: serde_json::Map<_, _> =
                self.devices.iter().map(|(selector, name)| (selector.clone(), json!(name))).collect();
            say_json(&json!({
                "devices": devices, "comparisons": self.records, "operations": operations, "all": self.all.json(),
            }));
        } else {
            let mut table = Table::new(&[
                "operation",
                "cases",
                "comparisons",
                "pass",
                "fail",
                "unsupported",
                "error/tolerance",
                "error/typical",
            ]);
            for (name, totals) in &self.cases {
                table.row(totals.cells(name));
            }
            table.row(self.all.cells("all"));
            table.say();
            for (selector, name) in &self.devices {
                say!("device {selector}: {name}");
            }
            // The most frequent first.
            let mut reasons: Vec<_> = self.all.reasons.iter().collect();
            reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (reason, count) in reasons {
                say!("unsupported {count}: {reason}");
            }
        }
        if self.interrupted {
            tell!("no time was left for the last cases");
        }
        match self.all.failed {
            0 if self.all.passed == 0 => Err(Failure::unsupported(self.nothing())),
            0 => Ok(()),
            failed if failed == self.all.device => Err(Failure::device(format!("{failed} runs failed on the device"))),
            1 => Err(Failure::mismatch("1 comparison failed")),
            failed => Err(Failure::mismatch(format!("{failed} comparisons failed"))),
        }
    }
}

/// A device's name as a shell takes it.
fn quoted(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
