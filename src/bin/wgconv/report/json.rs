//! Summary and comparison in JSON.

use serde_json::{Map, Value, json};
use wgconv::bench::{Comparison, Row, Status};

use super::{Pair, Report, Source, VERDICTS, pairs, remarks};

pub fn summary(report: &Report) -> Value {
    let before = &report.sources[0];
    let comparisons: Vec<Value> = report
        .compared()
        .map(|(after, comparison)| {
            let changes: Vec<Value> = pairs(&before.record, &after.record, comparison).iter().map(change).collect();
            json!({
                "before": before.name, "after": after.name, "threshold": report.threshold,
                "counts": counts(comparison), "mean_ratio": comparison.mean_ratio, "machine": comparison.machine,
                "remarks": remarks::between(before, after), "changes": changes,
            })
        })
        .collect();
    json!({"records": report.sources.iter().map(source).collect::<Vec<_>>(), "comparisons": comparisons})
}

fn source(source: &Source) -> Value {
    let record = &source.record;
    let count = |status: Status| record.rows.iter().filter(|row| row.status == status).count();
    let statuses = [Status::Right, Status::Wrong, Status::Unsupported, Status::Failed];
    let rows: Map<String, Value> =
        statuses.into_iter().map(|status| (status.as_str().into(), count(status).into())).collect();
    json!({
        "file": source.path.display().to_string(), "name": source.name, "label": record.label,
        "created": record.created, "software": record.software, "machine": record.machine,
        "settings": record.settings, "devices": record.devices, "interrupted": record.interrupted, "rows": rows,
        "remarks": remarks::of(record),
    })
}

/// Every verdict, those that do not occur with 0.
fn counts(comparison: &Comparison) -> Map<String, Value> {
    let name = |verdict: wgconv::bench::Verdict| verdict.as_str().replace(' ', "_");
    VERDICTS.into_iter().map(|verdict| (name(verdict), comparison.count(verdict).into())).collect()
}

fn change(pair: &Pair<'_>) -> Value {
    let row = pair.row();
    let side = |row: Option<&Row>| {
        row.map(|row| {
            json!({
                "device": row.device, "algorithm": row.algorithm, "status": row.status, "summary_ms": row.summary_ms,
            })
        })
    };
    json!({
        "suite": row.suite, "layer": row.layer, "operation": row.operation, "pass": row.pass,
        "verdict": pair.change.verdict, "ratio": pair.change.ratio, "threshold": pair.change.threshold,
        "before": side(pair.before), "after": side(pair.after),
    })
}
