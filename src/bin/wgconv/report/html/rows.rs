//! The table of all rows.

use wgconv::bench::{Row, Status};

use super::{Series, data, escape, tag};
use crate::devices::bytes;
use crate::report::{Report, error, figure, percent};

/// A column: its heading, the group that it is shown and hidden with, and what it means.
struct Column(&'static str, &'static str, &'static str);

const COLUMNS: [Column; 25] = [
    Column("Layer", "", "Suite and layer"),
    Column("Pass", "", "Forward, backward (every gradient in one plan), or one gradient"),
    Column("Device", "", "Record and device"),
    Column("Algorithm", "", "A star marks the one that the library chooses by itself"),
    Column("ms", "speed", "Median of all samples"),
    Column("Error", "speed", "Largest error over its tolerance: up to 1 is right"),
    Column("Spread", "speed", "Distance of the quartiles in percent of the median"),
    Column("Outliers", "speed", "Samples farther from the quartiles than 1.5 times their distance"),
    Column("GFLOP/s", "speed", "Two operations per multiply-add of the direct algorithm"),
    Column("GB/s", "speed", "Every tensor counted once"),
    Column("% of limit", "speed", "Share of min(peak, intensity x bandwidth) that is reached"),
    Column("Bound by", "speed", "The limit that is met first"),
    Column("Workspace", "memory", "Bytes of workspace"),
    Column("Traffic", "memory", "Bytes of everything that the dispatches bind"),
    Column("Plan cold ms", "setup", "To make the plan where nothing was compiled before"),
    Column("Plan cached ms", "setup", "With the pipeline cache of an earlier plan"),
    Column("Plan again ms", "setup", "When its pipelines are there"),
    Column("First run ms", "setup", "The very first execution; some drivers compile only then"),
    Column("Bind \u{b5}s", "setup", "To attach buffers, on the host"),
    Column("Encode \u{b5}s", "setup", "To record one execution, on the host"),
    Column("Dispatches", "setup", "Of one execution"),
    Column("Clock", "setup", "What timed it"),
    Column("Element", "setup", "Type of the elements"),
    Column("Operation", "", "Operation"),
    Column("Status", "", "Whether the result was right"),
];

/// Of a cell: what it says, as HTML, and the number to sort by where it is one.
struct Cell {
    html: String,
    value: Option<f64>,
    is_number: bool,
}

impl Cell {
    fn text(text: &str) -> Cell {
        Cell { html: escape(text), value: None, is_number: false }
    }

    fn html(html: String) -> Cell {
        Cell { html, value: None, is_number: false }
    }

    fn number(value: Option<f64>, show: impl Fn(f64) -> String) -> Cell {
        Cell { html: value.map_or_else(|| "\u{2013}".into(), show), value, is_number: true }
    }
}

pub fn table(report: &Report, series: &[Series<'_>]) -> String {
    let head: String = COLUMNS
        .iter()
        .map(|Column(name, group, about)| {
            format!("<th scope=\"col\" class=\"{}\" title=\"{about}\">{name}</th>", class(group))
        })
        .collect();
    let mut body = String::new();
    let mut number = 0;
    for source in &report.sources {
        for row in &source.record.rows {
            let series = data::series_of(series, source, row).map(|i| (i, &series[i]));
            let cells: String =
                cells(row, series).iter().zip(&COLUMNS).map(|(cell, column)| cell_html(cell, column)).collect();
            body.push_str(&format!("<tr data-row=\"{number}\" class=\"{}\">{cells}</tr>\n", row.status.as_str()));
            number += 1;
        }
    }
    format!("<table id=\"all-rows\"><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>")
}

fn class(group: &str) -> String {
    if group.is_empty() { String::new() } else { format!("g-{group}") }
}

fn cell_html(cell: &Cell, Column(name, group, _): &Column) -> String {
    let number = if cell.is_number { " n" } else { "" };
    let value = cell.value.map(|value| format!(" data-v=\"{value}\"")).unwrap_or_default();
    let classes = format!("{}{number}", class(group));
    // The first cell names the row.
    if *name == COLUMNS[0].0 {
        return format!("<th scope=\"row\">{}</th>", cell.html);
    }
    format!("<td class=\"{}\"{value}>{}</td>", classes.trim(), cell.html)
}

fn cells(row: &Row, series: Option<(usize, &Series<'_>)>) -> [Cell; COLUMNS.len()] {
    let summary = row.summary_ms;
    let device = series.map_or_else(
        || escape(&row.device),
        |(i, series)| {
            let tag = tag(i, &series.tag);
            format!("{tag}<span class=\"device-name\"> {}</span>", escape(&series.device_name()))
        },
    );
    let star = if row.chosen { " <span class=\"chosen\" title=\"chosen by the library\">\u{2605}</span>" } else { "" };
    let status = match (&row.message, row.status) {
        (_, Status::Right) | (None, _) => escape(row.status.as_str()),
        (Some(message), _) => {
            format!("<b>{}</b> <small>{}</small>", row.status.as_str(), escape(message))
        }
    };
    let size = |count: u64| Cell::number(Some(count as f64), |_| bytes(count));
    let ms = |value: Option<f64>| Cell::number(value, figure);
    [
        Cell::text(&row.full_name()),
        Cell::text(row.pass.as_str()),
        Cell::html(device),
        Cell::html(format!("{}{star}", escape(&row.algorithm))),
        Cell::number(row.median_ms(), |value| format!("<b>{}</b>", figure(value))),
        Cell::number(row.error_over_tolerance, error),
        Cell::number(summary.map(|summary| summary.spread()), percent),
        Cell::number(summary.map(|summary| summary.outliers as f64), |count| count.to_string()),
        Cell::number(row.gflops(), figure),
        Cell::number(row.gbytes(), figure),
        Cell::number(row.bound.map(|bound| bound.fraction), percent),
        row.bound.map_or_else(|| Cell::text("\u{2013}"), |bound| Cell::text(bound.side.as_str())),
        size(row.workspace_bytes),
        size(row.traffic_bytes),
        ms(row.plan_cold_ms),
        ms(row.plan_cached_ms),
        ms(row.plan_ms),
        ms(row.first_run_ms),
        ms(row.bind_us),
        ms(row.encode_us),
        Cell::number(Some(row.dispatches as f64), |count| count.to_string()),
        Cell::text(row.clock.as_str()),
        Cell::text(&row.element),
        Cell::text(&row.operation),
        Cell::html(status),
    ]
}
