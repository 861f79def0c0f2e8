//! The result of a run: `wgconv-peers/1`. README.md describes the JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wgconv::bench::Summary;
use wgconv::{Problem, TensorName};

use crate::protocol::{Pass, Peer, Times};

/// Name and version of the format.
pub const SCHEMA: &str = "wgconv-peers/1";

/// What the others are held against.
pub const OURS: &str = "wgconv";

/// Up to this multiple of the bound of f32 sums in any order a result still counts: transformed algorithms (Winograd's)
/// may exceed the bound and be sound. Beyond, it is wrong.
pub const LOOSE: f64 = 2.0;

/// Up to this relative error, of the root mean squares, a result counts. The bound grows with the length of a sum and says
/// little of the longest ones.
pub const RELATIVE: f64 = 1e-3;

/// Likewise with TF32 or f16, which are 2^13 times as coarse.
pub const RELATIVE_OF_11_BITS: f64 = 1e-2;

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: String,
    /// When it began, RFC 3339 in UTC.
    pub created: String,
    /// Commit of the source, where the build knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Version of wgpu under ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wgpu: Option<String>,
    /// Where.
    pub host: Host,
    /// How.
    pub settings: Settings,
    /// Who, in the order of the table.
    pub runners: Vec<Runner>,
    /// Cases.
    pub rows: Vec<Row>,
    /// Means over rows.
    pub summary: Vec<Mean>,
    /// How long all of it took.
    pub seconds: f64,
    /// Whether it was ended before the last case.
    #[serde(default)]
    pub interrupted: bool,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Operating system.
    pub os: String,
    /// Instruction set.
    pub arch: String,
    /// Model of the processor.
    pub processor: Option<String>,
    /// Logical processors.
    pub processors: usize,
    /// Load averages of the last 1, 5 and 15 minutes before the first measurement, where the system tells.
    pub load_before: Option<[f64; 3]>,
    /// Share of the processors in use just before the first measurement, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_before: Option<f64>,
    /// Load averages after the last measurement.
    pub load_after: Option<[f64; 3]>,
}

/// How it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Visits to every runner of a case, by turns.
    pub rounds: usize,
    /// Batches of a visit.
    pub batches: usize,
    /// Milliseconds of a batch, at least.
    pub min_ms: f64,
    /// Threads of runners on the CPU, software rasterisers included.
    pub threads: usize,
    /// Seconds that a runner may think.
    pub timeout_s: f64,
    /// [`LOOSE`].
    pub loose: f64,
    /// What ours was told, besides packing weights: its defaults where nothing stands here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ours: Vec<String>,
}

/// A library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runner {
    /// In the table.
    pub name: String,
    /// What it said of itself; absent where it never came to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer>,
    /// `right` where it answered.
    pub status: Status,
    /// Why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What became of a case on a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Within the bound of f32 sums in any order, or of the precision that it declares.
    Right,
    /// Beyond it, within [`LOOSE`] times: counted, and marked.
    Loose,
    /// Beyond that. Not timed.
    Wrong,
    /// The library cannot do it.
    Unsupported,
    /// The library says that it failed.
    Failed,
    /// The process ended.
    Crashed,
    /// The process did not answer.
    TimedOut,
    /// The program is not there.
    NotInstalled,
}

impl Status {
    /// As in JSON, with blanks.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Right => "right",
            Status::Loose => "loose",
            Status::Wrong => "wrong",
            Status::Unsupported => "unsupported",
            Status::Failed => "failed",
            Status::Crashed => "crashed",
            Status::TimedOut => "timed out",
            Status::NotInstalled => "not installed",
        }
    }

    /// Whether its times mean something.
    pub fn counts(self) -> bool {
        matches!(self, Status::Right | Status::Loose)
    }
}

/// A case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `SUITE/LAYER`.
    pub layer: String,
    /// The operation as the command line calls it, `conv2d_depthwise` where that is what it is.
    pub operation: String,
    /// Which part.
    pub pass: Pass,
    /// The operation in full.
    pub problem: Problem,
    /// Multiply-adds of the forward pass by the direct algorithm.
    pub macs: u64,
    /// By runner.
    pub runners: BTreeMap<String, Cell>,
}

