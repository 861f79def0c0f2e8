//! Every row of every record as comma-separated values.

use wgconv::bench::{Change, Row};

use super::{Report, Source};
use crate::failure::{Failure, Result};

/// A header, and a line for each row.
pub fn table(report: &Report) -> Result<Vec<u8>> {
    let wrong = |error: csv::Error| Failure::invalid(format!("--csv: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    for (number, source) in report.sources.iter().enumerate() {
        let comparison = number.checked_sub(1).map(|i| &report.comparisons[i]);
        for (i, row) in source.record.rows.iter().enumerate() {
            let change =
                comparison.and_then(|comparison| comparison.changes.iter().find(|change| change.after == Some(i)));
            let line = line(source, row, change);
            if number == 0 && i == 0 {
                writer.write_record(line.iter().map(|(name, _)| name)).map_err(wrong)?;
            }
            writer.write_record(line.iter().map(|(_, value)| value)).map_err(wrong)?;
        }
    }
    writer.into_inner().map_err(|error| Failure::invalid(format!("--csv: {error}")))
}

/// Columns by name; what is not known is empty.
fn line(source: &Source, row: &Row, change: Option<&Change>) -> Vec<(&'static str, String)> {
    fn optional<T: ToString>(value: Option<T>) -> String {
        value.map_or_else(String::new, |value| value.to_string())
    }
    let record = &source.record;
    let device = source.device(row);
    let summary = row.summary_ms;
    let samples = row.rounds_ms.iter().map(Vec::len).sum::<usize>();
    vec![
        ("file", source.path.display().to_string()),
        ("label", optional(record.label.as_ref())),
        ("created", record.created.clone()),
        ("commit", optional(record.software.commit.as_ref())),
        ("wgconv", record.software.wgconv.clone()),
        ("wgpu", record.software.wgpu.clone()),
        ("device", row.device.clone()),
        ("adapter", optional(device.map(|device| &device.name))),
        ("backend", optional(device.map(|device| &device.backend))),
        ("driver", optional(device.map(|device| &device.driver))),
        ("driver_info", optional(device.map(|device| &device.driver_info))),
        ("kernel_class", optional(device.map(|device| &device.kernel_class))),
        ("suite", row.suite.clone()),
        ("layer", row.layer.clone()),
        ("operation", row.operation.clone()),
        ("pass", row.pass.as_str().into()),
        ("algorithm", row.algorithm.clone()),
        ("chosen", row.chosen.to_string()),
        ("element", row.element.clone()),
        ("status", row.status.as_str().into()),
        ("message", optional(row.message.as_ref())),
        ("samples", samples.to_string()),
        ("median_ms", optional(row.median_ms())),
        ("min_ms", optional(summary.map(|summary| summary.min))),
        ("lower_quartile_ms", optional(summary.map(|summary| summary.lower_quartile))),
        ("upper_quartile_ms", optional(summary.map(|summary| summary.upper_quartile))),
        ("max_ms", optional(summary.map(|summary| summary.max))),
        ("spread", optional(summary.map(|summary| summary.spread()))),
        ("outliers", optional(summary.map(|summary| summary.outliers))),
        ("gflops", optional(row.gflops())),
        ("gbytes", optional(row.gbytes())),
        ("intensity", row.intensity().to_string()),
        ("bound_side", optional(row.bound.map(|bound| bound.side.as_str()))),
        ("bound_limit_ms", optional(row.bound.map(|bound| bound.limit_ms))),
        ("bound_fraction", optional(row.bound.map(|bound| bound.fraction))),
        ("error_over_tolerance", optional(row.error_over_tolerance)),
        ("macs", row.macs.to_string()),
        ("flops", row.flops.to_string()),
        ("min_bytes", row.min_bytes.to_string()),
        ("traffic_bytes", row.traffic_bytes.to_string()),
        ("workspace_bytes", row.workspace_bytes.to_string()),
        ("dispatches", row.dispatches.to_string()),
        ("plan_cold_ms", optional(row.plan_cold_ms)),
        ("plan_cached_ms", optional(row.plan_cached_ms)),
        ("plan_ms", optional(row.plan_ms)),
        ("first_run_ms", optional(row.first_run_ms)),
        ("bind_us", optional(row.bind_us)),
        ("encode_us", optional(row.encode_us)),
        ("clock", row.clock.as_str().into()),
        ("repeats", row.repeats.to_string()),
        ("buffer_sets", row.buffer_sets.to_string()),
        ("verdict", optional(change.map(|change| change.verdict.as_str()))),
        ("ratio", optional(change.and_then(|change| change.ratio))),
        ("threshold", optional(change.map(|change| change.threshold))),
    ]
}
