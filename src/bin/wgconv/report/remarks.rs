//! What a reader should know before believing a record, or a comparison of two.

use std::collections::BTreeSet;

use wgconv::bench::{ClockKind, Device, Record, Status};

use super::Source;
use crate::bench::Load;

/// About one record.
pub fn of(record: &Record) -> Vec<String> {
    let mut remarks = Vec::new();
    if record.interrupted {
        remarks.push("Ended early: what is missing was not measured.".into());
    }
    let load = Load {
        average: record.machine.load_before,
        processors: record.machine.host.processors,
        usage: record.machine.usage_before,
    };
    if load.is_busy() {
        remarks.push(format!("The machine was busy before the first measurement: {load}."));
    }
    let count = |status: Status| record.rows.iter().filter(|row| row.status == status).count();
    let rows = record.rows.len();
    for (status, what) in [
        (Status::Wrong, "are wrong and have no times"),
        (Status::Failed, "failed on the device"),
        (Status::Unsupported, "are not supported there"),
    ] {
        let count = count(status);
        if count > 0 {
            remarks.push(format!("{count} of {rows} rows {what}."));
        }
    }
    for device in &record.devices {
        let id = &device.id;
        if device.clock == ClockKind::Wall {
            remarks.push(format!("Device {id} was timed by the wall clock, which includes submission and waiting."));
        }
        if device.peaks.is_empty() {
            remarks.push(format!("The limits of device {id} were not measured: its rows say nothing about them."));
        }
        for peak in device.peaks.iter().filter(|peak| peak.per_second <= 0.0) {
            remarks.push(format!("The limit {} of device {id} could not be measured.", peak.kind.as_str()));
        }
    }
    if record.software.commit.as_ref().is_some_and(|commit| commit.ends_with("-dirty")) {
        remarks.push("Built from files that differed from the commit.".into());
    }
    remarks
}

/// What differs between a record and its baseline, apart from the times.
pub fn between(before: &Source, after: &Source) -> Vec<String> {
    let (a, b) = (&before.record, &after.record);
    let mut remarks = Vec::new();
    let mut differ = |what: &str, a: String, b: String| {
        if a != b {
            remarks.push(format!("{what}: {a} before, {b} after."));
        }
    };
    let commit = |record: &Record| record.software.commit.clone().unwrap_or_else(|| "unknown".into());
    differ("Different commits", commit(a), commit(b));
    differ("Different versions of wgpu", a.software.wgpu.clone(), b.software.wgpu.clone());
    let host = |record: &Record| {
        let host = &record.machine.host;
        format!("{} on {}", host.os, host.processor.as_deref().unwrap_or(&host.arch))
    };
    differ("Different hosts", host(a), host(b));
    let devices = |record: &Record, of: &dyn Fn(&Device) -> String| {
        let different: BTreeSet<String> = record.devices.iter().map(of).collect();
        different.into_iter().collect::<Vec<_>>().join(", ")
    };
    let adapter = |device: &Device| format!("{} ({})", device.name, device.backend);
    differ("Different devices", devices(a, &adapter), devices(b, &adapter));
    let driver = |device: &Device| format!("{} {}", device.driver, device.driver_info).trim().to_string();
    differ("Different drivers", devices(a, &driver), devices(b, &driver));
    let clock = |device: &Device| device.clock.as_str().to_string();
    differ("Different clocks", devices(a, &clock), devices(b, &clock));
    let settings = |record: &Record| {
        let settings = &record.settings;
        let mib = settings.rotate_bytes >> 20;
        format!("samples of {} ms rotating through {mib} MiB", settings.sample_ms)
    };
    differ("Measured differently", settings(a), settings(b));
    remarks
}
