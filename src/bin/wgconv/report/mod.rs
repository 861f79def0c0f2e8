//! `wgconv report`: what records say, to read and to compare.

mod csv;
pub mod html;
mod json;
mod load;
mod remarks;
mod terminal;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use wgconv::bench::{Change, Comparison, Device, Pass, Record, Row, Verdict, compare};

use crate::bench::{LayerFilter, passes};
use crate::console::say_json;
use crate::diff;
use crate::failure::{Failure, Result};
use crate::files;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv report a.json                               the record as text
  wgconv report a.json --html a.html                 one page with plots and tables that needs nothing else
  wgconv report before.json after.json               what became faster, slower, broken
  wgconv report main.json mine.json --fail-on-slower --html change.html
  wgconv report vulkan.json gl.json --csv rows.csv   every row of both, for a spreadsheet
  wgconv report here.json there.json                 files of `wgconv diff --out`: where their results differ

The first record is the baseline that every other one is compared with. A row is slower or faster where its median \
moved by more than --threshold beyond the median of what the peaks of the same adapter moved, and the spreads \
of the two do not meet and the quartiles of each lie less far apart than the medians; a spread reaches from the lowest to the highest of \
quartiles and medians of rounds. Rows are \
the same where suite, layer, pass, problem, algorithm, adapter and backend are; where each record has one device, \
these two are compared.

The CSV has a line per row of every record: file, label, created, commit, wgconv, wgpu, device, adapter, backend, \
driver, driver_info, kernel_class, suite, layer, operation, pass, algorithm, chosen, element, status, message, \
samples, median_ms, min_ms, lower_quartile_ms, upper_quartile_ms, max_ms, spread, outliers, gflops, gbytes, \
intensity, bound_side, bound_limit_ms, bound_fraction, error_over_tolerance, macs, flops, min_bytes, traffic_bytes, \
workspace_bytes, dispatches, plan_cold_ms, plan_cached_ms, plan_ms, first_run_ms, bind_us, encode_us, clock, repeats, \
buffer_sets, and against the baseline verdict, ratio, threshold. Exit code 1 is that of --fail-on-slower.")]
pub struct ReportArgs {
    /// Records that `wgconv bench --out` wrote, the first the baseline of the others; or results of `wgconv diff --out`
    #[arg(value_name = "FILE.json", required = true)]
    records: Vec<PathBuf>,
    /// Write a page for a browser
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
    /// Write every row as comma-separated values
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    /// Change that counts: 0.05 is five percent, and what it is unless given; on a CPU adapter ten
    #[arg(long, value_name = "FRACTION", value_parser = threshold)]
    threshold: Option<f64>,
    /// End with exit code 1 when a row is slower or broken
    #[arg(long)]
    fail_on_slower: bool,
    /// Only rows of these suites
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    suite: Vec<String>,
    #[command(flatten)]
    filter: LayerFilter,
    /// Only forward, backward, grad_input, grad_weight and so on
    #[arg(long, value_name = "PASS", value_delimiter = ',')]
    pass: Vec<String>,
    /// Print summary and comparison in JSON
    #[arg(long)]
    json: bool,
}

impl ReportArgs {
    /// The report of results instead of times.
    fn differences(&self, files: &[(PathBuf, Vec<u8>)], results: usize) -> Result<()> {
        if results < files.len() {
            return Err(Failure::invalid("FILE.json: some are of `wgconv bench`, others of `wgconv diff`"));
        }
        let of_times = [
            ("--csv", self.csv.is_some()),
            ("--threshold", self.threshold.is_some()),
            ("--fail-on-slower", self.fail_on_slower),
            ("--suite", !self.suite.is_empty()),
            ("--layer", self.filter.layer.is_some()),
            ("--operation", !self.filter.operation.is_empty()),
            ("--pass", !self.pass.is_empty()),
        ];
        if let Some((option, _)) = of_times.iter().find(|(_, given)| *given) {
            return Err(Failure::invalid(format!(
                "{option}: results of `wgconv diff` have no times that it could apply to"
            )));
        }
        diff::report(files, self.html.as_deref(), self.json)
    }
}

fn threshold(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(fraction) if fraction.is_finite() && fraction > 0.0 => Ok(fraction),
        _ => Err("it must be a finite number above 0, as in 0.05 for five percent".into()),
    }
}

/// A record and what the report calls it.
struct Source {
    path: PathBuf,
    /// Its label, or else the file's name; no two are equal.
    name: String,
    record: Record,
}

/// Everything that the report is made from.
struct Report {
    sources: Vec<Source>,
    /// Of the first source with each of the others.
    comparisons: Vec<Comparison>,
    threshold: Option<f64>,
}

