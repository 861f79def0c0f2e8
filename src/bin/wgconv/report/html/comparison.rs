//! The baseline against every other record.

use wgconv::bench::{Comparison, Row, Verdict};

use super::{escape, record_tag};
use crate::report::{Pair, Report, Source, counts, figure, pairs, percent, ratio, remarks};

pub fn sections(report: &Report) -> String {
    let before = &report.sources[0];
    let mut first = before.record.rows.len();
    let mut sections = String::new();
    for (i, (after, comparison)) in report.compared().enumerate() {
        sections.push_str(&section(report, i + 1, comparison, first));
        first += after.record.rows.len();
    }
    sections
}

/// Of the record with that index, whose first row has that number among the rows of all.
fn section(report: &Report, index: usize, comparison: &Comparison, first: usize) -> String {
    let (before, after) = (&report.sources[0], &report.sources[index]);
    let counts: String = counts(comparison)
        .iter()
        .map(|(verdict, count)| {
            let name = verdict.as_str();
            let class = class(*verdict);
            format!(
                "<li class=\"verdict {class}\" data-verdict=\"{name}\"><b>{count}</b> {}{name}</li>",
                mark(*verdict)
            )
        })
        .collect();
    let mean = match comparison.mean_ratio {
        Some(mean) => {
            let meaning = match mean {
                0.9995..1.0005 => "as fast as before".to_string(),
                ..1.0 => format!("{} of the time", percent(mean)),
                ..2.0 => format!("{} more time", percent(mean - 1.0)),
                _ => format!("{} times the time", figure(mean)),
            };
            format!("Geometric mean of the ratios <b>{}</b>: over all rows that both have, {meaning}.", ratio(mean))
        }
        None => "No row was measured in both.".into(),
    };
    let notes: String =
        remarks::between(before, after).iter().map(|note| format!("<p class=\"hint\">{}</p>", escape(note))).collect();
    let rows: String =
        pairs(&before.record, &after.record, comparison).iter().map(|pair| row(pair, before, after, first)).collect();
    format!(
        "<section class=\"comparison\"><h2>{} {} <span class=\"against\">against</span> {} {}</h2>\
         <p class=\"lead\">{mean}</p><ul class=\"counts\">{counts}</ul>{notes}{}\
         <p class=\"hint\">A row counts as slower or faster where its median moved by more than its threshold and \
         the spreads do not meet and the quartiles of each lie less far apart than the medians. A threshold is {} beyond the median of what the peaks of the same adapter moved.</p>\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Comparison\">\
         <table class=\"changes\"><thead><tr>\
         <th scope=\"col\">Verdict</th><th scope=\"col\" title=\"Median after over median before\">Ratio</th>\
         <th scope=\"col\">Layer</th><th scope=\"col\">Pass</th><th scope=\"col\">Algorithm</th>\
         <th scope=\"col\">Before ms</th><th scope=\"col\">Spread</th><th scope=\"col\">After ms</th>\
         <th scope=\"col\">Spread</th><th scope=\"col\" title=\"How far the ratio had to be from 1\">Threshold</th>\
         <th scope=\"col\">Device</th></tr></thead>\
         <tbody>\n{rows}</tbody></table></div></section>\n",
        record_tag(report, index),
        escape(&after.name),
        record_tag(report, 0),
        escape(&before.name),
        machine(after, comparison),
        report.threshold.map_or_else(|| "5% (of a CPU adapter 10%)".into(), percent),
    )
}

/// What the machine itself did meanwhile.
fn machine(after: &Source, comparison: &Comparison) -> String {
    let mut lines = String::new();
    for (id, ratios) in comparison.machine.iter().filter(|(_, ratios)| !ratios.is_empty()) {
        let device = after.record.devices.iter().find(|device| device.id == *id);
        let name = device.map_or_else(|| id.clone(), super::device_name);
        let moved: Vec<String> = ratios
            .iter()
            .map(|(kind, moved)| format!("{} <b>{}</b>", kind.as_str().replace('_', " "), ratio(*moved)))
            .collect();
        lines.push_str(&format!(
            "<p class=\"hint\">The machine\u{2019}s own peaks, after over before, on {}: {}.</p>",
            escape(&name),
            moved.join(", ")
        ));
    }
    lines
}

fn row(pair: &Pair<'_>, before: &Source, after: &Source, first: usize) -> String {
    let row = pair.row();
    let verdict = pair.change.verdict;
    let numbers: Vec<String> =
        [pair.change.before, pair.change.after.map(|i| first + i)].iter().flatten().map(ToString::to_string).collect();
    let device = pair.device(before, after).map_or_else(|| row.device.clone(), super::device_name);
    let shift = match pair.change.ratio {
        // The bar reaches from half to double the time.
        Some(moved) => format!(
            "<td class=\"n\" data-v=\"{moved}\">{}<span class=\"shift {}\" style=\"--r:{:.4}\"></span></td>",
            ratio(moved),
            class(verdict),
            moved.log2().clamp(-1.0, 1.0)
        ),
        None => "<td class=\"n\">\u{2013}</td>".into(),
    };
    format!(
        "<tr data-rows=\"{}\" data-verdict=\"{}\"><td class=\"verdict {}\">{}{}</td>{shift}<th scope=\"row\">{}</th>\
         <td>{}</td><td>{}</td>{}{}<td class=\"n\" data-v=\"{}\">{}</td><td>{}</td></tr>\n",
        numbers.join(" "),
        verdict.as_str(),
        class(verdict),
        mark(verdict),
        verdict.as_str(),
        escape(&row.full_name()),
        row.pass.as_str(),
        escape(&pair.algorithm()),
        times(pair.before),
        times(pair.after),
        pair.change.threshold,
        percent(pair.change.threshold),
        escape(&device),
    )
}

fn times(row: Option<&Row>) -> String {
    match row.map(|row| (row.summary_ms, row.status)) {
        Some((Some(summary), _)) => format!(
            "<td class=\"n\" data-v=\"{}\">{}</td><td class=\"n\" data-v=\"{}\">{}</td>",
            summary.median,
            figure(summary.median),
            summary.spread(),
            percent(summary.spread())
        ),
        Some((None, status)) => format!("<td class=\"n\">{}</td><td class=\"n\">\u{2013}</td>", status.as_str()),
        None => "<td class=\"n\">\u{2013}</td><td class=\"n\">\u{2013}</td>".into(),
    }
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Slower | Verdict::Broken => "worse",
        Verdict::Faster | Verdict::Fixed => "better",
        _ => "same",
    }
}

/// So that colour is not all that tells verdicts apart.
fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Slower => "\u{25b2} ",
        Verdict::Faster => "\u{25bc} ",
        Verdict::Broken => "\u{2717} ",
        Verdict::Fixed => "\u{2713} ",
        Verdict::Added => "+ ",
        Verdict::Removed => "\u{2212} ",
        Verdict::NoChange => "= ",
        Verdict::NotMeasured => "? ",
    }
}
