//! Results from files, judged before anything is made of them.

use std::path::Path;

use serde::Deserialize;
use wgconv::bench::DiffRecord;

use crate::document;
use crate::failure::{Failure, Result};
use crate::files;

/// What is read before the rest, which another version may write differently.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

/// What a file says that it is, where it says anything.
pub fn schema(path: &Path) -> Option<String> {
    document::parse::<Head>(&std::fs::read(path).ok()?).ok().map(|head| head.schema)
}

/// Reads results. A failure names the file, the field, its value and the rule.
pub fn record(path: &Path) -> Result<DiffRecord> {
    let bytes = files::read(path)?;
    let wrong = |rule: String| Failure::invalid(rule).of(path.display());
    let head: Head =
        document::parse(&bytes).map_err(|rule| wrong(format!("not a file of `wgconv diff --out`: {rule}")))?;
    if head.schema != wgconv::bench::DIFF_SCHEMA {
        let rule = format!("schema = {:?}: this version of wgconv reads {:?}", head.schema, wgconv::bench::DIFF_SCHEMA);
        return Err(wrong(rule));
    }
    let record: DiffRecord = document::parse(&bytes).map_err(wrong)?;
    record.check().map_err(|error| wrong(error.to_string()))?;
    Ok(record)
}
