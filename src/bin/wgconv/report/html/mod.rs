//! A report as one page. Its tables are plain HTML; the script adds plots, sorting and filters.

mod comparison;
mod data;
mod rows;

use wgconv::bench::{ClockKind, Device, PeakKind};

use super::{Report, Source, figure, remarks, terminal};
use crate::failure::{Failure, Result};

const PAGE: &str = include_str!("../report.html");
pub const STYLE: &str = include_str!("../report.css");
const SCRIPT: &str = include_str!("../report.js");
const PLOTS: &str = include_str!("../plots.js");

/// A device of a record: what has a colour in the plots.
struct Series<'a> {
    source: &'a Source,
    device: &'a Device,
    /// `A` for the first record's only device, `B1` for the second device of the second record.
    tag: String,
    /// Record, adapter and backend, as far as they tell series apart.
    label: String,
}

/// Colours before they repeat, as the style sheet has them.
const COLOURS: usize = 8;

pub(super) fn page(report: &Report) -> Result<String> {
    let series = series(report);
    let names: Vec<&str> = report.sources.iter().map(|source| source.name.as_str()).collect();
    let title = format!("wgconv report: {}", names.join(", "));
    let warnings: Vec<String> = report
        .sources
        .iter()
        .enumerate()
        .flat_map(|(i, source)| {
            let tag = record_tag(report, i);
            remarks::of(&source.record).into_iter().map(move |text| format!("<li>{tag} {}</li>", escape(&text)))
        })
        .collect();
    let warnings = match warnings.is_empty() {
        true => String::new(),
        false => format!("<ul class=\"warnings\" aria-label=\"Warnings\">{}</ul>", warnings.concat()),
    };
    let data =
        serde_json::to_string(&data::of(report, &series)).map_err(|error| Failure::invalid(error.to_string()))?;
    let parts = [
        ("title", escape(&title)),
        ("style", STYLE.into()),
        ("script", SCRIPT.into()),
        ("plots", PLOTS.into()),
        ("data", inert(&data)),
        ("names", escape(&names.join(" · "))),
        ("warnings", warnings),
        ("records", (0..report.sources.len()).map(|index| record(report, index, &series)).collect()),
        ("comparisons", comparison::sections(report)),
        ("rows", rows::table(report, &series)),
        ("version", escape(env!("CARGO_PKG_VERSION"))),
    ];
    Ok(fill(PAGE, &parts))
}

/// Replaces every `{{name}}` of the template once, so that nothing in a value is taken for a name.
pub fn fill(template: &str, parts: &[(&str, String)]) -> String {
    let mut pieces = template.split("{{");
    let mut page = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").unwrap_or((piece, ""));
        let part = parts.iter().find(|(key, _)| *key == name);
        page.push_str(part.map_or("", |(_, value)| value));
        page.push_str(rest);
    }
    page
}

/// Text for an element or a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// JSON that cannot end the element it is in. These characters occur only inside its strings.
fn inert(json: &str) -> String {
    json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

/// Of a record: A, B and so on, then numbers.
fn letter(index: usize) -> String {
    match u8::try_from(index) {
        Ok(i @ 0..26) => char::from(b'A' + i).to_string(),
        _ => format!("{}", index + 1),
    }
}

/// A letter in the colour of a series.
fn tag(series: usize, letter: &str) -> String {
    format!("<span class=\"tag s{}\">{letter}</span>", series % COLOURS)
}

/// A record's letter, in its series' colour where it has just one.
fn record_tag(report: &Report, index: usize) -> String {
    let devices = |source: &Source| source.record.devices.len();
    match devices(&report.sources[index]) {
        1 => tag(report.sources[..index].iter().map(devices).sum(), &letter(index)),
        _ => format!("<span class=\"tag\">{}</span>", letter(index)),
    }
}

fn series(report: &Report) -> Vec<Series<'_>> {
    let mut all = Vec::new();
    for (i, source) in report.sources.iter().enumerate() {
        let devices = &source.record.devices;
        for (number, device) in devices.iter().enumerate() {
            let number = if devices.len() > 1 { (number + 1).to_string() } else { String::new() };
            let device_name = device_name(device);
            let label = match report.sources.len() {
                1 => device_name,
                _ => format!("{}, {device_name}", source.name),
            };
            all.push(Series { source, device, tag: letter(i) + &number, label });
        }
    }
    all
}

impl Series<'_> {
    fn device_name(&self) -> String {
        device_name(self.device)
    }
}