/// A case on a runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// What became of it.
    pub status: Status,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How it was computed, where the runner knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
    /// Largest error of each tensor over the bound; `null` where something is no number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<TensorName, Option<f64>>,
    /// Relative error of each tensor, of the root mean squares; likewise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub relative_errors: BTreeMap<TensorName, Option<f64>>,
    /// Visits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<Times>,
    /// Of all batches of all visits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary_ms: Option<Summary>,
    /// Likewise by the device's own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_summary_ms: Option<Summary>,
    /// Its median over ours: above 1, ours is faster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

impl Cell {
    /// Without times.
    pub fn new(status: Status, message: Option<String>) -> Cell {
        Cell {
            status,
            message,
            how: None,
            errors: BTreeMap::new(),
            relative_errors: BTreeMap::new(),
            rounds: Vec::new(),
            summary_ms: None,
            device_summary_ms: None,
            ratio: None,
        }
    }

    /// Sums up the rounds.
    pub fn finish(&mut self) {
        if !self.status.counts() {
            self.rounds.clear();
            return;
        }
        let all = |of: fn(&Times) -> &[f64]| {
            Summary::of(&self.rounds.iter().flat_map(|times| of(times).iter().copied()).collect::<Vec<f64>>())
        };
        self.summary_ms = all(|times| &times.ms);
        self.device_summary_ms = all(|times| &times.device_ms);
    }

    /// Median by the wall clock.
    pub fn median_ms(&self) -> Option<f64> {
        Some(self.summary_ms?.median)
    }
}

impl Row {
    /// Fills in the ratios.
    pub fn compare(&mut self) {
        let Some(ours) = self.runners.get(OURS).and_then(Cell::median_ms).filter(|&ms| ms > 0.0) else { return };
        for cell in self.runners.values_mut() {
            cell.ratio = cell.median_ms().map(|ms| ms / ours);
        }
    }
}

/// Ratios of one runner over rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mean {
    /// Whose.
    pub runner: String,
    /// Of these rows; absent for all operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Of these rows; absent for all passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<Pass>,
    /// Rows that have a ratio.
    pub rows: usize,
    /// Rows that it got wrong.
    pub wrong: usize,
    /// Of the ratios.
    pub geometric_mean: Option<f64>,
    /// The smallest ratio: where ours does worst.
    pub worst: Option<f64>,
    /// Its layer.
    pub worst_layer: Option<String>,
}

