//! Differences as a page that needs nothing else, not even a script.

use wgconv::bench::DiffRow;

use super::Sources;
use super::terminal::{HEADER, cells, letter};
use crate::report::html::{STYLE, escape, fill};

const PAGE: &str = include_str!("diff.html");

pub fn page(sources: &Sources) -> String {
    let report = &sources.report;
    let devices = report.sources.iter().enumerate().map(|(index, source)| {
        let device = &source.device;
        let host = &sources.records[source.record].host;
        let machine = format!("{}, {}", host.os, host.processor.as_deref().unwrap_or("unknown processor"));
        vec![
            letter(index),
            device.name.clone(),
            device.backend.clone(),
            format!("{} {}", device.driver, device.driver_info).trim().into(),
            sources.names[source.record].clone(),
            machine,
        ]
    });
    let refusals = report.refusals.iter().map(|refusal| {
        let device = letter(refusal.source);
        vec![refusal.problem.clone(), device, refusal.algorithm.clone(), refusal.message.clone()]
    });
    let parts = [
        ("names", escape(&sources.names.join(" · "))),
        ("style", STYLE.into()),
        ("devices", table(&["", "adapter", "backend", "driver", "results", "machine"], devices, |_| false)),
        ("reference", rows(&report.against_reference)),
        ("between", rows(&report.between_devices)),
        ("refusals", table(&["problem", "device", "algorithm", "why"], refusals, |_| false)),
        ("version", escape(env!("CARGO_PKG_VERSION"))),
    ];
    fill(PAGE, &parts)
}

fn rows(rows: &[DiffRow]) -> String {
    let values = |row: &DiffRow| match &row.worst {
        Some(place) => [format!("{:e}", place.value), format!("{:e}", place.baseline)],
        None => Default::default(),
    };
    let header: Vec<&str> = HEADER.iter().copied().chain(["is", "against"]).collect();
    table(&header, rows.iter().map(|row| [cells(row), values(row).into()].concat()), |index| rows[index].wrong > 0)
}

/// A table, or a word where it would be empty. Wrong rows are marked.
fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>, is_wrong: impl Fn(usize) -> bool) -> String {
    let cell = |text: &String| format!("<td>{}</td>", escape(text));
    let row = |(index, cells): (usize, Vec<String>)| {
        let class = if is_wrong(index) { " class=\"wrong\"" } else { "" };
        format!("<tr{class}>{}</tr>", cells.iter().map(cell).collect::<String>())
    };
    let body: Vec<String> = rows.enumerate().map(row).collect();
    if body.is_empty() {
        return "<p>nothing</p>".into();
    }
    let head: String = header.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(name))).collect();
    format!("<table><thead><tr>{head}</tr></thead><tbody>{}</tbody></table>", body.concat())
}