/// Adapter and backend: `llvmpipe gl`.
fn device_name(device: &Device) -> String {
    format!("{} {}", short(&device.name), device.backend)
}

/// `llvmpipe` of `llvmpipe (LLVM 15.0.6, 256 bits)`.
fn short(adapter: &str) -> &str {
    match adapter.split_once(" (") {
        Some((name, _)) if !name.is_empty() => name,
        _ => adapter,
    }
}

/// `2025-01-31 12:00:00 UTC` of RFC 3339; anything else as it is.
fn readable(created: &str) -> String {
    match created.strip_suffix('Z').and_then(|utc| utc.split_once('T')) {
        Some((day, time)) => format!("{day} {} UTC", time.split('.').next().unwrap_or(time)),
        None => created.into(),
    }
}

/// What a record was measured with.
fn record(report: &Report, index: usize, series: &[Series<'_>]) -> String {
    let source = &report.sources[index];
    let record = &source.record;
    let (software, settings) = (&record.software, &record.settings);
    let label = record.label.as_deref().unwrap_or("none");
    let rows = record.rows.len();
    let right = record.rows.iter().filter(|row| row.median_ms().is_some()).count();
    let facts = [
        ("File", source.path.display().to_string()),
        ("Label", label.into()),
        ("Measured", readable(&record.created)),
        ("Commit", software.commit.clone().unwrap_or_else(|| "unknown".into())),
        ("Versions", format!("wgconv {}, wgpu {}", software.wgconv, software.wgpu)),
        ("Machine", terminal::host(source)),
        (
            "Settings",
            format!(
                "{} rounds of {} samples of {} ms, rotating through {} MiB",
                settings.rounds,
                settings.samples,
                settings.sample_ms,
                settings.rotate_bytes >> 20
            ),
        ),
        ("Rows", format!("{right} of {rows} measured")),
    ];
    let facts: String =
        facts.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(value))).collect();
    let own = series.iter().enumerate().filter(|(_, one)| std::ptr::eq(one.source, source));
    let devices: String = own.map(|(number, one)| self::device(number, one)).collect();
    format!(
        "<article class=\"record\"><h3>{} {}</h3><dl>{facts}</dl>{devices}</article>",
        record_tag(report, index),
        escape(&source.name)
    )
}

fn device(number: usize, series: &Series<'_>) -> String {
    let device = series.device;
    let tag = match series.source.record.devices.len() {
        1 => String::new(),
        _ => tag(number, &series.tag) + " ",
    };
    let clock = match device.clock {
        ClockKind::Timestamp => "timed by timestamps",
        ClockKind::Wall => "timed by the wall clock",
    };
    let about = [
        device.backend.clone(),
        device.device_type.clone(),
        format!("{} {}", device.driver, device.driver_info).trim().into(),
        format!("kernels for a {}", device.kernel_class.to_uppercase()),
        clock.into(),
    ]
    .join(", ");
    let peaks: String = device
        .peaks
        .iter()
        .map(|peak| {
            let name = match peak.kind {
                PeakKind::F32Fma => "f32 multiply-add",
                PeakKind::F16Fma => "f16 multiply-add",
                PeakKind::Read => "read",
                PeakKind::Copy => "copy",
            };
            let value = figure(peak.per_second * 1e-9);
            format!("<li>{name} <b>{value}</b> {} <small>{}</small></li>", peak.kind.unit(), escape(&peak.variant))
        })
        .collect();
    let peaks = if peaks.is_empty() { "<li>limits not measured</li>".into() } else { peaks };
    format!(
        "<div class=\"device\"><p>{tag}{}<br><small>{}</small></p><ul class=\"peaks\">{peaks}</ul></div>",
        escape(&device.name),
        escape(&about)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_templates_and_cannot_leave_their_place() {
        let parts = [("a", "{{b}}".to_string()), ("b", "x".to_string())];
        assert_eq!(fill("<{{a}}|{{b}}|{{c}}>", &parts), "<{{b}}|x|>");
        assert_eq!(escape("</b>&\"'"), "&lt;/b&gt;&amp;&quot;&#39;");
        let json = inert(&serde_json::to_string("</script><!--&").unwrap());
        assert_eq!(json, r#""\u003c/script\u003e\u003c!--\u0026""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), "</script><!--&");
    }

    #[test]
    fn records_have_letters() {
        assert_eq!([0, 1, 25, 26].map(letter), ["A", "B", "Z", "27"]);
    }
}
