//! What the page's script draws. Every number in it was computed here.

use serde_json::{Map, Value, json};
use wgconv::bench::{Device, Row};

use super::Series;
use crate::report::Report;

pub fn of(report: &Report, series: &[Series<'_>]) -> Value {
    // Rows of one layer share their problem.
    let mut problems: Vec<&wgconv::Problem> = Vec::new();
    let mut rows = Vec::new();
    for source in &report.sources {
        for row in &source.record.rows {
            let problem = problems.iter().rposition(|problem| **problem == row.problem).unwrap_or_else(|| {
                problems.push(&row.problem);
                problems.len() - 1
            });
            rows.push(self::row(row, series_of(series, source, row), problem));
        }
    }
    let series: Vec<Value> = series
        .iter()
        .map(|series| json!({"tag": series.tag, "label": series.label, "peaks": peaks(series.device)}))
        .collect();
    json!({"series": series, "problems": problems, "rows": rows})
}

/// Which series a row belongs to.
pub fn series_of(series: &[Series<'_>], source: &crate::report::Source, row: &Row) -> Option<usize> {
    series.iter().position(|series| std::ptr::eq(series.source, source) && series.device.id == row.device)
}

/// In units of the plot, without those that could not be measured.
fn peaks(device: &Device) -> Map<String, Value> {
    let measured = device.peaks.iter().filter(|peak| peak.per_second > 0.0);
    measured.map(|peak| (peak.kind.as_str().into(), json!(peak.per_second * 1e-9))).collect()
}

fn row(row: &Row, series: Option<usize>, problem: usize) -> Value {
    json!({
        "series": series, "suite": row.suite, "layer": row.full_name(), "operation": row.operation, "pass": row.pass,
        "algorithm": row.algorithm, "chosen": row.chosen, "status": row.status, "message": row.message,
        "element": row.element, "error": row.error_over_tolerance, "summary": row.summary_ms, "rounds": row.rounds_ms,
        "repeats": row.repeats, "buffer_sets": row.buffer_sets, "macs": row.macs, "flops": row.flops,
        "min_bytes": row.min_bytes, "gflops": row.gflops(), "gbytes": row.gbytes(), "intensity": row.intensity(),
        "bound": row.bound, "problem": problem,
    })
}