pub fn run(args: &ReportArgs) -> Result<()> {
    if args.fail_on_slower && args.records.len() < 2 {
        return Err(Failure::invalid("--fail-on-slower = true: it needs a second record to compare with the first"));
    }
    let written = [("--html", args.html.as_deref()), ("--csv", args.csv.as_deref())];
    files::expect_targets(args.records.iter().map(|path| ("a record", path.as_path())), written)?;
    // Once: a pipe has nothing to say a second time.
    let read = |path: &PathBuf| Ok((path.clone(), files::read(path)?));
    let files = args.records.iter().map(read).collect::<Result<Vec<_>>>()?;
    let results = files.iter().filter(|(_, bytes)| diff::is_results(bytes)).count();
    if results > 0 {
        return args.differences(&files, results);
    }
    let filter = Filter::new(args)?;
    let mut sources = Vec::new();
    for (path, bytes) in &files {
        let mut record = load::record(path, bytes)?;
        record.rows.retain(|row| filter.keeps(row));
        sources.push(Source { path: path.clone(), name: name(path, &record, &sources), record });
    }
    if filter.is_set() && sources.iter().all(|source| source.record.rows.is_empty()) {
        return Err(Failure::invalid(format!("{filter}: no row is left")));
    }
    let baseline = &sources[0].record;
    let comparisons = sources[1..].iter().map(|source| compare(baseline, &source.record, args.threshold)).collect();
    let report = Report { sources, comparisons, threshold: args.threshold };

    let mut outputs = Vec::new();
    if let Some(path) = &args.html {
        outputs.push((path.clone(), html::page(&report)?.into_bytes()));
    }
    if let Some(path) = &args.csv {
        outputs.push((path.clone(), csv::table(&report)?));
    }
    files::write_all(&outputs)?;
    if args.json {
        say_json(&json::summary(&report));
    } else if outputs.is_empty() {
        terminal::say(&report);
    } else {
        terminal::say_totals(&report);
    }
    if args.fail_on_slower { judge(&report) } else { Ok(()) }
}

/// The label, or else the file's name, with a number behind it where another source has it.
fn name(path: &Path, record: &Record, others: &[Source]) -> String {
    let file = || path.file_stem().map_or_else(|| "record".into(), |stem| stem.to_string_lossy().into_owned());
    let plain = record.label.clone().filter(|label| !label.trim().is_empty()).unwrap_or_else(file);
    // It is printed on terminals.
    let plain: String = plain.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    let is_taken = |name: &String| others.iter().any(|other| other.name == *name);
    let numbered = (2..).map(|number| format!("{plain} ({number})"));
    std::iter::once(plain.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or(plain)
}

fn judge(report: &Report) -> Result<()> {
    let mut worse = Vec::new();
    let judged = |comparison: &Comparison| {
        comparison.changes.iter().any(|change| change.ratio.is_some() || change.verdict == Verdict::Broken)
    };
    if !report.compared().any(|(_, comparison)| judged(comparison)) {
        let rule = "--fail-on-slower = true: no row was measured in the first record and in another";
        return Err(Failure::unsupported(rule));
    }
    for (source, comparison) in report.compared() {
        let [slower, broken] = [Verdict::Slower, Verdict::Broken].map(|verdict| comparison.count(verdict));
        if slower + broken > 0 {
            worse.push(format!("{}: {slower} rows are slower and {broken} broken", source.name));
        }
    }
    if worse.is_empty() {
        return Ok(());
    }
    Err(Failure::mismatch(format!("against {}, {}", report.sources[0].name, worse.join("; "))))
}

/// Which rows are looked at.
struct Filter<'a> {
    args: &'a ReportArgs,
    operations: BTreeSet<String>,
    passes: Vec<Pass>,
}

impl<'a> Filter<'a> {
    fn new(args: &'a ReportArgs) -> Result<Self> {
        Ok(Filter { args, operations: args.filter.operations()?, passes: passes(&args.pass)? })
    }

    fn is_set(&self) -> bool {
        let Filter { args, operations, passes } = self;
        !(args.suite.is_empty() && args.filter.layer.is_none() && operations.is_empty() && passes.is_empty())
    }

    fn keeps(&self, row: &Row) -> bool {
        let Filter { args, operations, passes } = self;
        (args.suite.is_empty() || args.suite.contains(&row.suite))
            && args.filter.names(&row.suite, &row.layer)
            && (operations.is_empty() || operations.contains(&row.operation))
            && (passes.is_empty() || passes.contains(&row.pass))
    }
}

