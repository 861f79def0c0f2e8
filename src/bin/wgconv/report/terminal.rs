//! A report as text.

use wgconv::bench::{PeakKind, Row, Status};

use super::{Report, Source, counts, figure, pairs, percent, ratio, remarks};
use crate::bench::{say_devices, say_rows};
use crate::console::{Table, say};

/// A summary of each record; then the rows of the only one, or the comparisons.
pub fn say(report: &Report) {
    for source in &report.sources {
        say_source(source);
    }
    if let [source] = &report.sources[..] {
        say_rows(&source.record);
    }
    let before = &report.sources[0];
    for (after, comparison) in report.compared() {
        say!("\n{} against {}", after.name, before.name);
        for remark in remarks::between(before, after) {
            say!("note: {remark}");
        }
        for (device, ratios) in comparison.machine.iter().filter(|(_, ratios)| !ratios.is_empty()) {
            let moved = |(kind, moved): (&PeakKind, &f64)| format!("{} {}", kind.as_str(), ratio(*moved));
            let moved: Vec<String> = ratios.iter().map(moved).collect();
            say!("the machine's own peaks, after over before, device {device}: {}", moved.join(", "));
        }
        let mut table = Table::new(&[
            "layer",
            "pass",
            "dev",
            "algorithm",
            "verdict",
            "ratio",
            "threshold",
            "before ms",
            "spread",
            "after ms",
            "spread",
        ]);
        for pair in pairs(&before.record, &after.record, comparison) {
            let row = pair.row();
            let mut cells = vec![row.full_name(), row.pass.as_str().into(), row.device.clone(), pair.algorithm()];
            cells.push(pair.change.verdict.as_str().into());
            cells.push(pair.change.ratio.map_or_else(|| "-".into(), ratio));
            cells.push(percent(pair.change.threshold));
            cells.extend(times(pair.before));
            cells.extend(times(pair.after));
            table.row(cells);
        }
        table.say();
    }
    say_totals(report);
}

/// Median and spread, or why there is none.
fn times(row: Option<&Row>) -> [String; 2] {
    match row.map(|row| (row.status, row.summary_ms)) {
        Some((Status::Right, Some(summary))) => [figure(summary.median), percent(summary.spread())],
        Some((status, _)) => [status.as_str().into(), "-".into()],
        None => ["-".into(), "-".into()],
    }
}

fn say_source(source: &Source) {
    let record = &source.record;
    let software = &record.software;
    let commit = software.commit.as_deref().unwrap_or("unknown");
    say!("{} ({}), {}", source.name, source.path.display(), record.created);
    say!("wgconv {}, commit {commit}, wgpu {}", software.wgconv, software.wgpu);
    say!("{}", host(source));
    say_devices(&record.devices);
    for remark in remarks::of(record) {
        say!("warning: {remark}");
    }
    let right = record.rows.iter().filter(|row| row.status == Status::Right).count();
    say!("{} rows, {right} of them right\n", record.rows.len());
}

/// Operating system, processors and load.
pub fn host(source: &Source) -> String {
    let machine = &source.record.machine;
    let host = &machine.host;
    let mut parts = vec![host.os.clone(), host.arch.clone()];
    parts.extend(host.processor.clone());
    parts.extend(host.processors.map(|count| format!("{count} processors")));
    let load = |load: Option<[f64; 3]>| load.map_or_else(|| "unknown".into(), |[one, ..]| format!("{one:.2}"));
    parts.push(format!("load {} before, {} after", load(machine.load_before), load(machine.load_after)));
    parts.join(", ")
}

/// A line for each comparison: how many rows became what, and the mean of all ratios.
pub fn say_totals(report: &Report) {
    for (after, comparison) in report.compared() {
        let counts: Vec<String> =
            counts(comparison).iter().map(|(verdict, count)| format!("{count} {}", verdict.as_str())).collect();
        let counts = if counts.is_empty() { "no rows".into() } else { counts.join(", ") };
        let mean = match comparison.mean_ratio {
            Some(mean) => format!("; geometric mean of the ratios {}", ratio(mean)),
            None => String::new(),
        };
        say!("{} against {}: {counts}{mean}", after.name, report.sources[0].name);
    }
}
