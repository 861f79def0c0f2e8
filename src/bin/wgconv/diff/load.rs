//! Results from files, judged before anything is made of them.

use std::path::Path;

use serde::Deserialize;
use wgconv::bench::DiffRecord;

use crate::document;
use crate::failure::{Failure, Result};

/// What is read before the rest, which another version may write differently.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

/// What the bytes of a file say that it is, where they say anything.
pub fn schema(bytes: &[u8]) -> Option<String> {
    document::parse::<Head>(bytes).ok().map(|head| head.schema)
}

/// Results from the bytes of a file. A failure names the file, the field, its value and the rule.
pub fn record(path: &Path, bytes: &[u8]) -> Result<DiffRecord> {
    let wrong = |rule: String| Failure::invalid(rule).of(path.display());
    let head: Head =
        document::parse(bytes).map_err(|rule| wrong(format!("not a file of `wgconv diff --out`: {rule}")))?;
    if head.schema != wgconv::bench::DIFF_SCHEMA {
        let rule = format!("schema = {:?}: this version of wgconv reads {:?}", head.schema, wgconv::bench::DIFF_SCHEMA);
        return Err(wrong(rule));
    }
    let record: DiffRecord = document::parse(bytes).map_err(wrong)?;
    record.check().map_err(|error| wrong(error.to_string()))?;
    Ok(record)
}
