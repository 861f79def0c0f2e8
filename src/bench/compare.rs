//! Two records side by side.

use std::collections::BTreeMap;

use super::record::{Device, PeakKind, Record, Row, Status};

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Verdict {
    /// Its median fell by more than the threshold, and the spreads do not meet.
    Faster,
    /// It rose by more than the threshold, and the spreads do not meet.
    Slower,
    /// Neither.
    NoChange,
    /// Right before, not any more.
    Broken,
    /// Not right before.
    Fixed,
    /// Right in neither.
    NotMeasured,
    /// Only in the first record.
    Removed,
    /// Only in the second.
    Added,
}

impl Verdict {
    /// As in JSON, with blanks.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::NoChange => "no change",
            Verdict::Broken => "broken",
            Verdict::Fixed => "fixed",
            Verdict::NotMeasured => "not measured",
            Verdict::Removed => "removed",
            Verdict::Added => "added",
        }
    }
}

/// A row of the first record and its counterpart in the second.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Change {
    /// Index among the first record's rows.
    pub before: Option<usize>,
    /// Index among the second's.
    pub after: Option<usize>,
    /// What became of it.
    pub verdict: Verdict,
    /// Median after over median before, where both are right: less than 1 is faster.
    pub ratio: Option<f64>,
    /// How far the ratio had to be from 1.
    pub threshold: f64,
}

/// Every row of two records.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Comparison {
    /// In the order of the second record, what was removed last.
    pub changes: Vec<Change>,
    /// Peaks after over peaks before, by device of the second record: what the machine itself did meanwhile.
    pub machine: BTreeMap<String, BTreeMap<PeakKind, f64>>,
    /// Geometric mean of all ratios.
    pub mean_ratio: Option<f64>,
}

impl Comparison {
    /// Changes with a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.changes.iter().filter(|change| change.verdict == verdict).count()
    }
}

/// Compares rows of the same suite, layer, pass, algorithm and type on the same device. Devices are the same where
/// adapter and backend are; where each record has just one, these two are compared whatever they are. Rows that the
/// library's choice moved to another algorithm are compared with each other.
///
/// A row changed where its median moved by more than `threshold` (0.05 is five percent), or by more than the machine's own
/// peaks did if that is farther, and the spreads of the two do not meet. A spread reaches from the lowest to the highest
/// of quartiles and medians of rounds.
pub fn compare(before: &Record, after: &Record, threshold: f64) -> Comparison {
    let same_device = pair_devices(before, after);
    let mut machine = BTreeMap::new();
    for (a, b) in &same_device {
        machine.insert(b.id.clone(), peak_ratios(a, b));
    }
    let twin = |device: &str| same_device.iter().find(|(_, b)| b.id == device).map(|(a, _)| a.id.as_str());
    let mut left: Vec<usize> = (0..before.rows.len()).collect();
    let mut take = |row: &Row, matches: &dyn Fn(&Row) -> bool| {
        let device = twin(&row.device)?;
        let place = left.iter().position(|&i| before.rows[i].device == device && matches(&before.rows[i]))?;
        Some(left.swap_remove(place))
    };
    let exact: Vec<Option<usize>> = after.rows.iter().map(|row| take(row, &|other| other.key() == row.key())).collect();
    let moved = |(row, exact): (&Row, Option<usize>)| {
        let same = |other: &Row| {
            let key = |row: &Row| (row.suite.clone(), row.layer.clone(), row.pass, row.element.clone());
            row.chosen && other.chosen && key(other) == key(row)
        };
        exact.or_else(|| take(row, &same))
    };
    let partners: Vec<Option<usize>> = after.rows.iter().zip(exact).map(moved).collect();
    let mut changes = Vec::new();
    for (i, (row, partner)) in after.rows.iter().zip(partners).enumerate() {
        let drift = machine.get(&row.device).map_or(0.0, drift);
        let threshold = threshold.max(drift);
        let (verdict, ratio) = match partner {
            Some(partner) => judge(&before.rows[partner], row, threshold),
            None => (Verdict::Added, None),
        };
        changes.push(Change { before: partner, after: Some(i), verdict, ratio, threshold });
    }
    left.sort_unstable();
    changes.extend(left.into_iter().map(|i| Change {
        before: Some(i),
        after: None,
        verdict: Verdict::Removed,
        ratio: None,
        threshold,
    }));
    let logarithms: Vec<f64> = changes.iter().filter_map(|change| change.ratio).map(f64::ln).collect();
    let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
    Comparison { changes, machine, mean_ratio: (!logarithms.is_empty()).then(|| mean.exp()) }
}

fn pair_devices<'a>(before: &'a Record, after: &'a Record) -> Vec<(&'a Device, &'a Device)> {
    if let ([a], [b]) = (&before.devices[..], &after.devices[..]) {
        return vec![(a, b)];
    }
    let same = |a: &&Device, b: &Device| a.name == b.name && a.backend == b.backend;
    after.devices.iter().filter_map(|b| before.devices.iter().find(|a| same(a, b)).map(|a| (a, b))).collect()
}

fn peak_ratios(before: &Device, after: &Device) -> BTreeMap<PeakKind, f64> {
    let ratio = |peak: &super::record::Peak| {
        let earlier = before.peak(peak.kind)?;
        Some((peak.kind, peak.per_second / earlier.per_second))
    };
    after.peaks.iter().filter_map(ratio).collect()
}

/// How much time on the machine itself changed: the largest of the peaks' moves.
fn drift(ratios: &BTreeMap<PeakKind, f64>) -> f64 {
    ratios.values().map(|&ratio| ratio.max(1.0 / ratio) - 1.0).filter(|moved| moved.is_finite()).fold(0.0, f64::max)
}

fn judge(before: &Row, after: &Row, threshold: f64) -> (Verdict, Option<f64>) {
    let right = |row: &Row| row.status == Status::Right;
    match (before.median_ms(), after.median_ms(), right(before), right(after)) {
        (Some(a), Some(b), true, true) => {
            let ratio = b / a;
            let ([low_a, high_a], [low_b, high_b]) = (spread(before), spread(after));
            let verdict = if ratio > 1.0 + threshold && low_b > high_a {
                Verdict::Slower
            } else if ratio < 1.0 / (1.0 + threshold) && high_b < low_a {
                Verdict::Faster
            } else {
                Verdict::NoChange
            };
            (verdict, Some(ratio))
        }
        (.., true, false) => (Verdict::Broken, None),
        (.., false, true) => (Verdict::Fixed, None),
        _ => (Verdict::NotMeasured, None),
    }
}

/// From the lowest to the highest of quartiles and medians of rounds.
fn spread(row: &Row) -> [f64; 2] {
    let medians = row.rounds_ms.iter().filter_map(|round| super::Summary::of(round)).map(|round| round.median);
    let quartiles = row.summary_ms.into_iter().flat_map(|summary| [summary.lower_quartile, summary.upper_quartile]);
    let hull = |[low, high]: [f64; 2], value: f64| [low.min(value), high.max(value)];
    medians.chain(quartiles).fold([f64::INFINITY, f64::NEG_INFINITY], hull)
}
