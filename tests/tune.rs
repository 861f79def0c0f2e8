//! The tuner as a library: what it times, what it remembers, and what it makes of files that are not as it left them.

#![cfg(feature = "tune")]

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{applicable, open};
use wgconv::gpu::{Gpu, Plan};
use wgconv::tune::{Outcome, SCHEMA, TuneSettings, Tuned, Tuner, sample_inputs, shader_hash};
use wgconv::{
    Activation, Algorithm, Capabilities, Conv, ConvTranspose, DeformConv2d, Error, ErrorKind, Geometry, Gradient,
    KernelClass, Layout, Options, Pool, Problem, TensorName,
};

/// As little timing as there can be: these tests look at what is remembered, not at how long it took.
fn quick() -> TuneSettings {
    TuneSettings { rounds: 1, samples: 1, sample_ms: 1.0, rotate_bytes: 0, ..TuneSettings::default() }
}

fn conv() -> Conv {
    Conv::new(1, 8, [12, 12], 8, [3, 3]).padding(1).bias(true)
}

fn tune(tuner: &Tuner, gpu: &Gpu, problem: &Problem) -> Tuned {
    tuner.tune(gpu, problem, &Options::default(), &quick()).expect("it can be tuned")
}

/// Through the file: decimal fractions may end in another last bit.
fn expect_same(got: &Tuned, want: &Tuned) {
    let known = |tuned: &Tuned| (tuned.algorithm, tuned.heuristic, tuned.clock, tuned.cached, tuned.timings.len());
    assert_eq!(known(got), known(want));
    for (got, want) in got.timings.iter().zip(&want.timings) {
        assert_eq!(got.algorithm, want.algorithm);
        let (got, want) = (got.ms().unwrap(), want.ms().unwrap());
        assert!((got - want).abs() <= 1e-12 * want, "{got} {want}");
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("tune.jsonl")
    }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(Into::into).collect()
}

#[test]
fn the_result_is_one_of_the_candidates_and_every_other_says_what_became_of_it() {
    let gpu = open();
    let tuner = Tuner::in_memory();
    let transposed = ConvTranspose::new(1, 8, [7, 7], 4, [4, 4]).stride(2).padding(1);
    let deform = DeformConv2d::new(1, 4, [9, 9], 4, [3, 3]).padding(1).mask(true);
    let problems: [Problem; 6] = [
        conv().into(),
        transposed.into(),
        deform.into(),
        Pool::average(1, 3, [9, 9], [9, 9]).into(),
        Gradient::all(conv()).into(),
        // Accumulates into what is there.
        Gradient::all(conv()).beta(1.0).into(),
    ];
    for problem in problems {
        let tuned = tune(&tuner, &gpu, &problem);
        let name = problem.op_name();
        let mut candidates = applicable(&problem, gpu.capabilities(), &Options::default());
        candidates.retain(|algorithm| algorithm.is_deterministic());
        assert!(candidates.contains(&tuned.algorithm) && candidates.contains(&tuned.heuristic), "{name}: {tuned:?}");
        let mut told: Vec<Algorithm> = tuned.timings.iter().map(|timing| timing.algorithm).collect();
        assert_eq!(told.first(), Some(&tuned.heuristic), "{name}: the preferred one comes first");
        told.sort();
        candidates.sort();
        assert_eq!(told, candidates, "{name}");
        for timing in &tuned.timings {
            match &timing.outcome {
                Outcome::Timed { repeats, summary_ms } => {
                    assert!(*repeats > 0 && summary_ms.median > 0.0, "{timing:?}")
                }
                Outcome::Slow { once_ms } => assert!(*once_ms > tuned.best_ms().unwrap(), "{timing:?}"),
                Outcome::NotTimed { reason } => {
                    assert!(candidates.len() == 1 && reason.contains("no other"), "{name}: {timing:?}");
                }
            }
        }
        assert!(!tuned.cached);
        if candidates.len() > 1 {
            assert!(tuned.ms().unwrap() >= tuned.best_ms().unwrap());
            assert!(tuned.heuristic_over_best().unwrap() >= 1.0);
        } else {
            assert_eq!((tuned.ms(), tuned.heuristic_over_best()), (None, None));
        }
        // What it says can be forced.
        let options = tuner.options(gpu.context(), &problem, Options::default());
        assert_eq!(options.algorithm, Some(tuned.algorithm));
        assert_eq!(Plan::new(gpu.context(), &problem, &options).unwrap().choice().algorithm, tuned.algorithm);
    }
    let of_two = |problem: Problem| applicable(&problem, gpu.capabilities(), &Options::default()).len() > 1;
    assert!(of_two(conv().into()) && of_two(Gradient::all(conv()).into()), "something was timed");
}

