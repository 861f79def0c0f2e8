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

/// Compares rows of the same suite, layer, pass, problem, algorithm and type on the same device. Devices are the same
/// where adapter and backend are; where each record has just one, these two are compared whatever they are. Rows that
/// the library's choice moved to another algorithm are compared with each other.
///
/// A row changed where its median moved by more than `threshold` (0.05 is five percent, the default; on a CPU adapter it
/// is ten) beyond the median of what the machine's own peaks moved, and the spreads of the two do not meet. Peaks of different
/// adapters or backends say nothing about drift and leave the threshold as it is. A spread reaches from the lowest to the
/// highest of quartiles and medians of rounds; a row that moved by less than its quartiles lie apart, before or after, is
/// not called changed.
pub fn compare(before: &Record, after: &Record, threshold: Option<f64>) -> Comparison {
    let same_device = pair_devices(before, after);
    let mut machine = BTreeMap::new();
    let mut drifts = BTreeMap::new();
    for (a, b) in &same_device {
        let ratios = peak_ratios(a, b);
        drifts.insert(b.id.as_str(), if is_same(a, b) { drift(&ratios) } else { 0.0 });
        machine.insert(b.id.clone(), ratios);
    }
    let twin = |device: &str| same_device.iter().find(|(_, b)| b.id == device).map(|(a, _)| a.id.as_str());
    let mut left: Vec<usize> = (0..before.rows.len()).collect();
    let mut take = |row: &Row, matches: &dyn Fn(&Row) -> bool| {
        let device = twin(&row.device)?;
        let place = left.iter().position(|&i| {
            let other = &before.rows[i];
            other.device == device && other.problem == row.problem && matches(other)
        })?;
        Some(left.remove(place))
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
        let wanted = threshold.unwrap_or_else(|| default_threshold(after, &row.device));
        let drift = drifts.get(row.device.as_str()).copied().unwrap_or(0.0);
        let threshold = wanted + drift + wanted * drift;
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
        threshold: threshold.unwrap_or_else(|| default_threshold(before, &before.rows[i].device)),
    }));
    let logarithms: Vec<f64> = changes.iter().filter_map(|change| change.ratio).map(f64::ln).collect();
    let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
    Comparison { changes, machine, mean_ratio: (!logarithms.is_empty()).then(|| mean.exp()) }
}

/// A software rasteriser shares its processors with everything else, and its times vary more from run to run.
fn default_threshold(record: &Record, device: &str) -> f64 {
    let device = record.devices.iter().find(|candidate| candidate.id == device);
    if device.is_some_and(|device| device.device_type == "Cpu") { 0.10 } else { 0.05 }
}

fn pair_devices<'a>(before: &'a Record, after: &'a Record) -> Vec<(&'a Device, &'a Device)> {
    if let ([a], [b]) = (&before.devices[..], &after.devices[..]) {
        return vec![(a, b)];
    }
    // Of several alike, the first goes with the first.
    let mut left: Vec<&Device> = before.devices.iter().collect();
    let pair = |b: &'a Device| {
        let place = left.iter().position(|a| is_same(a, b))?;
        Some((left.remove(place), b))
    };
    after.devices.iter().filter_map(pair).collect()
}

fn is_same(a: &Device, b: &Device) -> bool {
    a.name == b.name && a.backend == b.backend
}

fn peak_ratios(before: &Device, after: &Device) -> BTreeMap<PeakKind, f64> {
    let ratio = |peak: &super::record::Peak| {
        let ratio = peak.per_second / before.peak(peak.kind)?.per_second;
        // A peak that could not be measured is zero.
        (ratio.is_finite() && ratio > 0.0).then_some((peak.kind, ratio))
    };
    after.peaks.iter().filter_map(ratio).collect()
}

/// How much time on the machine itself changed: the median of the peaks' moves, the larger of the middle two. One that
/// moved alone, as a driver's copy does, says little of the kernels.
fn drift(ratios: &BTreeMap<PeakKind, f64>) -> f64 {
    let mut moves: Vec<f64> = ratios.values().map(|&ratio| ratio.max(1.0 / ratio) - 1.0).collect();
    moves.sort_by(f64::total_cmp);
    moves.get(moves.len() / 2).copied().unwrap_or(0.0)
}

