//! The baseline against every other record.

use wgconv::bench::{Comparison, Row, Verdict};

use super::{escape, letter, tagged};
use crate::report::{Pair, Report, Source, counts, figure, pairs, percent, remarks};

pub fn sections(report: &Report) -> String {
    let before = &report.sources[0];
    let mut first = before.record.rows.len();
    let mut sections = String::new();
    for (i, (after, comparison)) in report.compared().enumerate() {
        sections.push_str(&section(before, after, comparison, (i + 1, first, report.threshold)));
        first += after.record.rows.len();
    }
    sections
}

/// `place` is the record's index, the number of its first row among all, and the threshold.
fn section(before: &Source, after: &Source, comparison: &Comparison, place: (usize, usize, f64)) -> String {
    let (index, first, threshold) = place;
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
        Some(ratio) => format!(
            "Geometric mean of the ratios <b>{ratio:.3}</b>: over all rows that both have, {}.",
            if (ratio - 1.0).abs() < 0.0005 {
                "as fast as before".to_string()
            } else if ratio < 1.0 {
                format!("{} of the time", percent(ratio))
            } else {
                format!("{} more time", percent(ratio - 1.0))
            }
        ),
        None => "No row was measured in both.".into(),
    };
    let notes: String =
        remarks::between(before, after).iter().map(|note| format!("<li>{}</li>", escape(note))).collect();
    let notes = if notes.is_empty() { notes } else { format!("<ul class=\"notes\">{notes}</ul>") };
    let rows: String =
        pairs(&before.record, &after.record, comparison).iter().map(|pair| row(pair, before, after, first)).collect();
    format!(
        "<section class=\"comparison\"><h2>{} {} <span class=\"against\">against</span> {} {}</h2>\
         <p class=\"lead\">{mean}</p><ul class=\"counts\">{counts}</ul>{}{notes}\
         <p class=\"hint\">A row counts as slower or faster where its median moved by more than {}, or by more than the \
         machine\u{2019}s own peaks did if that is farther, and the spreads do not meet.</p>\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Comparison\"><table class=\"changes\"><thead><tr>\
         <th scope=\"col\">Layer</th><th scope=\"col\">Pass</th><th scope=\"col\">Device</th><th scope=\"col\">Algorithm</th>\
         <th scope=\"col\">Verdict</th><th scope=\"col\" title=\"Median after over median before\">Ratio</th>\
         <th scope=\"col\" title=\"How far the ratio had to be from 1\">Threshold</th><th scope=\"col\">Before ms</th>\
         <th scope=\"col\">Spread</th><th scope=\"col\">After ms</th><th scope=\"col\">Spread</th></tr></thead>\
         <tbody>\n{rows}</tbody></table></div></section>\n",
        tagged(index, &letter(index)),
        escape(&after.name),
        tagged(0, &letter(0)),
        escape(&before.name),
        machine(after, comparison),
        percent(threshold),
    )
}

/// What the machine itself did meanwhile.
fn machine(after: &Source, comparison: &Comparison) -> String {
    let mut lines = String::new();
    for (id, ratios) in &comparison.machine {
        if ratios.is_empty() {
            continue;
        }
        let device = after.record.devices.iter().find(|device| device.id == *id);
        let name = device.map_or(id.as_str(), |device| device.name.as_str());
        let moved: Vec<String> = ratios
            .iter()
            .map(|(kind, ratio)| format!("{} \u{d7} {ratio:.3}", kind.as_str().replace('_', " ")))
            .collect();
        lines.push_str(&format!("<li>{}: {}</li>", escape(name), moved.join(", ")));
    }
    match lines.is_empty() {
        true => String::new(),
        false => format!(
            "<p class=\"hint\">Meanwhile the machine\u{2019}s own peaks became:</p><ul class=\"notes\">{lines}</ul>"
        ),
    }
}

fn row(pair: &Pair<'_>, before: &Source, after: &Source, first: usize) -> String {
    let row = pair.row();
    let verdict = pair.change.verdict;
    let numbers: Vec<String> =
        [pair.change.before, pair.change.after.map(|i| first + i)].iter().flatten().map(ToString::to_string).collect();
    let device = pair
        .device(before, after)
        .map_or_else(|| row.device.clone(), |device| format!("{} {}", super::short(&device.name), device.backend));
    let ratio = match pair.change.ratio {
        // From half to double the time.
        Some(ratio) => format!(
            "<td class=\"n\" data-v=\"{ratio}\">{ratio:.3}<span class=\"shift {}\" style=\"--r:{:.4}\"></span></td>",
            class(verdict),
            ratio.log2().clamp(-1.0, 1.0)
        ),
        None => "<td class=\"n\">\u{2013}</td>".into(),
    };
    format!(
        "<tr data-rows=\"{}\" data-verdict=\"{}\"><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td>\
         <td class=\"verdict {}\">{}{}</td>{ratio}<td class=\"n\" data-v=\"{}\">{}</td>{}{}</tr>\n",
        numbers.join(" "),
        verdict.as_str(),
        escape(&row.full_name()),
        row.pass.as_str(),
        escape(&device),
        escape(&pair.algorithm()),
        class(verdict),
        mark(verdict),
        verdict.as_str(),
        pair.change.threshold,
        percent(pair.change.threshold),
        times(pair.before),
        times(pair.after),
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