#[test]
fn what_is_known_is_not_timed_again_unless_it_is_forced() {
    let gpu = open();
    let folder = Folder::new();
    let tuner = Tuner::open(folder.file()).unwrap();
    assert!(!folder.file().exists(), "opening creates nothing");
    let problem: Problem = conv().into();
    let first = tune(&tuner, &gpu, &problem);
    let created = |gpu: &Gpu| {
        let hal = gpu.device().get_internal_counters().hal;
        [hal.buffers.read(), hal.bind_groups.read(), hal.compute_pipelines.read(), hal.command_encoders.read()]
    };
    let before = created(&gpu);
    assert!(before[2] > 0, "the counters must count");
    // A device whose queue is another device's can record, but not submit.
    let elsewhere = open();
    let deaf = Gpu::from_device(gpu.context(), elsewhere.queue());
    let second = tuner.tune(&deaf, &problem, &Options::default(), &quick()).unwrap();
    assert_eq!(created(&gpu), before);
    assert_eq!(second, Tuned { cached: true, ..first.clone() });
    assert_eq!(lines(&folder.file()).len(), 1);
    // Another program finds it in the file.
    let reopened = Tuner::open(folder.file()).unwrap();
    assert_eq!(reopened.warnings(), []);
    expect_same(&tune(&reopened, &gpu, &problem), &second);
    let force = TuneSettings { force: true, ..quick() };
    let third = reopened.tune(&gpu, &problem, &Options::default(), &force).unwrap();
    assert!(!third.cached && third.timings != first.timings, "new times");
    assert_eq!(lines(&folder.file()).len(), 2);
    // The last line counts.
    let last = tune(&Tuner::open(folder.file()).unwrap(), &gpu, &problem);
    expect_same(&last, &Tuned { cached: true, ..third });
}

#[test]
fn an_entry_is_of_one_problem_with_one_set_of_options_on_one_device() {
    let gpu = open();
    let folder = Folder::new();
    let tuner = Tuner::open(folder.file()).unwrap();
    let problem: Problem = conv().into();
    let options = Options::default();
    tune(&tuner, &gpu, &problem);
    let context = gpu.context();
    let hit = |problem: Problem, options: &Options| tuner.lookup(context, &problem, options).is_some();
    assert!(hit(conv().into(), &options));
    let shape = Conv::new(1, 8, [12, 13], 8, [3, 3]).padding(1).bias(true);
    for (what, other) in [
        ("shape", shape.into()),
        ("batch", problem.clone().with_batch(2)),
        ("stride", conv().stride(2).into()),
        ("epilogue", conv().activation(Activation::Relu).into()),
        ("bias", conv().bias(false).into()),
        ("pass", Gradient::all(conv()).into()),
    ] {
        let other: Problem = other;
        assert!(!hit(other, &options), "another {what}");
    }
    let with = |layout| Options::default().layout(TensorName::Input, layout);
    assert!(!hit(problem.clone(), &with(Layout::channels_last(&[1, 8, 12, 12]))), "another layout");
    // A contiguous layout says nothing new.
    assert!(hit(problem.clone(), &with(Layout::contiguous(&[1, 8, 12, 12]))));
    assert!(!hit(problem.clone(), &Options { shared_buffers: true, ..Options::default() }));
    assert!(!hit(problem.clone(), &Options { runtime_checks: true, ..Options::default() }));
    assert!(!hit(problem.clone(), &Options { workspace_limit: Some(1 << 20), ..Options::default() }));
    // What cannot be is not in there either.
    assert!(!hit(Conv::new(1, 8, [2, 2], 8, [3, 3]).into(), &options));
    let own = *gpu.capabilities();
    let class = if own.class == KernelClass::Cpu { KernelClass::Gpu } else { KernelClass::Cpu };
    let other = gpu.context().view(Capabilities { class, ..own });
    assert_eq!(tuner.lookup(&other, &problem, &options), None, "another class of kernels");

    // A driver that was updated, another adapter, changed kernels, another release.
    let line = lines(&folder.file()).remove(0);
    let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(entry["schema"], SCHEMA);
    assert_eq!(entry["key"]["shaders"], shader_hash());
    assert_eq!(entry["key"]["storage"], "f32");
    for field in ["/key/device/driver_info", "/key/device/name", "/key/device/backend", "/key/shaders", "/key/wgconv"] {
        let mut changed = entry.clone();
        *changed.pointer_mut(field).unwrap() = "another".into();
        fs::write(folder.file(), format!("{changed}\n")).unwrap();
        let tuner = Tuner::open(folder.file()).unwrap();
        assert_eq!((tuner.warnings(), tuner.entries().len()), (&[][..], 1), "{field} is no reason to warn");
        assert_eq!(tuner.lookup(context, &problem, &options), None, "{field}");
    }
    // Neither the order of the fields nor blanks matter.
    fs::write(folder.file(), format!("  {entry}\r\n")).unwrap();
    assert!(Tuner::open(folder.file()).unwrap().lookup(context, &problem, &options).is_some());
}

