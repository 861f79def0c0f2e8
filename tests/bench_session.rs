//! The measuring instrument as a library: what it verifies, what it measures, what it refuses.

#![cfg(feature = "bench")]

mod common;

use std::sync::Arc;

use common::{open, random};
use wgconv::bench::{
    Clock, ClockKind, Expected, Item, Pass, PeakKind, Row, RowNames, Session, Settings, Side, Status, Stopwatch,
    measure_peaks,
};
use wgconv::gpu::{Gpu, Plan};
use wgconv::{
    Algorithm, Conv, ConvTranspose, DeformConv2d, DepthToSpace, Gradient, Inputs, Options, Pool, PoolMode, Problem,
    Storage, TensorName,
};

const SETTINGS: Settings = Settings { rounds: 2, samples: 3, sample_ms: 2.0, rotate_bytes: 1 << 16 };

fn problem() -> Problem {
    Conv::new(1, 8, [20, 20], 8, [3, 3]).padding(1).bias(true).into()
}

fn row(item: &Item, clock: ClockKind) -> Row {
    let names = RowNames {
        suite: "suite",
        layer: "layer",
        operation: "conv2d",
        pass: Pass::Forward,
        device: "0",
        chosen: true,
    };
    item.row(names, clock, &[])
}

/// Visits until every round is done.
fn measured(gpu: &Gpu, problem: &Problem, options: Options, clock: Clock) -> Row {
    let session = Session::new(gpu, &SETTINGS, clock);
    let inputs = random(problem, 1);
    let expected = Arc::new(Expected::of(problem, &inputs, Storage::F32).unwrap());
    let mut item = Item::new(problem.clone(), options);
    for _ in 0..SETTINGS.rounds {
        session.visit(&mut item, &inputs, &mut || Ok(expected.clone()));
    }
    row(&item, session.clock())
}

#[test]
fn a_right_result_has_all_its_samples() {
    let gpu = open();
    for clock in [Clock::Auto, Clock::Wall] {
        let row = measured(&gpu, &problem(), Options::default(), clock);
        assert_eq!((row.status, &row.message), (Status::Right, &None));
        assert!(row.rounds_ms.len() == 2 && row.rounds_ms.iter().all(|round| round.len() == 3), "{row:?}");
        assert!(row.rounds_ms.concat().iter().all(|&ms| ms > 0.0));
        let summary = row.summary_ms.unwrap();
        assert!(summary.min <= summary.median && summary.median <= summary.max);
        assert!(row.error_over_tolerance.unwrap() <= 1.0 && row.repeats >= 1 && row.buffer_sets >= 1);
        for cost in [row.plan_cold_ms, row.plan_ms, row.first_run_ms, row.bind_us, row.encode_us] {
            assert!(cost.unwrap() > 0.0, "{row:?}");
        }
        if clock == Clock::Wall {
            assert_eq!(row.clock, ClockKind::Wall);
        }
    }
}

#[test]
fn bytes_and_operations_are_counted() {
    let gpu = open();
    let row = measured(&gpu, &problem(), Options::default(), Clock::Auto);
    let macs = 20 * 20 * 8 * 8 * 9;
    assert_eq!((row.macs, row.flops), (macs, 2 * macs));
    assert_eq!(row.min_bytes, 4 * (8 * 400 + 8 * 8 * 9 + 8 + 8 * 400));
    // One dispatch binds each tensor once; the column matrix is written and read besides.
    let direct = measured(&gpu, &problem(), forced(Algorithm::Direct), Clock::Auto);
    assert_eq!((direct.traffic_bytes, direct.workspace_bytes, direct.dispatches), (row.min_bytes, 0, 1));
    let columns = measured(&gpu, &problem(), forced(Algorithm::Im2colGemm), Clock::Auto);
    assert!(columns.traffic_bytes >= row.min_bytes + 2 * 4 * 72 * 400, "{columns:?}");
    assert!(columns.workspace_bytes >= 4 * 72 * 400 && columns.dispatches == 2, "{columns:?}");
}

fn forced(algorithm: Algorithm) -> Options {
    Options { algorithm: Some(algorithm), ..Options::default() }
}

