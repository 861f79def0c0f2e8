//! What the host pays: checking a problem, choosing a kernel, planning with and without compiled pipelines, attaching
//! buffers, recording.
//!
//! cargo bench --bench host

mod common;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use wgconv::gpu::{Bound, Context, Gpu, Plan};
use wgconv::{Geometry, Options, choose};

/// Recordings into one encoder before it is dropped.
const ENCODES: u64 = 256;

fn host(criterion: &mut Criterion) {
    let gpu = common::open();
    let options = Options::default();
    for (name, problem) in common::layers() {
        let mut group = criterion.benchmark_group(&name);
        group.bench_function("geometry", |bencher| bencher.iter(|| Geometry::new(black_box(&problem))));
        let geometry = Geometry::new(&problem).expect("layers are valid");
        group.bench_function("choose", |bencher| {
            bencher.iter(|| choose(black_box(&geometry), gpu.capabilities(), &options));
        });
        group.bench_function("plan", |bencher| {
            // The first one compiles.
            Plan::new(gpu.context(), &problem, &options).expect("the plan is made");
            bencher.iter(|| Plan::new(gpu.context(), black_box(&problem), &options));
        });
        let prepared = common::Prepared::new(&gpu, &problem).expect("the buffers fit");
        group.bench_function("bind", |bencher| bencher.iter(|| prepared.bind()));
        let bound = prepared.bind().expect("the buffers are right");
        group.bench_function("encode", |bencher| bencher.iter_custom(|count| encode(&gpu, &bound, count)));
        group.sample_size(10).bench_function("plan and compile", |bencher| {
            let context = || Context::with_capabilities(gpu.device(), *gpu.capabilities());
            bencher.iter_with_setup(context, |context| Plan::new(&context, &problem, &options));
        });
        group.finish();
    }
}

/// Recording alone: encoders are made and dropped outside the measured time, before they grow large.
fn encode(gpu: &Gpu, bound: &Bound, count: u64) -> Duration {
    let mut elapsed = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let now = left.min(ENCODES);
        let mut encoder = gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        let start = Instant::now();
        for _ in 0..now {
            bound.encode_in_pass(black_box(&mut pass));
        }
        elapsed += start.elapsed();
        left -= now;
    }
    elapsed
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30);
    targets = host
}
criterion_main!(benches);