#[test]
fn lines_that_are_no_entries_are_skipped_and_named() {
    let gpu = open();
    let folder = Folder::new();
    let problem: Problem = conv().into();
    let tuned = tune(&Tuner::open(folder.file()).unwrap(), &gpu, &problem);
    let good = lines(&folder.file()).remove(0);
    let other = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}: {good}");
        good.replacen(from, to, 1)
    };
    let algorithm = format!("\"algorithm\":\"{}\"", tuned.algorithm);
    let foreign: [(String, &str); 8] = [
        ("{\"colour\": 3}".into(), "missing field `schema`"),
        ("\u{1}\u{2}".into(), "no entry"),
        (other(SCHEMA, "wgconv-tune/9"), "schema = wgconv-tune/9"),
        (other(&algorithm, "\"algorithm\":\"phases\""), "algorithm = phases: conv2d has no such"),
        (other(&algorithm, "\"algorithm\":\"quickest\""), "quickest"),
        (other("\"operation\":\"conv2d\"", "\"operation\":\"conv3d\""), "operation = conv3d"),
        (other("\"clock\":", "\"cloak\":"), "cloak"),
        (good[..good.len() / 2].into(), "EOF"),
    ];
    let mut bytes = b"\xff\xfe\n\n".to_vec();
    for (line, _) in &foreign[..7] {
        writeln!(bytes, "{line}").unwrap();
    }
    writeln!(bytes, "{good}").unwrap();
    // The end is missing: a program was killed.
    bytes.extend(foreign[7].0.bytes());
    fs::write(folder.file(), &bytes).unwrap();
    let tuner = Tuner::open(folder.file()).unwrap();
    let warned: Vec<usize> = tuner.warnings().iter().map(|warning| warning.line).collect();
    // Line 2 is empty, line 10 is good.
    assert_eq!(warned, [1, 3, 4, 5, 6, 7, 8, 9, 11]);
    for (warning, (_, words)) in tuner.warnings()[1..].iter().zip(&foreign) {
        assert!(warning.reason.contains(words), "{words}: {warning}");
        let text = warning.to_string();
        assert!(text.contains("tune.jsonl") && text.contains(&format!("line {}", warning.line)), "{text}");
    }
    assert_eq!(tuner.lookup(gpu.context(), &problem, &Options::default()), Some(tuned.algorithm));
    // What is added behind the missing end is not swallowed.
    let another: Problem = conv().stride(2).into();
    tune(&tuner, &gpu, &another);
    let reopened = Tuner::open(folder.file()).unwrap();
    assert_eq!(reopened.warnings().len(), 9);
    for problem in [problem, another] {
        assert!(reopened.lookup(gpu.context(), &problem, &Options::default()).is_some());
    }
}