#[test]
fn every_family_and_its_backward_pass_is_measured() {
    let gpu = open();
    let deform = DeformConv2d::new(1, 4, [9, 9], 4, [3, 3]).padding(1).mask(true);
    let problems: [Problem; 5] = [
        problem(),
        ConvTranspose::new(1, 4, [7, 7], 4, [4, 4]).stride(2).padding(1).into(),
        deform.into(),
        Pool::max(1, 3, [9, 9], [3, 3]).mode(PoolMode::Max { pad_value: None, indices: true }).into(),
        DepthToSpace::new(1, 8, [4, 4], 2).into(),
    ];
    for problem in problems {
        for problem in [problem.clone(), Gradient::all(problem).into()] {
            let row = measured(&gpu, &problem, Options::default(), Clock::Auto);
            assert_eq!(row.status, Status::Right, "{problem:?}: {:?}", row.message);
        }
    }
}

#[test]
fn a_wrong_result_has_no_time() {
    let gpu = open();
    let session = Session::new(&gpu, &SETTINGS, Clock::Auto);
    let (problem, inputs) = (problem(), random(&problem(), 1));
    // What other data lead to.
    let expected = Arc::new(Expected::of(&problem, &random(&problem, 2), Storage::F32).unwrap());
    let mut item = Item::new(problem, Options::default());
    session.visit(&mut item, &inputs, &mut || Ok(expected.clone()));
    assert!(!item.is_alive() && item.was_visited());
    let row = row(&item, session.clock());
    assert_eq!(row.status, Status::Wrong);
    assert!(row.rounds_ms.is_empty() && row.summary_ms.is_none() && row.median_ms().is_none());
    assert!(row.message.unwrap().contains("of what is allowed"));
    assert!(row.error_over_tolerance.unwrap() > 1.0);
}

#[test]
fn a_result_that_changes_later_is_verified_again() {
    let gpu = open();
    let session = Session::new(&gpu, &SETTINGS, Clock::Auto);
    let problem = problem();
    let expected = Arc::new(Expected::of(&problem, &random(&problem, 1), Storage::F32).unwrap());
    let mut item = Item::new(problem.clone(), Options::default());
    let mut asked = 0;
    for (seed, status, questions) in [(1, Status::Right, 1), (1, Status::Right, 1), (2, Status::Wrong, 2)] {
        session.visit(&mut item, &random(&problem, seed), &mut || {
            asked += 1;
            Ok(expected.clone())
        });
        assert_eq!((item.status, asked), (status, questions));
    }
    assert!(row(&item, session.clock()).rounds_ms.is_empty());
}

#[test]
fn what_cannot_run_says_why() {
    let gpu = open();
    let row = measured(&gpu, &problem(), forced(Algorithm::Depthwise), Clock::Auto);
    assert_eq!((row.status, &*row.algorithm), (Status::Unsupported, Algorithm::Depthwise.name()));
    assert!(row.message.unwrap().contains("depthwise"));
}

#[test]
fn a_value_that_is_no_number_is_no_match() {
    let gpu = open();
    let problem: Problem = Conv::new(1, 1, [3, 3], 1, [1, 1]).into();
    let inputs = random(&problem, 1);
    let mut outputs = gpu.run(&problem, &Options::default(), &inputs).unwrap();
    let expected = Expected::of(&problem, &inputs, Storage::F32).unwrap();
    assert!(expected.worst_error(&outputs) <= 1.0);
    outputs.output[4] = f32::NAN;
    assert_eq!(expected.worst_error(&outputs), f64::INFINITY);
    outputs.output.pop();
    assert_eq!(expected.worst_error(&outputs), f64::INFINITY);
    // Gradients that are missing are no match either.
    let gradient: Problem = Gradient::new(problem, [TensorName::Weight]).into();
    let expected = Expected::of(&gradient, &random(&gradient, 1), Storage::F32).unwrap();
    assert_eq!(expected.worst_error(&outputs), f64::INFINITY);
}

