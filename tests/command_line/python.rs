//! The Python tools, by their own tests: with an interpreter what needs the standard library alone, with torch the rest.

use std::path::Path;
use std::process::{Command, Stdio};

/// `WGCONV_PYTHON`, or what the system calls Python 3; it must be 3.10 or later.
fn interpreter() -> Option<String> {
    let named = std::env::var("WGCONV_PYTHON").ok().filter(|name| !name.is_empty());
    let usable = |name: &String| {
        let check = "import sys; sys.exit(sys.version_info < (3, 10))";
        let status = Command::new(name).args(["-c", check]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if let Some(name) = named {
        assert!(usable(&name), "WGCONV_PYTHON = {name}: it is no Python of at least 3.10");
        return Some(name);
    }
    ["python3", "python"].map(String::from).into_iter().find(usable)
}

#[test]
fn the_tools_for_pytorch_pass_their_tests() {
    let Some(python) = interpreter() else {
        eprintln!("NOT TESTED: there is no Python 3.10, so tools/ is not run");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/test_tools.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).env("WGCONV", env!("CARGO_BIN_EXE_wgconv"));
    let output = command.output().unwrap();
    let [said, trouble] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{said}\n{trouble}");
    let lines = |ending: &str| said.lines().filter(|line| line.ends_with(ending)).count();
    assert!(lines(": ok") >= 7, "{said}");
    for line in said.lines().filter(|line| line.contains("NOT TESTED")) {
        eprintln!("{line}");
    }
}