#[test]
fn an_algorithm_that_the_file_makes_up_is_not_forced() {
    let gpu = open();
    let folder = Folder::new();
    let problem: Problem = conv().into();
    let tuned = tune(&Tuner::open(folder.file()).unwrap(), &gpu, &problem);
    let algorithm = |name: Algorithm| format!("\"algorithm\":\"{name}\"");
    // It has a depthwise algorithm, but not for eight channels in one group.
    let text = fs::read_to_string(folder.file()).unwrap();
    let text = text.replacen(&algorithm(tuned.algorithm), &algorithm(Algorithm::Depthwise), 1);
    fs::write(folder.file(), text).unwrap();
    let tuner = Tuner::open(folder.file()).unwrap();
    assert_eq!((tuner.warnings(), tuner.entries()[0].algorithm), (&[][..], Algorithm::Depthwise));
    assert_eq!(tuner.lookup(gpu.context(), &problem, &Options::default()), None);
    assert!(!tune(&tuner, &gpu, &problem).cached, "it is timed again");
}

#[test]
fn a_forced_algorithm_and_settings_without_sense_are_refused() {
    let gpu = open();
    let tuner = Tuner::in_memory();
    let problem: Problem = conv().into();
    let forced = Options::default().algorithm(Algorithm::Direct);
    let refused = |options: &Options, settings: TuneSettings, words: &str| {
        let error = tuner.tune(&gpu, &problem, options, &settings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().starts_with(words), "{error}");
    };
    refused(&forced, quick(), "algorithm = direct: ");
    let auto = Options::default();
    refused(&auto, TuneSettings { rounds: 0, ..quick() }, "rounds = 0: ");
    refused(&auto, TuneSettings { samples: 0, ..quick() }, "samples = 0: ");
    refused(&auto, TuneSettings { sample_ms: f64::NAN, ..quick() }, "sample_ms = NaN: ");
    refused(&auto, TuneSettings { drop_factor: 0.5, ..quick() }, "drop_factor = 0.5: ");
    refused(&auto, TuneSettings { drop_factor: f64::NAN, ..quick() }, "drop_factor = NaN: ");
    assert!(tuner.entries().is_empty());
    let impossible: Problem = Conv::new(1, 8, [2, 2], 8, [3, 3]).into();
    assert!(matches!(tuner.tune(&gpu, &impossible, &auto, &quick()), Err(Error::Invalid { .. })));
    // The cache overrules nobody.
    let tuned = tune(&tuner, &gpu, &problem);
    let others = applicable(&problem, gpu.capabilities(), &auto);
    let other = others.into_iter().find(|algorithm| *algorithm != tuned.algorithm).unwrap();
    let options = tuner.options(gpu.context(), &problem, auto.algorithm(other));
    assert_eq!(options.algorithm, Some(other));
    // Where nothing is known, nothing is changed.
    let options = tuner.options(gpu.context(), &conv().stride(3).into(), Options::default());
    assert_eq!(options, Options::default());
}

#[test]
fn atomics_take_part_only_where_they_are_allowed() {
    let gpu = open();
    let deform = DeformConv2d::new(1, 4, [9, 9], 4, [3, 3]).padding(1);
    let problem: Problem = Gradient::new(deform, [TensorName::Input]).into();
    let strict = Tuner::in_memory();
    let scatters = |tuned: &Tuned| tuned.timings.iter().any(|timing| timing.algorithm == Algorithm::AtomicScatter);
    assert!(!scatters(&tune(&strict, &gpu, &problem)));
    if !gpu.capabilities().f32_atomics {
        return;
    }
    let folder = Folder::new();
    let loose = Tuner::open(folder.file()).unwrap().nondeterministic(true);
    assert!(scatters(&tune(&loose, &gpu, &problem)));
    // It is not for those who did not ask.
    let strict = Tuner::open(folder.file()).unwrap();
    assert_eq!((strict.entries().len(), strict.lookup(gpu.context(), &problem, &Options::default())), (1, None));
    let again = Tuner::open(folder.file()).unwrap().nondeterministic(true);
    assert!(again.lookup(gpu.context(), &problem, &Options::default()).is_some());
    // Where there are no atomics, the permission changes nothing.
    tune(&loose, &gpu, &conv().into());
    let strict = Tuner::open(folder.file()).unwrap();
    assert!(strict.lookup(gpu.context(), &conv().into(), &Options::default()).is_some());
}

