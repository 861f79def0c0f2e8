//! A record as a table.

use wgconv::bench::{Device, PeakKind, Record, Row, Status};

use crate::console::{Table, say};

/// Devices, their limits, and every row.
pub fn say_record(record: &Record) {
    say_devices(&record.devices);
    say_rows(record);
    if record.interrupted {
        say!("ended early: what is missing was not measured");
    }
}

/// Devices and their limits.
pub fn say_devices(devices: &[Device]) {
    for device in devices {
        say!(
            "device {}: {} ({}, {}, {} {})",
            device.id,
            device.name,
            device.backend,
            device.device_type,
            device.driver,
            device.driver_info
        );
        let peaks: Vec<String> = device
            .peaks
            .iter()
            .map(|peak| {
                let value = peak.per_second * 1e-9;
                format!("{} {value:.1} {} ({})", peak.kind.as_str(), peak.kind.unit(), peak.variant)
            })
            .collect();
        if !peaks.is_empty() {
            say!("limits: {}", peaks.join(", "));
        }
        if device.peak(PeakKind::F32Fma).is_some_and(|peak| peak.per_second <= 0.0) {
            say!("limits of device {} could not be measured", device.id);
        }
    }
}

/// Every row.
pub fn say_rows(record: &Record) {
    let mut table = Table::new(&[
        "layer",
        "pass",
        "dev",
        "algorithm",
        "ms",
        "spread",
        "GFLOP/s",
        "GB/s",
        "limit",
        "error",
        "clock",
    ]);
    for row in &record.rows {
        table.row(cells(row));
    }
    table.say();
}

fn cells(row: &Row) -> Vec<String> {
    let dash = || "-".to_string();
    let number = |value: Option<f64>, digits: usize| value.map_or_else(dash, |value| format!("{value:.digits$}"));
    let mut cells = vec![row.full_name(), row.pass.as_str().into(), row.device.clone(), row.algorithm.clone()];
    match (row.status, row.summary_ms) {
        (Status::Right, Some(summary)) => {
            let limit =
                row.bound.map_or_else(dash, |bound| format!("{:.1}% {}", 100.0 * bound.fraction, bound.side.as_str()));
            cells.extend([
                format!("{:.4}", summary.median),
                format!("{:.1}%", 100.0 * summary.spread()),
                number(row.gflops(), 2),
                number(row.gbytes(), 2),
                limit,
                number(row.error_over_tolerance, 4),
                row.clock.as_str().into(),
            ]);
        }
        (status, _) => {
            cells.extend([status.as_str().to_string(), dash(), dash(), dash(), dash()]);
            cells.push(number(row.error_over_tolerance, 2));
            cells.push(dash());
            if let Some(message) = &row.message {
                cells.push(message.clone());
            }
        }
    }
    cells
}