impl std::fmt::Display for Filter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let args = self.args;
        let lists = [("--suite", &args.suite), ("--operation", &args.filter.operation), ("--pass", &args.pass)];
        let lists = lists.into_iter().filter(|(_, names)| !names.is_empty());
        let mut said: Vec<String> = lists.map(|(option, names)| format!("{option} = {}", names.join(","))).collect();
        said.extend(args.filter.layer.iter().map(|text| format!("--layer = {text}")));
        f.write_str(&said.join(", "))
    }
}

impl Report {
    /// Every record but the baseline, with its comparison.
    fn compared(&self) -> impl Iterator<Item = (&Source, &Comparison)> {
        self.sources[1..].iter().zip(&self.comparisons)
    }
}

impl Source {
    fn device(&self, row: &Row) -> Option<&Device> {
        self.record.devices.iter().find(|device| device.id == row.device)
    }
}

/// A change with its rows.
struct Pair<'a> {
    change: &'a Change,
    before: Option<&'a Row>,
    after: Option<&'a Row>,
}

impl<'a> Pair<'a> {
    /// The later row, or else the earlier one.
    fn row(&self) -> &'a Row {
        // Cannot fail: a change has one of the two.
        self.after.or(self.before).expect("a change of some row")
    }

    /// `direct`, or `direct -> winograd` where the choice moved.
    fn algorithm(&self) -> String {
        match (self.before, self.after) {
            (Some(before), Some(after)) if before.algorithm != after.algorithm => {
                format!("{} -> {}", before.algorithm, after.algorithm)
            }
            _ => self.row().algorithm.clone(),
        }
    }

    /// The device as the record numbers it that has the row.
    fn device(&self, before: &'a Source, after: &'a Source) -> Option<&'a Device> {
        self.after.and_then(|row| after.device(row)).or_else(|| before.device(self.before?))
    }
}

/// Verdicts, the most urgent first.
const VERDICTS: [Verdict; 8] = [
    Verdict::Broken,
    Verdict::Slower,
    Verdict::Faster,
    Verdict::Fixed,
    Verdict::Removed,
    Verdict::Added,
    Verdict::NotMeasured,
    Verdict::NoChange,
];

/// Changes by verdict, the most urgent first, and by how far they moved.
fn pairs<'a>(before: &'a Record, after: &'a Record, comparison: &'a Comparison) -> Vec<Pair<'a>> {
    let pair = |change: &'a Change| Pair {
        change,
        before: change.before.map(|i| &before.rows[i]),
        after: change.after.map(|i| &after.rows[i]),
    };
    let mut pairs: Vec<Pair<'a>> = comparison.changes.iter().map(pair).collect();
    let urgency = |verdict| VERDICTS.iter().position(|&other| other == verdict);
    let moved = |change: &Change| change.ratio.map_or(0.0, |ratio| ratio.ln().abs());
    pairs.sort_by(|a, b| {
        let by_verdict = urgency(a.change.verdict).cmp(&urgency(b.change.verdict));
        by_verdict.then(moved(b.change).total_cmp(&moved(a.change)))
    });
    pairs
}

/// How many changes there are of each verdict that occurs.
fn counts(comparison: &Comparison) -> Vec<(Verdict, usize)> {
    VERDICTS.into_iter().map(|verdict| (verdict, comparison.count(verdict))).filter(|(_, count)| *count > 0).collect()
}

/// Four significant digits, and every digit before the point: `0.01234`, `1.234`, `123.4`, `12345`.
pub fn figure(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    format!("{value:.digits$}")
}

/// A ratio of times: `0.987`, `12.34`, `0.001234`.
fn ratio(value: f64) -> String {
    if (0.1..10.0).contains(&value) { format!("{value:.3}") } else { figure(value) }
}

/// An error over its tolerance: `0.1234`, `1.23e-7`.
pub fn error(value: f64) -> String {
    if value == 0.0 || value >= 1e-3 { figure(value) } else { format!("{value:.2e}") }
}

/// `12.3%`, `0.12%`.
fn percent(fraction: f64) -> String {
    let percent = 100.0 * fraction;
    if fraction > 0.0 && percent < 1.0 { format!("{percent:.2}%") } else { format!("{percent:.1}%") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_four_digits() {
        let cases = [(0.0, "0"), (0.012_345, "0.01235"), (1.0, "1.000"), (123.45, "123.5"), (12_345.6, "12346")];
        for (value, text) in cases {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn thresholds_are_positive_numbers() {
        assert_eq!(threshold("0.05"), Ok(0.05));
        for text in ["0", "-1", "nan", "inf", "five", ""] {
            assert!(threshold(text).is_err(), "{text}");
        }
    }
}
