//! Records from files, judged before anything is made of them.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use wgconv::bench::{Record, Row, SCHEMA, Status};

use crate::document;
use crate::failure::{Failure, Result};

/// What is read before the rest, which another version may write differently.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

/// A record from the bytes of a file. A failure names the file, the field, its value and the rule.
pub fn record(path: &Path, bytes: &[u8]) -> Result<Record> {
    parse(bytes).map_err(|rule| Failure::invalid(rule).of(path.display()))
}

fn parse(bytes: &[u8]) -> std::result::Result<Record, String> {
    let head: Head = document::parse(bytes).map_err(|rule| format!("not a record of `wgconv bench --out`: {rule}"))?;
    if head.schema != SCHEMA {
        return Err(format!("schema = {:?}: this version of wgconv reads {SCHEMA:?}", head.schema));
    }
    let record: Record = document::parse(bytes)?;
    check(&record)?;
    Ok(record)
}

/// What the types do not say.
fn check(record: &Record) -> std::result::Result<(), String> {
    let mut ids = BTreeSet::new();
    for (i, device) in record.devices.iter().enumerate() {
        if !ids.insert(device.id.as_str()) {
            return Err(format!("devices[{i}].id = {:?}: another device has it", device.id));
        }
    }
    for (i, row) in record.rows.iter().enumerate() {
        if !ids.contains(row.device.as_str()) {
            return Err(format!("rows[{i}].device = {:?}: no device has this id", row.device));
        }
        check_times(row).map_err(|rule| format!("rows[{i}].{rule}"))?;
    }
    Ok(())
}

/// Right rows have times, and nothing takes no time.
fn check_times(row: &Row) -> std::result::Result<(), String> {
    let positive = |name: String, ms: f64| match ms.is_finite() && ms > 0.0 {
        true => Ok(()),
        false => Err(format!("{name} = {ms}: it must be above 0")),
    };
    match (row.status, row.summary_ms) {
        (Status::Right, None) => Err("summary_ms = null: a row whose status is right has one".into()),
        (Status::Right, Some(summary)) => {
            let statistics = [
                ("min", summary.min),
                ("lower_quartile", summary.lower_quartile),
                ("median", summary.median),
                ("upper_quartile", summary.upper_quartile),
                ("max", summary.max),
            ];
            for (name, ms) in statistics {
                positive(format!("summary_ms.{name}"), ms)?;
            }
            for (round, samples) in row.rounds_ms.iter().enumerate() {
                for (sample, &ms) in samples.iter().enumerate() {
                    positive(format!("rounds_ms[{round}][{sample}]"), ms)?;
                }
            }
            Ok(())
        }
        (status, Some(_)) => Err(format!("summary_ms: a row whose status is {} has none", status.as_str())),
        (_, None) => Ok(()),
    }
}
