//! The host and the versions, for records.

use std::fmt;

use sysinfo::{CpuRefreshKind, IS_SUPPORTED_SYSTEM, MINIMUM_CPU_UPDATE_INTERVAL, RefreshKind, System};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use wgconv::KernelClass;
use wgconv::bench::{ClockKind, Device, Host, Machine, Peak, Software};
use wgconv::gpu::Gpu;

/// Which wgpu this was built with, unless it was built without its lock file.
const LOCK: &str = include_str!("../../../../Cargo.lock");

/// The build says so where it knows (`scripts/bench` does).
const COMMIT: Option<&str> = option_env!("WGCONV_COMMIT");

pub fn software() -> Software {
    Software {
        wgconv: env!("CARGO_PKG_VERSION").into(),
        wgpu: locked_version("wgpu").unwrap_or("unknown").into(),
        commit: COMMIT.filter(|commit| !commit.is_empty()).map(Into::into),
    }
}

fn locked_version(package: &str) -> Option<&'static str> {
    let entry = format!("name = \"{package}\"\nversion = \"");
    let (_, rest) = LOCK.split_once(&entry)?;
    Some(rest.split_once('"')?.0)
}

pub fn host() -> Host {
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
    let processor = system.cpus().first().map(|cpu| cpu.brand().trim().to_string()).filter(|brand| !brand.is_empty());
    Host {
        os: System::long_os_version().unwrap_or_else(|| std::env::consts::OS.into()),
        arch: std::env::consts::ARCH.into(),
        processor,
        processors: std::thread::available_parallelism().ok().map(usize::from),
    }
}

/// The host before the first measurement.
pub fn before(load: Load) -> Machine {
    Machine { host: host(), load_before: load.average, usage_before: load.usage, load_after: None }
}

/// Now, in UTC.
pub fn now() -> String {
    // Cannot fail before the year 10000.
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}

/// Share of the processors in use beyond which a machine is busy.
const MOST_USAGE: f64 = 0.15;

/// How busy the machine is: a software rasteriser shares its processors.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Of the last 1, 5 and 15 minutes, where the system tells.
    pub average: Option<[f64; 3]>,
    pub processors: Option<usize>,
    /// Share of the processors in use at the moment. The averages still remember what ended a minute ago, a build for
    /// example.
    pub usage: Option<f64>,
}

impl Load {
    /// Watches the processors for a moment, in which this program does nothing.
    pub fn now() -> Load {
        let average = Load::average();
        let mut system = System::new();
        system.refresh_cpu_usage();
        std::thread::sleep(3 * MINIMUM_CPU_UPDATE_INTERVAL);
        system.refresh_cpu_usage();
        let usage = f64::from(system.global_cpu_usage()) / 100.0;
        Load {
            usage: (IS_SUPPORTED_SYSTEM && usage.is_finite()).then_some(usage),
            average,
            processors: std::thread::available_parallelism().ok().map(usize::from),
        }
    }

    /// The averages alone.
    pub fn average() -> Option<[f64; 3]> {
        let average = System::load_average();
        (!cfg!(windows)).then_some([average.one, average.five, average.fifteen])
    }

    /// Whether measurements now would share the machine with something else.
    pub fn is_busy(&self) -> bool {
        let by_average = || self.average.is_some_and(|[one, ..]| one > 0.25 * self.processors.unwrap_or(1) as f64);
        self.usage.map_or_else(by_average, |usage| usage > MOST_USAGE)
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(usage) = self.usage {
            write!(f, "{:.0}% of the processors in use, ", 100.0 * usage)?;
        }
        match self.average {
            Some([one, five, fifteen]) => write!(f, "load average {one:.2} {five:.2} {fifteen:.2}")?,
            None => write!(f, "load average unknown")?,
        }
        match self.processors {
            Some(count) => write!(f, ", {count} processors"),
            None => Ok(()),
        }
    }
}

/// A device under a name of its own.
pub fn device(gpu: &Gpu, id: &str, clock: ClockKind, peaks: &[Peak]) -> Device {
    let (info, capabilities) = (gpu.info(), gpu.capabilities());
    let limits = [
        ("max_workgroups_per_dimension", capabilities.max_workgroups_per_dimension.into()),
        ("max_invocations_per_workgroup", capabilities.max_invocations_per_workgroup.into()),
        ("max_binding_bytes", capabilities.max_binding_bytes),
        ("max_buffer_bytes", capabilities.max_buffer_bytes),
        ("max_storage_buffers", capabilities.max_storage_buffers.into()),
        ("max_workgroup_storage_bytes", gpu.device().limits().max_compute_workgroup_storage_size.into()),
    ];
    Device {
        id: id.into(),
        name: info.name.clone(),
        backend: info.backend.to_string(),
        device_type: format!("{:?}", info.device_type),
        driver: info.driver.clone(),
        driver_info: info.driver_info.clone(),
        kernel_class: match capabilities.class {
            KernelClass::Gpu => "gpu".into(),
            KernelClass::Cpu => "cpu".into(),
        },
        limits: limits.map(|(name, value)| (name.to_string(), value)).into(),
        features: gpu.device().features().iter_names().map(|(name, _)| name.to_lowercase()).collect(),
        clock,
        peaks: peaks.to_vec(),
    }
}
