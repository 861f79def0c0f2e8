//! `wgconv check` over the case folders that the environment variable `WGCONV_CASES` names, where it names any.

use std::fs;
use std::io::Write;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Past the test harness, which swallows what tests print.
fn shout(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "conformance: {text}");
}

fn cases() -> Option<PathBuf> {
    let cases = std::env::var_os("WGCONV_CASES").filter(|cases| !cases.is_empty());
    if cases.is_none() {
        shout("SKIPPED: set WGCONV_CASES to a folder of case folders to run them");
    }
    cases.map(PathBuf::from)
}

/// Checks every case, in as many processes as cores that a driver in software can use.
fn check(cases: &Path, arguments: &[&str]) -> Vec<Output> {
    let folders = fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = folders.filter(|folder| folder.join("case.json").exists()).collect();
    assert!(!folders.is_empty(), "{}: there are no cases in it", cases.display());
    folders.sort();
    let n_processes = std::thread::available_parallelism().map_or(1, NonZero::get).clamp(1, MOST_PROCESSES);
    let start = |process| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgconv"));
        // Neighbours in the order of names are alike, and cost alike.
        command.arg("check").args(folders.iter().skip(process).step_by(n_processes)).args(arguments);
        // As its users have it: scripts/test lets drivers in software go without their optimiser.
        command.env_remove("GALLIVM_PERF").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = (0..n_processes).map(start).collect();
    // One that has more to say than its pipe holds waits for its turn.
    children.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

/// More would wait for each other's device.
const MOST_PROCESSES: usize = 4;

fn passed(outputs: &[Output]) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for output in outputs {
        assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    }
}

#[test]
fn the_reference_conforms() {
    let Some(cases) = cases() else { return };
    passed(&check(&cases, &["--device", "reference"]));
}

#[test]
fn every_algorithm_of_the_default_adapter_conforms() {
    let Some(cases) = cases() else { return };
    let outputs = check(&cases, &[]);
    let no_adapter = |output: &Output| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        output.status.code() == Some(4) && stderr.contains("there is no adapter")
    };
    if outputs.iter().all(no_adapter) {
        shout("SKIPPED on adapters: there is none");
        return;
    }
    passed(&outputs);
    passed(&check(&cases, &["--runtime-checks", "--algorithm", "auto"]));
}
