//! `wgconv check` over the case folders that the environment variable `WGCONV_CASES` names, where it names any.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output};

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

fn check(cases: &PathBuf, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wgconv")).arg("check").arg(cases).args(arguments).output().unwrap()
}

fn passed(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn the_reference_conforms() {
    let Some(cases) = cases() else { return };
    passed(&check(&cases, &["--device", "reference"]));
}

#[test]
fn every_algorithm_of_the_default_adapter_conforms() {
    let Some(cases) = cases() else { return };
    let output = check(&cases, &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(4) && stderr.contains("there is no adapter") {
        shout("SKIPPED on adapters: there is none");
        return;
    }
    passed(&output);
    passed(&check(&cases, &["--runtime-checks", "--algorithm", "auto"]));
}