/// Entries of a writer.
const WRITES: usize = 120;

/// Problems with but one algorithm: entries without timing.
fn shuffles(writer: usize) -> impl Iterator<Item = Problem> {
    (0..WRITES).map(move |i| wgconv::DepthToSpace::new(1 + writer, 8, [2 + i, 3], 2).into())
}

/// What each process of the test below does; the variable says which one it is.
const WRITER: &str = "WGCONV_TEST_TUNE_WRITER";

#[test]
fn writers_at_the_same_time_lose_nothing() {
    if let Some((writer, path)) = std::env::var(WRITER).ok().as_deref().and_then(|value| value.split_once(':')) {
        let gpu = open();
        let tuner = Tuner::open(path).unwrap();
        // All begin together.
        let patience = Instant::now() + Duration::from_secs(60);
        while !Path::new(path).with_extension("go").exists() {
            assert!(Instant::now() < patience, "nobody says go");
            std::thread::yield_now();
        }
        shuffles(writer.parse().unwrap()).for_each(|problem| assert!(!tune(&tuner, &gpu, &problem).cached));
        return;
    }
    let folder = Folder::new();
    let path = folder.file();
    let process = |writer: usize| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "writers_at_the_same_time_lose_nothing"]);
        command.env(WRITER, format!("{writer}:{}", path.display())).spawn().unwrap()
    };
    let mut processes: Vec<_> = (0..2).map(process).collect();
    let gpu = open();
    // Two threads share a tuner, a third has one of its own.
    let (shared, own) = (Tuner::open(&path).unwrap(), Tuner::open(&path).unwrap());
    std::thread::sleep(Duration::from_millis(300));
    fs::write(path.with_extension("go"), "").unwrap();
    std::thread::scope(|scope| {
        for (writer, tuner) in [(2, &shared), (3, &shared), (4, &own)] {
            let gpu = &gpu;
            scope.spawn(move || shuffles(writer).for_each(|problem| assert!(!tune(tuner, gpu, &problem).cached)));
        }
    });
    for process in &mut processes {
        assert!(process.wait().unwrap().success());
    }
    let tuner = Tuner::open(&path).unwrap();
    assert_eq!(tuner.warnings(), []);
    assert_eq!(tuner.entries().len(), 5 * WRITES);
    for problem in (0..5).flat_map(shuffles) {
        assert!(tuner.lookup(gpu.context(), &problem, &Options::default()).is_some(), "{problem:?}");
    }
}

#[test]
fn threads_that_share_a_tuner_time_a_problem_once() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<Tuner>();
    let gpu = open();
    let tuner = Tuner::in_memory();
    let problem: Problem = conv().into();
    let timed = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| tune(&tuner, &gpu, &problem).cached)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|cached| !cached).count()
    });
    assert_eq!(timed, 1);
}

