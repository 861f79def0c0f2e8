//! What each fuzz target does with its bytes. Nothing here may panic, whatever they are; what is asserted must hold for
//! whatever is accepted.
#![allow(dead_code, unused_imports, reason = "the command line uses what the targets do not")]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::arbitrary::{self, Unstructured};
use wgconv::cases::{attributes, case, document, npy, operation, request};
use wgconv::program::{Operand, Program};
use wgconv::{
    Accuracy, Algorithm, Axes, Capabilities, Geometry, Gradient, Options, Problem, Storage, candidates, choose, lower,
};

// The command line is a program and no library: its modules are compiled in here.
macro_rules! modules_of_the_command_line {
    ($($path:literal $name:ident,)*) => { $(#[path = $path] mod $name;)* };
}
modules_of_the_command_line! {
    "../../src/bin/wgconv/backend.rs" backend,
    "../../src/bin/wgconv/bench/mod.rs" bench,
    "../../src/bin/wgconv/compare.rs" compare,
    "../../src/bin/wgconv/console.rs" console,
    "../../src/bin/wgconv/failure.rs" failure,
    "../../src/bin/wgconv/files.rs" files,
    "../../src/bin/wgconv/gradient.rs" gradient,
    "../../src/bin/wgconv/picture/mod.rs" picture,
    "../../src/bin/wgconv/tune.rs" tune,
    // Readers inside of commands.
    "../../src/bin/wgconv/bench/suite.rs" suites,
    "../../src/bin/wgconv/diff/load.rs" diff_record,
    "../../src/bin/wgconv/experiments/list.rs" experiment_list,
    "../../src/bin/wgconv/report/load.rs" bench_record,
}
#[path = "../../tests/common/strategy.rs"]
mod strategy;

use attributes::{ATTRIBUTES, Attributes};
use npy::Array;
use operation::Op;
use picture::Picture;

/// Calls `read` with a file of those bytes.
fn with_file<T>(name: &str, bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a temporary folder"));
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a file in a temporary folder");
    read(&path)
}

/// The value of an option for every attribute of every operation: as an argument, and as JSON.
pub fn attributes(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let json = serde_json::from_str::<serde_json::Value>(text).ok();
    for attribute in &ATTRIBUTES {
        for value in json.iter().cloned().chain([attributes::json_of(attribute.form, text)]) {
            let given = serde_json::Map::from_iter([(attribute.name.to_string(), value)]);
            for op in Op::all() {
                let _ = Attributes::from_json(&given, op.attributes(), &op.name());
            }
        }
    }
}

/// case.json beside arrays that fit some problems.
pub fn case(data: &[u8]) {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, shape) in [("input.npy", [1, 1, 3, 3]), ("weight.npy", [1, 1, 2, 2]), ("output.npy", [1, 1, 2, 2])] {
            let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| i as f32).collect();
            let bytes = npy::encode_f32(&shape, &values).expect("a small array");
            fs::write(folder.path().join(name), bytes).expect("a file in a temporary folder");
        }
        folder
    });
    fs::write(folder.path().join("case.json"), data).expect("a file in a temporary folder");
    let Ok(case) = case::Case::load(folder.path()) else { return };
    let _ = (case.op_name(), case.expects_error(), case.gradients(), case.forward_outputs());
    for output in ["output", "indices", "grad_input"] {
        let tolerance = case.tolerance(output);
        assert!(tolerance.atol >= 0.0 && tolerance.rtol >= 0.0, "{tolerance:?}");
        let _ = case.expected(output);
    }
    let _ = case.grad_output();
    let _ = case.task();
}

/// A list of experiments.
pub fn experiments(data: &[u8]) {
    with_file("experiments.json", data, |path| {
        if let Ok(experiments) = experiment_list::read(Some(path), None) {
            assert!(!experiments.is_empty());
        }
    });
}

/// The manifest of an export.
pub fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(manifest) = wgconv::export::Manifest::from_json(text) else { return };
    for step in &manifest.steps {
        let _ = step.parameter_bytes();
    }
    let written = manifest.to_json().expect("what was read can be written");
    assert_eq!(wgconv::export::Manifest::from_json(&written).expect("and read again"), manifest);
}

