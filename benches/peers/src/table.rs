//! A record as a table.

use std::collections::BTreeMap;

use crate::record::{Cell, Mean, OURS, Record, Status};

/// All of it, lines without their ends.
pub fn lines(record: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    for runner in &record.runners {
        lines.push(match &runner.peer {
            Some(peer) => {
                let driver = if peer.driver.is_empty() { String::new() } else { format!(" ({})", peer.driver) };
                format!("{} {} on {}{driver}; timed: {}", runner.name, peer.version, peer.device, peer.timed)
            }
            None => {
                let message = runner.message.as_deref().unwrap_or_default();
                format!("{}: {}: {message}", runner.name, runner.status.as_str())
            }
        });
    }
    lines.push(String::new());

    // Who never came has no column.
    let present: Vec<&str> =
        record.runners.iter().filter(|runner| runner.peer.is_some()).map(|runner| &*runner.name).collect();
    let mut notes = Notes::default();
    let mut table = vec![header(&["layer", "pass"], &present)];
    for row in &record.rows {
        let mut line = vec![row.layer.clone(), row.pass.as_str().into()];
        for &name in &present {
            line.push(row.runners.get(name).map_or_else(String::new, |cell| notes.cell(name, cell)));
        }
        table.push(line);
    }
    lines.extend(aligned(&table));
    lines.push(String::new());
    lines.push(format!(
        "ms by the wall clock, median, ±half the distance of the quartiles; behind it the ratio to {OURS}: above 1, {OURS} \
         is faster. ~: beyond the bound of f32 sums, within {} times.",
        record.settings.loose
    ));
    lines.extend(notes.texts.iter().enumerate().map(|(i, (_, text))| format!("[{}] {text}", i + 1)));
    lines.push(String::new());

    let peers: Vec<&str> = present.iter().copied().filter(|&name| name != OURS).collect();
    let mut table = vec![header(&["ratios", "pass"], &peers)];
    let mut groups: Vec<(&Mean, Vec<String>)> = Vec::new();
    for mean in record.summary.iter().filter(|mean| peers.contains(&&*mean.runner)) {
        let same =
            |(first, _): &&mut (&Mean, Vec<String>)| first.operation == mean.operation && first.pass == mean.pass;
        match groups.iter_mut().find(same) {
            Some((_, cells)) => cells.push(mean_cell(mean)),
            None => groups.push((mean, vec![mean_cell(mean)])),
        }
    }
    for (first, cells) in groups {
        let operation = first.operation.clone().unwrap_or_else(|| "all".into());
        let pass = first.pass.map_or("all", |pass| pass.as_str()).to_string();
        table.push([vec![operation, pass], cells].concat());
    }
    if !peers.is_empty() {
        lines.extend(aligned(&table));
        lines.push("geometric mean of the ratios, their number, and the smallest".into());
    }
    if let (Some(before), Some(after)) = (record.host.load_before, record.host.load_after) {
        let by_average = || before[0] > 0.25 * record.host.processors as f64;
        let busy = record.host.usage_before.map_or_else(by_average, |usage| usage > MOST_USAGE);
        let warning = if busy { ": the machine was busy, do not trust these times" } else { "" };
        lines.push(format!(
            "{:.0} s; load average {:.2} before, {:.2} after{warning}",
            record.seconds, before[0], after[0]
        ));
    }
    lines
}

/// Share of the processors in use beyond which a machine is busy.
const MOST_USAGE: f64 = 0.15;

fn header(first: &[&str], rest: &[&str]) -> Vec<String> {
    first.iter().chain(rest).map(|&word| word.to_string()).collect()
}

fn mean_cell(mean: &Mean) -> String {
    let wrong = if mean.wrong == 0 { String::new() } else { format!(", {} wrong", mean.wrong) };
    match (mean.geometric_mean, mean.worst) {
        (Some(geometric), Some(worst)) => format!("{geometric:.2} ({}, {worst:.2}{wrong})", mean.rows),
        _ => format!("-{wrong}"),
    }
}

/// What does not fit into a cell.
#[derive(Default)]
struct Notes {
    numbers: BTreeMap<(String, String), usize>,
    texts: Vec<(usize, String)>,
}

impl Notes {
    fn cell(&mut self, runner: &str, cell: &Cell) -> String {
        match (cell.summary_ms, cell.status.counts()) {
            (Some(summary), true) => {
                let half = 50.0 * summary.spread();
                let mark = if cell.status == Status::Loose { "~" } else { "" };
                let ratio = match cell.ratio {
                    Some(_) if runner == OURS => String::new(),
                    Some(ratio) => format!("  {ratio:.2}"),
                    None => "  -".into(),
                };
                format!("{mark}{} ±{half:.0}%{ratio}", milliseconds(summary.median))
            }
            _ => match &cell.message {
                Some(message) => format!("{} [{}]", cell.status.as_str(), self.number(runner, message)),
                None => cell.status.as_str().into(),
            },
        }
    }

    fn number(&mut self, runner: &str, message: &str) -> usize {
        let next = self.texts.len() + 1;
        let key = (runner.to_string(), message.to_string());
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.texts.push((next, format!("{runner}: {message}")));
        }
        number
    }
}

/// Three digits.
fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms >= 100.0 => format!("{ms:.0}"),
        ms if ms >= 10.0 => format!("{ms:.1}"),
        ms if ms >= 1.0 => format!("{ms:.2}"),
        _ => format!("{ms:.3}"),
    }
}

/// The first two columns to the left, the others to the right.
fn aligned(table: &[Vec<String>]) -> Vec<String> {
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |i: usize| table.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(i, (cell, &width))| match i {
            0 | 1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    table.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Times;

    #[test]
    fn cells_say_what_happened() {
        let mut notes = Notes::default();
        let mut right = Cell::new(Status::Loose, None);
        right.rounds.push(Times { ms: vec![1.0, 2.0, 3.0], repeats: 1, device_ms: Vec::new() });
        right.finish();
        right.ratio = Some(0.5);
        assert_eq!(notes.cell("theirs", &right), "~2.00 ±25%  0.50");
        assert_eq!(notes.cell(OURS, &right), "~2.00 ±25%");
        let wrong = Cell::new(Status::Wrong, Some("wrong: grad_offset".into()));
        assert_eq!(notes.cell("theirs", &wrong), "wrong [1]");
        let crashed = Cell::new(Status::Crashed, Some("run: signal 11".into()));
        assert_eq!(notes.cell("theirs", &crashed), "crashed [2]");
        assert_eq!(notes.cell("theirs", &wrong), "wrong [1]");
        assert_eq!(notes.texts.len(), 2);
    }
}