#[test]
fn a_path_that_cannot_be_a_file_is_an_error_that_names_it() {
    let gpu = open();
    let folder = Folder::new();
    let reason = |result: Result<(), Error>| match result {
        Err(Error::File { path, reason }) => {
            assert!(path.contains(&*folder.0.path().to_string_lossy()), "{path}");
            reason
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(Tuner::open(folder.0.path()).map(drop)), "it is a folder");
    // A folder on the way is a file.
    fs::write(folder.file(), "").unwrap();
    let below = folder.file().join("tune.jsonl");
    let opened = Tuner::open(&below);
    if let Ok(tuner) = &opened {
        assert!(!reason(tuner.expect_writable()).is_empty());
    } else {
        assert!(!reason(opened.map(drop)).is_empty());
    }
    // It became a folder meanwhile: the result is not lost.
    let path = folder.0.path().join("later");
    let tuner = Tuner::open(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(!reason(tuner.expect_writable()).is_empty());
    let problem: Problem = conv().into();
    assert!(!reason(tuner.tune(&gpu, &problem, &Options::default(), &quick()).map(drop)).is_empty());
    assert!(tuner.lookup(gpu.context(), &problem, &Options::default()).is_some());
    // Folders that are missing are made.
    let deep = folder.0.path().join("a/b/tune.jsonl");
    Tuner::open(&deep).unwrap().expect_writable().unwrap();
    assert!(deep.is_file());
}

#[test]
fn a_file_that_is_something_else_stays_as_it_is() {
    let gpu = open();
    let folder = Folder::new();
    fs::write(folder.file(), "{\"name\": \"mine\"}\nlayers\n").unwrap();
    let tuner = Tuner::open(folder.file()).unwrap();
    assert_eq!(tuner.warnings().len(), 2);
    // The tuner works without it.
    assert!(!tune(&tuner, &gpu, &conv().into()).cached && tune(&tuner, &gpu, &conv().into()).cached);
    assert_eq!(lines(&folder.file()), ["{\"name\": \"mine\"}", "layers"]);
    let error = tuner.expect_writable().unwrap_err().to_string();
    assert!(error.contains("tune.jsonl: it is no cache of wgconv"), "{error}");
    // Blanks are nobody's.
    fs::write(folder.file(), "\n\n").unwrap();
    let tuner = Tuner::open(folder.file()).unwrap();
    tuner.expect_writable().unwrap();
    assert_eq!((tuner.warnings(), tune(&tuner, &gpu, &conv().into()).cached), (&[][..], false));
    assert_eq!(lines(&folder.file()).len(), 3);
}

#[test]
fn sample_data_are_finite_and_repeat() {
    let deform = DeformConv2d::new(1, 4, [9, 9], 4, [3, 3]).padding(1).mask(true);
    let geometry = Geometry::new(&Gradient::all(deform).beta(0.5).into()).unwrap();
    let inputs = sample_inputs(&geometry);
    assert_eq!(inputs, sample_inputs(&geometry));
    // What is accumulated into has data, too.
    assert!(inputs.contains_key(&TensorName::GradWeight) && inputs.contains_key(&TensorName::Offset));
    for (name, data) in &inputs {
        let (low, high) = match name {
            TensorName::Offset => (-2.0, 2.0),
            TensorName::Mask => (0.0, 1.0),
            _ => (-1.0, 1.0),
        };
        assert_eq!(data.len(), geometry.tensor(*name).unwrap().len());
        assert!(data.iter().all(|x| (low..=high).contains(x)), "{name}");
        assert!(data.iter().any(|x| *x != data[0]), "{name}");
    }
}

#[test]
fn an_algorithm_that_is_many_times_slower_is_dropped_early() {
    let gpu = open();
    let problem: Problem = Conv::new(2, 64, [28, 28], 64, [3, 3]).padding(1).into();
    // Whatever is not the fastest is dropped where nothing slower is tolerated.
    let settings = TuneSettings { drop_factor: 1.0, ..quick() };
    let tuned = Tuner::in_memory().tune(&gpu, &problem, &Options::default(), &settings).unwrap();
    let (timed, dropped): (Vec<_>, Vec<_>) =
        tuned.timings.iter().partition(|timing| matches!(timing.outcome, Outcome::Timed { .. }));
    // But never one that was faster once than the best is now: a machine that slows down takes nothing away.
    let medians = timed.iter().filter_map(|timing| tuned.ms_of(timing.algorithm));
    // Not the winner's: a tie goes to the preferred one.
    let best_ms = medians.fold(f64::INFINITY, f64::min);
    assert!(timed.iter().any(|timing| timing.algorithm == tuned.algorithm), "{tuned:?}");
    assert!(!dropped.is_empty(), "{tuned:?}");
    for timing in &dropped {
        let Outcome::Slow { once_ms } = timing.outcome else { panic!("{tuned:?}") };
        assert!(once_ms > best_ms, "{tuned:?}");
    }
    assert!(tuned.ms_of(dropped[0].algorithm).is_some() && tuned.heuristic_over_best().is_some());
}