fn judge(before: &Row, after: &Row, threshold: f64) -> (Verdict, Option<f64>) {
    let right = |row: &Row| row.status == Status::Right;
    match (before.median_ms(), after.median_ms(), right(before), right(after)) {
        (Some(a), Some(b), true, true) => {
            let ratio = b / a;
            let ([low_a, high_a], [low_b, high_b]) = (spread(before), spread(after));
            let steady = (b - a).abs() > quartile_range(before).max(quartile_range(after));
            let verdict = if ratio > 1.0 + threshold && low_b > high_a && steady {
                Verdict::Slower
            } else if ratio < 1.0 / (1.0 + threshold) && high_b < low_a && steady {
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

fn quartile_range(row: &Row) -> f64 {
    row.summary_ms.map_or(0.0, |summary| summary.upper_quartile - summary.lower_quartile)
}

/// From the lowest to the highest of quartiles and medians of rounds.
fn spread(row: &Row) -> [f64; 2] {
    let medians = row.rounds_ms.iter().filter_map(|round| super::Summary::of(round)).map(|round| round.median);
    let quartiles = row.summary_ms.into_iter().flat_map(|summary| [summary.lower_quartile, summary.upper_quartile]);
    let hull = |[low, high]: [f64; 2], value: f64| [low.min(value), high.max(value)];
    medians.chain(quartiles).fold([f64::INFINITY, f64::NEG_INFINITY], hull)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bound, ClockKind, Host, Machine, Pass, Peak, SCHEMA, Settings, Software, Summary};
    use crate::problem::{Conv, Problem};

    fn device(id: &str, name: &str, f32_peak: f64) -> Device {
        let peak = |kind, per_second| Peak {
            kind,
            variant: "best".into(),
            per_second,
            samples_ms: vec![1.0],
            variants: BTreeMap::new(),
        };
        Device {
            id: id.into(),
            name: name.into(),
            backend: "vulkan".into(),
            device_type: "Cpu".into(),
            driver: "driver".into(),
            driver_info: "1".into(),
            kernel_class: "cpu".into(),
            limits: BTreeMap::new(),
            features: Vec::new(),
            clock: ClockKind::Timestamp,
            peaks: vec![peak(PeakKind::F32Fma, f32_peak), peak(PeakKind::Copy, 1e10)],
        }
    }

    fn record(devices: Vec<Device>, rows: Vec<Row>) -> Record {
        Record {
            schema: SCHEMA.into(),
            created: "2025-01-01T00:00:00Z".into(),
            label: None,
            software: Software { wgconv: "0".into(), wgpu: "0".into(), commit: None },
            machine: Machine {
                host: Host { os: "os".into(), arch: "arch".into(), processor: None, processors: None },
                load_before: None,
                usage_before: None,
                load_after: None,
            },
            settings: Settings { rounds: 2, samples: 2, sample_ms: 1.0, rotate_bytes: 0 },
            devices,
            rows,
            interrupted: false,
        }
    }

    /// A right row, sampled twice in each of two rounds.
    fn row(layer: &str, algorithm: &str, rounds_ms: [[f64; 2]; 2]) -> Row {
        let summary_ms = Summary::of(rounds_ms.as_flattened());
        Row {
            suite: "suite".into(),
            layer: layer.into(),
            operation: "conv2d".into(),
            pass: Pass::Forward,
            device: "0".into(),
            algorithm: algorithm.into(),
            chosen: true,
            element: "f32".into(),
            problem: Problem::Conv(Conv::new(1, 1, [4, 4], 1, [3, 3])),
            status: Status::Right,
            message: None,
            error_over_tolerance: Some(0.1),
            clock: ClockKind::Timestamp,
            repeats: 1,
            buffer_sets: 1,
            rounds_ms: rounds_ms.map(Into::into).into(),
            summary_ms,
            macs: 36,
            flops: 72,
            min_bytes: 116,
            traffic_bytes: 116,
            workspace_bytes: 0,
            dispatches: 1,
            plan_cold_ms: None,
            plan_cached_ms: None,
            plan_ms: None,
            first_run_ms: None,
            bind_us: None,
            encode_us: None,
            bound: summary_ms.map(|summary| Bound::new(72, 116, 1e11, 1e10, summary.median)),
        }
    }

    fn steady(layer: &str, algorithm: &str, ms: f64) -> Row {
        row(layer, algorithm, [[ms, 1.001 * ms], [ms, 1.001 * ms]])
    }

    fn unmeasured(layer: &str, status: Status) -> Row {
        Row { status, rounds_ms: Vec::new(), summary_ms: None, bound: None, ..steady(layer, "direct", 1.0) }
    }

    fn one_device(rows: Vec<Row>) -> Record {
        record(vec![device("0", "adapter", 1e11)], rows)
    }

    fn verdicts(comparison: &Comparison) -> Vec<Verdict> {
        comparison.changes.iter().map(|change| change.verdict).collect()
    }

    #[test]
    fn rows_that_moved_beyond_threshold_and_spread_are_flagged() {
        let before = one_device(["a", "b", "c"].map(|layer| steady(layer, "direct", 2.0)).into());
        let after =
            one_device(vec![steady("a", "direct", 3.0), steady("b", "direct", 1.0), steady("c", "direct", 2.06)]);
        let comparison = compare(&before, &after, Some(0.05));
        assert_eq!(verdicts(&comparison), [Verdict::Slower, Verdict::Faster, Verdict::NoChange]);
        let ratios: Vec<f64> = comparison.changes.iter().filter_map(|change| change.ratio).collect();
        assert!(ratios.iter().zip([1.5, 0.5, 1.03]).all(|(got, want)| (got - want).abs() < 1e-9), "{ratios:?}");
        assert!((comparison.mean_ratio.unwrap() - (1.5_f64 * 0.5 * 1.03).cbrt()).abs() < 1e-9);
        assert_eq!(verdicts(&compare(&before, &after, Some(0.02)))[2], Verdict::Slower);
        assert_eq!(comparison.count(Verdict::Slower), 1);
    }

    #[test]
    fn spreads_that_meet_are_no_change() {
        let before = one_device(vec![row("a", "direct", [[2.0, 2.1], [3.1, 3.2]])]);
        let after = one_device(vec![steady("a", "direct", 3.0)]);
        let comparison = compare(&before, &after, Some(0.05));
        assert_eq!(verdicts(&comparison), [Verdict::NoChange]);
        assert!(comparison.changes[0].ratio.unwrap() > 1.1);
    }

    #[test]
    fn a_row_that_wavered_more_than_it_moved_is_no_change() {
        let wavering = |low: f64, high: f64| one_device(vec![row("a", "direct", [[low, low], [high, high]])]);
        let after = one_device(vec![steady("a", "direct", 0.8)]);
        let verdict = |before| verdicts(&compare(&before, &after, Some(0.05)))[0];
        // Both medians are far from 0.8, and neither spread meets it.
        assert_eq!(verdict(wavering(0.85, 1.25)), Verdict::NoChange);
        assert_eq!(verdict(wavering(1.15, 1.25)), Verdict::Faster);
    }

    #[test]
    fn a_record_equals_itself() {
        let record = one_device(vec![steady("a", "direct", 2.0), unmeasured("b", Status::Wrong)]);
        let comparison = compare(&record, &record, Some(0.05));
        assert_eq!(verdicts(&comparison), [Verdict::NoChange, Verdict::NotMeasured]);
        assert_eq!(comparison.mean_ratio, Some(1.0));
    }

    #[test]
    fn a_machine_that_drifted_widens_the_threshold() {
        let before = one_device(vec![steady("a", "direct", 2.0)]);
        let after = record(vec![device("0", "adapter", 0.8e11)], vec![steady("a", "direct", 2.4)]);
        let comparison = compare(&before, &after, Some(0.05));
        assert_eq!(verdicts(&comparison), [Verdict::NoChange]);
        assert!((comparison.changes[0].threshold - (1.05 * 1.25 - 1.0)).abs() < 1e-9);
        assert!((comparison.machine["0"][&PeakKind::F32Fma] - 0.8).abs() < 1e-9);
        // A peak that could not be measured says nothing.
        let after = record(vec![device("0", "adapter", 0.0)], after.rows);
        let comparison = compare(&before, &after, Some(0.05));
        assert_eq!((verdicts(&comparison), comparison.machine["0"].len()), (vec![Verdict::Slower], 1));
    }

    #[test]
    fn processors_that_are_shared_have_a_wider_threshold() {
        let before = one_device(vec![steady("a", "direct", 2.0)]);
        let after = one_device(vec![steady("a", "direct", 2.15)]);
        assert_eq!(verdicts(&compare(&before, &after, None)), [Verdict::NoChange]);
        let gpu = |mut record: Record| {
            record.devices[0].device_type = "DiscreteGpu".into();
            record
        };
        assert_eq!(verdicts(&compare(&gpu(before), &gpu(after), None)), [Verdict::Slower]);
    }

    #[test]
    fn peaks_of_another_adapter_are_no_drift() {
        let before = one_device(vec![steady("a", "direct", 2.0)]);
        let after = record(vec![device("0", "another", 5e13)], vec![steady("a", "direct", 0.01)]);
        let comparison = compare(&before, &after, Some(0.05));
        assert_eq!((verdicts(&comparison), comparison.changes[0].threshold), (vec![Verdict::Faster], 0.05));
        assert!((comparison.machine["0"][&PeakKind::F32Fma] - 500.0).abs() < 1e-9);
    }

    #[test]
    fn a_choice_that_moved_is_compared_with_what_it_replaced() {
        let before = one_device(vec![steady("a", "direct", 2.0)]);
        let after = one_device(vec![steady("a", "winograd", 1.0)]);
        let comparison = compare(&before, &after, Some(0.05));
        let change = &comparison.changes[0];
        assert_eq!((change.before, change.after, change.verdict), (Some(0), Some(0), Verdict::Faster));
        let forced = Row { chosen: false, ..steady("a", "winograd", 1.0) };
        let comparison = compare(&before, &one_device(vec![forced]), Some(0.05));
        assert_eq!(verdicts(&comparison), [Verdict::Added, Verdict::Removed]);
    }

    #[test]
    fn rows_come_go_break_and_are_fixed() {
        let before = one_device(vec![
            steady("gone", "direct", 1.0),
            steady("breaks", "direct", 1.0),
            unmeasured("heals", Status::Wrong),
            unmeasured("never", Status::Unsupported),
        ]);
        let after = one_device(vec![
            steady("new", "direct", 1.0),
            unmeasured("breaks", Status::Wrong),
            steady("heals", "direct", 1.0),
            unmeasured("never", Status::Failed),
        ]);
        let comparison = compare(&before, &after, Some(0.05));
        let expected = [Verdict::Added, Verdict::Broken, Verdict::Fixed, Verdict::NotMeasured, Verdict::Removed];
        assert_eq!(verdicts(&comparison), expected);
        assert_eq!(comparison.changes[4].before, Some(0));
        assert_eq!(comparison.mean_ratio, None);
    }

    #[test]
    fn another_problem_under_the_same_name_is_another_row() {
        let before = one_device(vec![steady("a", "direct", 1.0)]);
        let batched = Problem::Conv(Conv::new(4, 1, [4, 4], 1, [3, 3]));
        let after = one_device(vec![Row { problem: batched, ..steady("a", "direct", 4.0) }]);
        assert_eq!(verdicts(&compare(&before, &after, Some(0.05))), [Verdict::Added, Verdict::Removed]);
    }

    #[test]
    fn devices_are_paired_by_adapter_and_backend() {
        let on = |device: &str, ms: f64| Row { device: device.into(), ..steady("a", "direct", ms) };
        let devices = |names: [&str; 3]| -> Vec<Device> {
            names.iter().enumerate().map(|(id, name)| device(&id.to_string(), name, 1e11)).collect()
        };
        let before = record(devices(["fast", "slow", "slow"]), vec![on("0", 1.0), on("1", 8.0), on("2", 9.0)]);
        let after = record(devices(["slow", "slow", "other"]), vec![on("0", 8.0), on("1", 9.0), on("2", 1.0)]);
        let comparison = compare(&before, &after, Some(0.05));
        let pairs: Vec<_> = comparison.changes.iter().map(|change| (change.before, change.after)).collect();
        assert_eq!(pairs, [(Some(1), Some(0)), (Some(2), Some(1)), (None, Some(2)), (Some(0), None)]);
        assert_eq!(comparison.machine.keys().collect::<Vec<_>>(), ["0", "1"]);
    }
}