/// A NumPy file.
pub fn npy(data: &[u8]) {
    let Ok(array) = Array::parse(Path::new("x.npy"), data) else { return };
    assert_eq!(array.shape.iter().product::<usize>(), array.data.len());
    if let Ok(values) = array.to_f32() {
        let written = npy::encode_f32(&array.shape, &values).expect("what was read can be written");
        assert_eq!(Array::parse(Path::new("x.npy"), &written).expect("and read again").shape, array.shape);
    }
}

/// A PNG or JPEG file, and what it becomes when it is written again.
pub fn picture(data: &[u8]) {
    with_file("picture", data, |path| {
        let Ok((array, Some(picture))) = picture::load(path) else { return };
        assert_eq!(array.shape.iter().product::<usize>(), array.data.len());
        assert!(array.data.iter().all(|value| (0.0..=1.0).contains(value)));
        written_again(&array, &picture);
    });
}

fn written_again(array: &Array, picture: &Picture) {
    let encoding = picture.encoding(image::ImageFormat::Png, false, array.shape[1]);
    let _ = picture.left_out(Some(&encoding));
    let values = array.to_f32().expect("values up to 1");
    let bytes = picture::encode(&array.shape, &values, &encoding).expect("what was read can be written");
    let again = with_file("again", &bytes, |path| picture::load(path).expect("and read again").0);
    assert_eq!(again.shape, array.shape);
    assert_eq!(again.data, array.data);
}

/// Records of bench and diff.
pub fn records(data: &[u8]) {
    let path = Path::new("record.json");
    let _ = (bench_record::record(path, data), diff_record::schema(data), diff_record::record(path, data));
}

/// Somebody's suite.
pub fn suite(data: &[u8]) {
    with_file("suite.json", data, |path| {
        let Ok(suites) = suites::named(&path.display().to_string()) else { return };
        for suite in &suites {
            for layer in &suite.layers {
                let _ = suite.full_name(layer);
                for batch in [suites::Batch::Suite, suites::Batch::Gpu, suites::Batch::Images(3)] {
                    let _ = layer.geometry(batch);
                }
            }
        }
    });
}

/// A cache of the tuner.
pub fn tune_cache(data: &[u8]) {
    with_file("cache.jsonl", data, |path| {
        if let Ok(tuner) = wgconv::tune::Tuner::open(path) {
            let lines = data.split(|&byte| byte == b'\n').count();
            assert!(tuner.entries().len() + tuner.warnings().len() <= lines);
        }
    });
}

fn number(bytes: &mut Unstructured) -> arbitrary::Result<usize> {
    Ok(match bytes.arbitrary::<u8>()? {
        small @ 0..220 => 1 + usize::from(small % 6),
        220..225 => 0,
        225..235 => bytes.int_in_range(7..=70_000)?,
        _ => *bytes.choose(&strategy::ABSURD)?,
    })
}

fn axes<T: Copy>(
    bytes: &mut Unstructured,
    rank: usize,
    mut value: impl FnMut(&mut Unstructured) -> arbitrary::Result<T>,
) -> arbitrary::Result<Axes<T>> {
    // Now and then the rank of something else.
    let rank = if bytes.ratio(1, 60)? { bytes.int_in_range(1..=3)? } else { rank };
    let values = (0..rank).map(|_| value(bytes)).collect::<arbitrary::Result<Vec<T>>>()?;
    Ok(Axes::from_slice("axes", &values).expect("one to three values"))
}

