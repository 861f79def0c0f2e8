//! What the device pays, by its own timestamps where it has them and by the host's clock from submission to completion
//! elsewhere. Results are verified first.
//!
//! cargo bench --bench kernels

mod common;

use std::cell::Cell;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput};
use wgconv::bench::{Clock, Expected, Stopwatch};
use wgconv::gpu::{Bound, Gpu};
use wgconv::{Options, Storage};

/// Executions between two timestamps, where a benchmark wants as many.
const BATCH: u64 = 64;

/// Time on the device, in nanoseconds, of the passes that [`DeviceTime::run`] submitted.
struct DeviceTime<'a> {
    stopwatch: &'a Stopwatch<'a>,
    elapsed: &'a Cell<f64>,
}

impl DeviceTime<'_> {
    /// Executes `count` times and returns the nanoseconds of all.
    fn run(&self, bound: &Bound, count: u64) -> f64 {
        let mut nanoseconds = 0.0;
        let mut left = count;
        while left > 0 {
            let now = left.min(BATCH);
            let ms = self.stopwatch.time(|pass| (0..now).for_each(|_| bound.encode_in_pass(pass)));
            nanoseconds += 1e6 * ms.expect("the device works");
            left -= now;
        }
        self.elapsed.set(self.elapsed.get() + nanoseconds);
        nanoseconds
    }
}

impl Measurement for DeviceTime<'_> {
    type Intermediate = f64;
    type Value = f64;

    fn start(&self) -> f64 {
        self.elapsed.get()
    }

    fn end(&self, start: f64) -> f64 {
        self.elapsed.get() - start
    }

    fn add(&self, a: &f64, b: &f64) -> f64 {
        a + b
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &Formatter
    }
}

/// Time as ever; elements are floating-point operations.
struct Formatter;

impl ValueFormatter for Formatter {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_values(typical, values)
    }

    fn scale_throughputs(&self, typical: f64, throughput: &Throughput, values: &mut [f64]) -> &'static str {
        match throughput {
            Throughput::Elements(operations) => {
                for value in values {
                    *value = *operations as f64 / *value;
                }
                "GFLOP/s"
            }
            other => WallTime.formatter().scale_throughputs(typical, other, values),
        }
    }

    fn scale_for_machines(&self, values: &mut [f64]) -> &'static str {
        WallTime.formatter().scale_for_machines(values)
    }
}

fn verify(gpu: &Gpu, name: &str, problem: &wgconv::Problem) {
    let data = common::data(problem);
    let error = gpu
        .run(problem, &Options::default(), &data)
        .and_then(|outputs| Ok(Expected::of(problem, &data, Storage::F32)?.worst_error(&outputs)))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(error <= 1.0, "{name}: the error is {error} of what is allowed");
}

fn main() {
    let gpu = common::open();
    let (stopwatch, elapsed) = (Stopwatch::new(&gpu, Clock::Auto), Cell::new(0.0));
    println!("{}, {}", gpu.description(), stopwatch.kind().as_str());
    let measurement = || DeviceTime { stopwatch: &stopwatch, elapsed: &elapsed };
    let mut criterion = Criterion::default()
        .with_measurement(measurement())
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args();
    let mut group = criterion.benchmark_group("kernels");
    for (name, problem) in common::layers() {
        let prepared = common::Prepared::new(&gpu, &problem).expect("the buffers fit");
        let bound = prepared.bind().expect("the buffers are right");
        let flops = 2 * prepared.plan.geometry().macs();
        match flops {
            0 => group.throughput(Throughput::Bytes(prepared.plan.geometry().min_bytes(Storage::F32))),
            flops => group.throughput(Throughput::Elements(flops)),
        };
        let mut verified = false;
        group.bench_function(&name, |bencher| {
            // Only what is asked for: the reference takes its time.
            if !std::mem::replace(&mut verified, true) {
                verify(&gpu, &name, &problem);
            }
            bencher.iter_custom(|count| measurement().run(&bound, count));
        });
    }
    group.finish();
    criterion.final_summary();
}
