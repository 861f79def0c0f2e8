//! Differences as text.

use wgconv::bench::{DiffRow, DiffStatus};

use super::Sources;
use crate::console::{Table, say};
use crate::report::{error, figure};

/// A, B and so on, then numbers.
pub fn letter(index: usize) -> String {
    match u8::try_from(index) {
        Ok(i @ 0..26) => char::from(b'A' + i).to_string(),
        _ => format!("{}", index + 1),
    }
}

/// What a table says of a row, under [`header`].
pub fn cells(row: &DiffRow) -> Vec<String> {
    let ulps = row.max_ulps.map_or_else(|| "no number".into(), |ulps| ulps.to_string());
    let worst = row.worst.as_ref().map_or_else(String::new, |place| format!("{} [{}]", place.problem, place.element));
    vec![
        row.operation.clone(),
        row.pass.as_str().into(),
        row.tensor.to_string(),
        row.algorithm.clone(),
        letter(row.source),
        letter(row.baseline),
        format!("{} of {}", row.equal, row.tensors),
        row.differing.to_string(),
        ulps,
        figure(row.max_scaled_ulps),
        row.error_over_tolerance.map_or_else(|| "not finite".into(), error),
        worst,
    ]
}

/// Names of the columns.
pub const HEADER: [&str; 12] = [
    "operation",
    "pass",
    "tensor",
    "algorithm",
    "device",
    "against",
    "equal",
    "elements",
    "ulp",
    "scaled",
    "error",
    "where",
];

pub fn say(sources: &Sources) {
    let report = &sources.report;
    for (index, source) in report.sources.iter().enumerate() {
        let device = &source.device;
        let mut line = vec![letter(index), source.label.clone()];
        line.push([device.driver.as_str(), device.driver_info.as_str()].join(" ").trim().into());
        if sources.names.len() > 1 {
            line.push(sources.names[source.record].clone());
        }
        line.retain(|part| !part.is_empty());
        say!("{}", plain(&line.join("  ")));
    }
    section("against the reference, rounded to f32", &report.against_reference);
    section("the same algorithm on two devices", &report.between_devices);
    let count = |status| report.refusals.iter().filter(|refusal| refusal.status == status).count();
    let [unsupported, failed] = [DiffStatus::Unsupported, DiffStatus::Failed].map(count);
    let tensors: usize = report.against_reference.iter().map(|row| row.tensors).sum();
    let equal: usize = report.against_reference.iter().map(|row| row.equal).sum();
    let [between, same] = [
        report.between_devices.iter().map(|row| row.tensors).sum::<usize>(),
        report.between_devices.iter().map(|row| row.equal).sum(),
    ];
    say!("\n{equal} of {tensors} results are the reference's, bit by bit; {same} of {between} are another device's");
    if unsupported + failed > 0 {
        say!("{unsupported} were not supported, {failed} failed");
    }
}

/// Words of a file, without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn section(title: &str, rows: &[DiffRow]) {
    if rows.is_empty() {
        return;
    }
    say!("\n{title}");
    let mut table = Table::new(&HEADER);
    rows.iter().for_each(|row| table.row(cells(row).iter().map(|cell| plain(cell)).collect()));
    table.say();
}
