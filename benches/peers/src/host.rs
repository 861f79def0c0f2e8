//! The machine.

use std::fs::read_to_string;

use sysinfo::{IS_SUPPORTED_SYSTEM, MINIMUM_CPU_UPDATE_INTERVAL, System};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::record::Host;

/// Logical processors that this program may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What is known without asking a library.
pub fn host() -> Host {
    let cpu = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let release = read_to_string("/etc/os-release").unwrap_or_default();
    let pretty = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    Host {
        os: pretty.map_or_else(|| std::env::consts::OS.into(), |name| name.trim_matches('"').into()),
        arch: std::env::consts::ARCH.into(),
        processor: model.map(|(_, name)| name.trim().into()),
        processors: processors(),
        load_before: load(),
        usage_before: usage(),
        load_after: None,
    }
}

/// Load averages, where the system tells.
pub fn load() -> Option<[f64; 3]> {
    let text = read_to_string("/proc/loadavg").ok()?;
    let mut numbers = text.split_whitespace().map(|word| word.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

/// Share of the processors in use while this program waits for a moment. The averages still remember what ended a minute
/// ago, a build for example.
fn usage() -> Option<f64> {
    let mut system = System::new();
    system.refresh_cpu_usage();
    std::thread::sleep(3 * MINIMUM_CPU_UPDATE_INTERVAL);
    system.refresh_cpu_usage();
    let usage = f64::from(system.global_cpu_usage()) / 100.0;
    (IS_SUPPORTED_SYSTEM && usage.is_finite()).then_some(usage)
}

/// Now, in UTC.
pub fn now() -> String {
    // Cannot fail before the year 10000.
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}
