//! Every row of every record as comma-separated values.

use wgconv::bench::{Change, Device, Row};

use super::{Report, Source};
use crate::failure::{Failure, Result};

/// What a line is about.
struct Line<'a> {
    source: &'a Source,
    device: Option<&'a Device>,
    row: &'a Row,
    /// Against the baseline.
    change: Option<&'a Change>,
}

/// A name, and what a line has there; what is not known is empty.
type Column = (&'static str, fn(&Line<'_>) -> String);

const COLUMNS: [Column; 54] = [
    ("file", |line| line.source.path.display().to_string()),
    ("label", |line| optional(line.source.record.label.as_ref())),
    ("created", |line| line.source.record.created.clone()),
    ("commit", |line| optional(line.source.record.software.commit.as_ref())),
    ("wgconv", |line| line.source.record.software.wgconv.clone()),
    ("wgpu", |line| line.source.record.software.wgpu.clone()),
    ("device", |line| line.row.device.clone()),
    ("adapter", |line| optional(line.device.map(|device| &device.name))),
    ("backend", |line| optional(line.device.map(|device| &device.backend))),
    ("driver", |line| optional(line.device.map(|device| &device.driver))),
    ("driver_info", |line| optional(line.device.map(|device| &device.driver_info))),
    ("kernel_class", |line| optional(line.device.map(|device| &device.kernel_class))),
    ("suite", |line| line.row.suite.clone()),
    ("layer", |line| line.row.layer.clone()),
    ("operation", |line| line.row.operation.clone()),
    ("pass", |line| line.row.pass.as_str().into()),
    ("algorithm", |line| line.row.algorithm.clone()),
    ("chosen", |line| line.row.chosen.to_string()),
    ("element", |line| line.row.element.clone()),
    ("status", |line| line.row.status.as_str().into()),
    ("message", |line| optional(line.row.message.as_ref())),
    ("samples", |line| line.row.rounds_ms.iter().map(Vec::len).sum::<usize>().to_string()),
    ("median_ms", |line| optional(line.row.median_ms())),
    ("min_ms", |line| optional(line.row.summary_ms.map(|summary| summary.min))),
    ("lower_quartile_ms", |line| optional(line.row.summary_ms.map(|summary| summary.lower_quartile))),
    ("upper_quartile_ms", |line| optional(line.row.summary_ms.map(|summary| summary.upper_quartile))),
    ("max_ms", |line| optional(line.row.summary_ms.map(|summary| summary.max))),
    ("spread", |line| optional(line.row.summary_ms.map(|summary| summary.spread()))),
    ("outliers", |line| optional(line.row.summary_ms.map(|summary| summary.outliers))),
    ("gflops", |line| optional(line.row.gflops())),
    ("gbytes", |line| optional(line.row.gbytes())),
    ("intensity", |line| line.row.intensity().to_string()),
    ("bound_side", |line| optional(line.row.bound.map(|bound| bound.side.as_str()))),
    ("bound_limit_ms", |line| optional(line.row.bound.map(|bound| bound.limit_ms))),
    ("bound_fraction", |line| optional(line.row.bound.map(|bound| bound.fraction))),
    ("error_over_tolerance", |line| optional(line.row.error_over_tolerance)),
    ("macs", |line| line.row.macs.to_string()),
    ("flops", |line| line.row.flops.to_string()),
    ("min_bytes", |line| line.row.min_bytes.to_string()),
    ("traffic_bytes", |line| line.row.traffic_bytes.to_string()),
    ("workspace_bytes", |line| line.row.workspace_bytes.to_string()),
    ("dispatches", |line| line.row.dispatches.to_string()),
    ("plan_cold_ms", |line| optional(line.row.plan_cold_ms)),
    ("plan_cached_ms", |line| optional(line.row.plan_cached_ms)),
    ("plan_ms", |line| optional(line.row.plan_ms)),
    ("first_run_ms", |line| optional(line.row.first_run_ms)),
    ("bind_us", |line| optional(line.row.bind_us)),
    ("encode_us", |line| optional(line.row.encode_us)),
    ("clock", |line| line.row.clock.as_str().into()),
    ("repeats", |line| line.row.repeats.to_string()),
    ("buffer_sets", |line| line.row.buffer_sets.to_string()),
    ("verdict", |line| optional(line.change.map(|change| change.verdict.as_str()))),
    ("ratio", |line| optional(line.change.and_then(|change| change.ratio))),
    ("threshold", |line| optional(line.change.map(|change| change.threshold))),
];

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A header, and a line for each row.
pub fn table(report: &Report) -> Result<Vec<u8>> {
    let wrong = |error: csv::Error| Failure::invalid(format!("--csv: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS.map(|(name, _)| name)).map_err(wrong)?;
    for (number, source) in report.sources.iter().enumerate() {
        let comparison = number.checked_sub(1).map(|i| &report.comparisons[i]);
        for (i, row) in source.record.rows.iter().enumerate() {
            let change = comparison.and_then(|comparison| comparison.changes.iter().find(|c| c.after == Some(i)));
            let line = Line { source, device: source.device(row), row, change };
            writer.write_record(COLUMNS.map(|(_, value)| value(&line))).map_err(wrong)?;
        }
    }
    writer.into_inner().map_err(|error| Failure::invalid(format!("--csv: {error}")))
}
