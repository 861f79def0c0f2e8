//! What each fuzz target does with its bytes. Nothing here may panic, whatever they are; what is asserted must hold for
//! whatever is accepted.
#![allow(dead_code, unused_imports, reason = "the command line uses what the targets do not")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use wgconv::gpu::{lower_in_parts, program::Program};
use wgconv::{Accuracy, Algorithm, Capabilities, Geometry, Gradient, Options, Problem, Storage, candidates, choose};

// The command line is a program and no library: its modules are compiled in here.
macro_rules! modules_of_the_command_line {
    ($($path:literal $name:ident,)*) => { $(#[path = $path] mod $name;)* };
}
modules_of_the_command_line! {
    "../../src/bin/wgconv/attributes.rs" attributes,
    "../../src/bin/wgconv/backend.rs" backend,
    "../../src/bin/wgconv/bench/mod.rs" bench,
    "../../src/bin/wgconv/case.rs" case,
    "../../src/bin/wgconv/compare.rs" compare,
    "../../src/bin/wgconv/console.rs" console,
    "../../src/bin/wgconv/diff/mod.rs" diff,
    "../../src/bin/wgconv/experiments/mod.rs" experiments,
    "../../src/bin/wgconv/failure.rs" failure,
    "../../src/bin/wgconv/files.rs" files,
    "../../src/bin/wgconv/gradient.rs" gradient,
    "../../src/bin/wgconv/npy.rs" npy,
    "../../src/bin/wgconv/operation.rs" operation,
    "../../src/bin/wgconv/picture.rs" picture,
    "../../src/bin/wgconv/report/mod.rs" report,
    "../../src/bin/wgconv/request.rs" request,
}
#[path = "../../tests/common/strategy.rs"]
mod strategy;

/// Calls `read` with a file of those bytes.
fn with_file<T>(name: &str, bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a temporary folder"));
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a file in a temporary folder");
    read(&path)
}

/// A random problem, forward and backward, through geometry, choice and lowering for several kinds of device.
pub fn problem(data: &[u8]) {
    let Some((&choices, random)) = data.split_first() else { return };
    let rng = TestRng::from_seed(RngAlgorithm::PassThrough, random);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let Ok(tree) = strategy::problem().new_tree(&mut runner) else { return };
    let problem = tree.current();
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
        let lowered = lower_in_parts(&geometry, algorithm, capabilities, &options);
        let lowered = lowered.unwrap_or_else(|error| panic!("{problem:?} by {algorithm}: {error}"));
        let images = lowered.images * lowered.n_whole + lowered.rest.as_ref().map_or(0, |(images, _)| *images);
        assert_eq!(images, problem.batch(), "{problem:?} by {algorithm}");
        let limit = options.workspace_limit.unwrap_or(u64::MAX);
        assert!(lowered.workspace_bytes() <= limit, "{problem:?} by {algorithm}: {}", lowered.workspace_bytes());
        let programs = std::iter::once(&lowered.whole).chain(lowered.rest.as_ref().map(|(_, program)| program));
        for program in programs {
            launches(program, capabilities, &geometry);
        }
    }
}

/// Every dispatch has room on the device and reads what there is.
fn launches(program: &Program, capabilities: &Capabilities, geometry: &Geometry) {
    for dispatch in program.dispatches.iter().chain(&program.packing) {
        let limit = capabilities.max_workgroups_per_dimension;
        let grid = dispatch.grid(limit).expect("it was accepted");
        assert!(grid.iter().all(|&n| n <= limit), "{grid:?} of {limit}");
        assert!(grid.iter().map(|&n| u64::from(n)).product::<u64>() >= dispatch.workgroups);
        for operand in &dispatch.operands {
            if let wgconv::gpu::program::Operand::Tensor(name) = operand {
                assert!(geometry.tensor(*name).is_some(), "{name} is no tensor of the problem");
            }
        }
    }
}