/// Means of every runner but ours: of all rows, of each pass, of each operation and pass.
pub fn summarize(runners: &[String], rows: &[Row]) -> Vec<Mean> {
    let mut groups: Vec<(Option<String>, Option<Pass>)> = vec![(None, None)];
    let mut add = |group: (Option<String>, Option<Pass>)| {
        if !groups.contains(&group) {
            groups.push(group);
        }
    };
    rows.iter().for_each(|row| add((None, Some(row.pass))));
    rows.iter().for_each(|row| add((Some(row.operation.clone()), Some(row.pass))));
    let mut means = Vec::new();
    for (operation, pass) in groups {
        let rows: Vec<&Row> = rows
            .iter()
            .filter(|row| operation.as_ref().is_none_or(|name| *name == row.operation))
            .filter(|row| pass.is_none_or(|pass| pass == row.pass))
            .collect();
        for runner in runners.iter().filter(|runner| *runner != OURS) {
            let cells: Vec<(&Row, &Cell)> =
                rows.iter().filter_map(|row| Some((*row, row.runners.get(runner)?))).collect();
            let ratios: Vec<(f64, &str)> =
                cells.iter().filter_map(|(row, cell)| Some((cell.ratio?, &*row.layer))).collect();
            let worst = ratios.iter().min_by(|a, b| a.0.total_cmp(&b.0));
            let logarithms: f64 = ratios.iter().map(|(ratio, _)| ratio.ln()).sum();
            means.push(Mean {
                runner: runner.clone(),
                operation: operation.clone(),
                pass,
                rows: ratios.len(),
                wrong: cells.iter().filter(|(_, cell)| cell.status == Status::Wrong).count(),
                geometric_mean: (!ratios.is_empty()).then(|| (logarithms / ratios.len() as f64).exp()),
                worst: worst.map(|(ratio, _)| *ratio),
                worst_layer: worst.map(|(_, layer)| (*layer).into()),
            });
        }
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(status: Status, rounds: &[&[f64]]) -> Cell {
        let mut cell = Cell::new(status, None);
        cell.rounds = rounds.iter().map(|ms| Times { ms: ms.to_vec(), repeats: 3, device_ms: Vec::new() }).collect();
        cell.finish();
        cell
    }

    fn row(layer: &str, operation: &str, pass: Pass, cells: [(&str, Cell); 2]) -> Row {
        let mut row = Row {
            layer: layer.into(),
            operation: operation.into(),
            pass,
            problem: wgconv::Conv::new(1, 1, [4, 4], 1, [1, 1]).into(),
            macs: 16,
            runners: cells.map(|(name, cell)| (name.to_string(), cell)).into(),
        };
        row.compare();
        row
    }

    #[test]
    fn ratios_are_of_medians_over_all_rounds() {
        let ours = cell(Status::Right, &[&[1.0, 9.0], &[2.0]]);
        let theirs = cell(Status::Right, &[&[3.0], &[3.0, 30.0]]);
        let row = row("a", "conv2d", Pass::Forward, [(OURS, ours), ("theirs", theirs)]);
        assert_eq!((row.runners["theirs"].ratio, row.runners[OURS].ratio), (Some(1.5), Some(1.0)));
    }

    #[test]
    fn wrong_results_have_no_ratio() {
        let fast = &[&[0.1][..]];
        let wrong = row(
            "a",
            "conv2d",
            Pass::Forward,
            [(OURS, cell(Status::Right, &[&[1.0]])), ("theirs", cell(Status::Wrong, fast))],
        );
        assert_eq!(wrong.runners["theirs"].ratio, None);
        assert!(wrong.runners["theirs"].rounds.is_empty());
        // Nor has anybody where ours is wrong.
        let ours = row(
            "a",
            "conv2d",
            Pass::Forward,
            [(OURS, cell(Status::Wrong, &[&[1.0]])), ("theirs", cell(Status::Right, fast))],
        );
        assert_eq!(ours.runners["theirs"].ratio, None);
        let loose = row(
            "a",
            "conv2d",
            Pass::Forward,
            [(OURS, cell(Status::Right, &[&[1.0]])), ("theirs", cell(Status::Loose, &[&[4.0]]))],
        );
        assert_eq!(loose.runners["theirs"].ratio, Some(4.0));
    }

    #[test]
    fn means_are_geometric_and_name_the_worst() {
        let pair = |ours: f64, theirs: f64| {
            [(OURS, cell(Status::Right, &[&[ours]])), ("theirs", cell(Status::Right, &[&[theirs]]))]
        };
        let rows = [
            row("a", "conv2d", Pass::Forward, pair(1.0, 8.0)),
            row("b", "conv2d", Pass::Forward, pair(4.0, 2.0)),
            row(
                "c",
                "max_pool2d",
                Pass::ForwardBackward,
                [(OURS, cell(Status::Right, &[&[1.0]])), ("theirs", cell(Status::Wrong, &[]))],
            ),
        ];
        let means = summarize(&[OURS.into(), "theirs".into()], &rows);
        assert!(means.iter().all(|mean| mean.runner == "theirs"));
        assert_eq!((means[0].rows, means[0].wrong, &means[0].operation, means[0].pass), (2, 1, &None, None));
        let conv = means.iter().find(|mean| mean.operation.as_deref() == Some("conv2d")).unwrap();
        assert!((conv.geometric_mean.unwrap() - 2.0).abs() < 1e-12);
        assert_eq!((conv.worst, conv.worst_layer.as_deref()), (Some(0.5), Some("b")));
        let pool = means.iter().find(|mean| mean.operation.as_deref() == Some("max_pool2d")).unwrap();
        assert_eq!((pool.rows, pool.wrong, pool.geometric_mean, pool.worst), (0, 1, None, None));
    }
}