#[test]
fn more_work_takes_longer() {
    let gpu = open();
    for clock in [Clock::Auto, Clock::Wall] {
        let stopwatch = Stopwatch::new(&gpu, clock);
        let time = |images: usize| {
            let problem: Problem = Conv::new(images, 16, [32, 32], 16, [3, 3]).padding(1).into();
            let inputs: Inputs = random(&problem, 1);
            let plan = Plan::new(gpu.context(), &problem, &Options::default()).unwrap();
            let bytes: Vec<_> =
                plan.geometry().tensors().iter().map(|spec| (spec.name, 4 * spec.len() as u64)).collect();
            let buffers: Vec<_> = bytes
                .iter()
                .map(|&(name, size)| {
                    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
                    let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
                    let buffer = gpu.device().create_buffer(&descriptor);
                    if let Some(data) = inputs.get(&name) {
                        gpu.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(data));
                    }
                    (name, buffer)
                })
                .collect();
            let bindings =
                buffers.iter().fold(wgconv::gpu::Bindings::new(), |b, (name, buffer)| b.tensor(*name, buffer));
            let bound = plan.bind(&bindings).unwrap();
            // The least of several: other programs only add.
            (0..10).map(|_| stopwatch.time(|pass| bound.encode_in_pass(pass)).unwrap()).fold(f64::INFINITY, f64::min)
        };
        // Far enough apart for a machine that runs other tests meanwhile.
        let (few, many) = (time(1), time(64));
        assert!(many > few, "{clock:?}: {few} ms, 64 times the work {many} ms");
    }
}

#[test]
fn the_machine_has_limits() {
    let gpu = open();
    let mut told = Vec::new();
    let peaks = measure_peaks(&gpu, Clock::Auto, &mut |what| told.push(what.to_string())).unwrap();
    let kinds: Vec<PeakKind> = peaks.iter().map(|peak| peak.kind).collect();
    let half = gpu.device().features().contains(wgpu::Features::SHADER_F16);
    let expected: &[PeakKind] = match half {
        true => &[PeakKind::F32Fma, PeakKind::F16Fma, PeakKind::Read, PeakKind::Copy],
        false => &[PeakKind::F32Fma, PeakKind::Read, PeakKind::Copy],
    };
    assert_eq!(kinds, expected);
    for peak in &peaks {
        // From the slowest rasteriser on one core to several of the largest accelerators.
        let plausible = match peak.kind {
            PeakKind::F32Fma | PeakKind::F16Fma => 1e8..1e16,
            PeakKind::Read | PeakKind::Copy => 1e8..1e14,
        };
        assert!(plausible.contains(&peak.per_second), "{peak:?}");
        assert!(peak.variants.values().all(|&other| other <= peak.per_second), "{peak:?}");
        assert!(peak.variants.contains_key(&peak.variant) && !peak.samples_ms.is_empty());
    }
    assert!(told.len() >= 20, "{told:?}");
    // A row is held against them.
    let session = Session::new(&gpu, &SETTINGS, Clock::Auto);
    let (problem, inputs) = (problem(), random(&problem(), 1));
    let mut item = Item::new(problem.clone(), Options::default());
    session.visit(&mut item, &inputs, &mut || Ok(Arc::new(Expected::of(&problem, &inputs, Storage::F32)?)));
    let names = RowNames {
        suite: "suite",
        layer: "layer",
        operation: "conv2d",
        pass: Pass::Forward,
        device: "0",
        chosen: true,
    };
    let row = item.row(names, session.clock(), &peaks);
    let bound = row.bound.unwrap();
    let bandwidth = peaks[kinds.len() - 2].per_second.max(peaks[kinds.len() - 1].per_second);
    let (compute, memory) = (row.flops as f64 / peaks[0].per_second, row.min_bytes as f64 / bandwidth);
    assert_eq!(bound.side, if compute > memory { Side::Compute } else { Side::Memory });
    assert!((bound.limit_ms - 1e3 * compute.max(memory)).abs() <= 1e-9 * bound.limit_ms);
    assert!((bound.fraction - bound.limit_ms / row.median_ms().unwrap()).abs() <= 1e-9 * bound.fraction);
}