/// The problem that the bytes describe: small numbers and, now and then, absurd ones.
fn problem_of(bytes: &mut Unstructured) -> arbitrary::Result<Problem> {
    let op = bytes.int_in_range(0..=strategy::OPERATIONS - 1)?;
    let any_rank = bytes.int_in_range(1..=3)?;
    let rank = strategy::rank_of(op).unwrap_or(any_rank);
    let pad = |bytes: &mut Unstructured| {
        if bytes.ratio(1, 60)? { number(bytes) } else { bytes.int_in_range(0..=3) }
    };
    let draw = strategy::Draw {
        op,
        input: axes(bytes, rank, |bytes| Ok(number(bytes)?.saturating_mul(2)))?,
        kernel: axes(bytes, rank, number)?,
        stride: axes(bytes, rank, number)?,
        dilation: axes(bytes, rank, |bytes| Ok(number(bytes)?.div_ceil(2)))?,
        padding: axes(bytes, rank, |bytes| Ok([pad(bytes)?, pad(bytes)?]))?,
        output_padding: axes(bytes, rank, |bytes| bytes.int_in_range(0..=1))?,
        counts: [number(bytes)?, number(bytes)?, number(bytes)?, number(bytes)?],
        groups: if bytes.ratio(4, 7)? { 1 } else { number(bytes)? },
        flags: bytes.arbitrary()?,
        value: *bytes.choose(&strategy::FLOATS)?,
        choice: bytes.int_in_range(0..=3)?,
    };
    Ok(draw.problem())
}

/// A problem, forward and backward, through geometry, choice and lowering for several kinds of device.
pub fn problem(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let Ok(choices) = bytes.arbitrary::<u8>() else { return };
    let Ok(problem) = problem_of(&mut bytes) else { return };
    let flag = |bit: u8| choices >> bit & 1 == 1;
    let options = Options {
        accuracy: if flag(0) { Accuracy::Half } else { Accuracy::Strict },
        storage: if flag(1) { Storage::F16 } else { Storage::F32 },
        pack_weights: flag(2),
        workspace_limit: flag(3).then_some(1 << 16),
        ..Options::default()
    };
    let own = if flag(4) { Capabilities::gpu() } else { Capabilities::cpu() };
    let capabilities = Capabilities {
        subgroup_size: flag(5).then_some(8),
        f16: flag(6),
        max_loop_iterations: flag(7).then_some(65_535),
        ..own
    };
    plan(&problem, &capabilities, &options);
    plan(&Gradient::all(problem).into(), &capabilities, &options);
}

fn plan(problem: &Problem, capabilities: &Capabilities, options: &Options) {
    let Ok(geometry) = Geometry::new(problem) else { return };
    let candidates = candidates(&geometry, capabilities, options);
    let accepted: Vec<Algorithm> =
        candidates.iter().filter(|candidate| candidate.verdict.is_ok()).map(|candidate| candidate.algorithm).collect();
    match choose(&geometry, capabilities, options) {
        Ok(choice) => assert!(accepted.contains(&choice.algorithm), "{problem:?}: {} was refused", choice.algorithm),
        Err(error) => assert!(accepted.is_empty(), "{problem:?}: {error}, but {accepted:?} take it"),
    }
    for algorithm in accepted {
        let options = options.clone().algorithm(algorithm);
        let program = lower(&geometry, algorithm, capabilities, &options);
        let program = program.unwrap_or_else(|error| panic!("{problem:?} by {algorithm}: {error}"));
        let images: usize = program.parts.iter().map(|part| part.images * part.count).sum();
        assert_eq!(images, problem.batch(), "{problem:?} by {algorithm}");
        let limit = options.workspace_limit.unwrap_or(u64::MAX);
        assert!(program.workspace_bytes <= limit, "{problem:?} by {algorithm}: {}", program.workspace_bytes);
        launches(&program, capabilities);
        program.packing_steps(capabilities).expect("it was accepted");
        let steps = program.steps(capabilities).expect("it was accepted");
        assert_eq!(steps.len(), program.dispatch_count());
    }
}

/// Every dispatch has room on the device and reads what there is.
fn launches(program: &Program, capabilities: &Capabilities) {
    for dispatch in program.launches() {
        let limit = capabilities.max_workgroups_per_dimension;
        let grid = dispatch.grid(limit).expect("it was accepted");
        assert!(grid.iter().all(|&n| n <= limit), "{grid:?} of {limit}");
        assert!(grid.iter().map(|&n| u64::from(n)).product::<u64>() >= dispatch.workgroups);
        for operand in &dispatch.operands {
            if let Operand::Tensor(name) = operand {
                assert!(program.geometry.tensor(*name).is_some(), "{name} is no tensor of the problem");
            }
        }
    }
}
