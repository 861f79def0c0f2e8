//! Runners that misbehave, beside one that is right. None of them needs a device.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use wgconv_peers::client::RunnerSpec;
use wgconv_peers::measure::{Host, Layer};
use wgconv_peers::protocol::Pass;
use wgconv_peers::record::{LOOSE, OURS, Row, SCHEMA, Settings, Status};

const PROGRAM: &str = env!("CARGO_BIN_EXE_wgconv-peers");

static SETTINGS: Settings =
    Settings { rounds: 2, batches: 2, min_ms: 1.0, threads: 1, timeout_s: 2.0, loose: LOOSE, ours: Vec::new() };

/// The f64 reference under our name.
fn reference(name: &str) -> RunnerSpec {
    let args = ["runner", "reference"].map(String::from).into();
    RunnerSpec { name: name.into(), program: PROGRAM.into(), args, env: Vec::new(), missing: None }
}

/// `tests/fake.sh`, which goes wrong at a method.
fn fake(name: &str, manner: &str, method: &str) -> RunnerSpec {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake.sh").display().to_string();
    let args = vec![script, manner.into(), method.into()];
    RunnerSpec { name: name.into(), program: "sh".into(), args, env: Vec::new(), missing: None }
}

fn layer(name: &str) -> Layer {
    Layer { name: name.into(), problem: wgconv::Conv::new(1, 4, [12, 12], 4, [3, 3]).padding(1).bias(true).into() }
}

fn measure(specs: &[RunnerSpec], layers: &[&str]) -> (Vec<Row>, Vec<wgconv_peers::record::Runner>) {
    let folder = tempfile::tempdir().unwrap();
    let mut host = Host::start(specs, &SETTINGS, folder.path());
    let rows =
        layers.iter().map(|name| host.measure(&layer(name), Pass::ForwardBackward, &mut |_| ()).unwrap()).collect();
    (rows, host.runners())
}

#[test]
fn right_runners_are_timed_by_turns() {
    let (rows, runners) = measure(&[reference(OURS), reference("twin")], &["a"]);
    let twin = &rows[0].runners["twin"];
    assert_eq!((twin.status, &twin.message), (Status::Right, &None));
    assert_eq!(twin.rounds.len(), 2);
    assert!(twin.rounds.iter().all(|round| round.ms.len() == 2 && round.repeats >= 1));
    assert_eq!(twin.errors.len(), 4, "output, grad_input, grad_weight, grad_bias");
    assert!(twin.ratio.unwrap() > 0.0);
    assert_eq!(rows[0].runners[OURS].ratio, Some(1.0));
    assert!(runners.iter().all(|runner| runner.peer.is_some()));
}

#[test]
fn wrong_results_are_not_timed() {
    let (rows, _) =
        measure(&[reference(OURS), fake("zeros", "zeros", "run"), fake("nothing", "nothing", "run")], &["a"]);
    for name in ["zeros", "nothing"] {
        let cell = &rows[0].runners[name];
        assert_eq!((cell.status, cell.ratio, cell.summary_ms), (Status::Wrong, None, None), "{name}");
        assert!(cell.rounds.is_empty());
        let message = cell.message.as_deref().unwrap();
        assert!(message.contains("output") && message.contains("grad_weight"), "{message}");
    }
    assert_eq!(rows[0].runners[OURS].status, Status::Right);
}

#[test]
fn crashes_are_reported_and_the_next_case_gets_a_fresh_process() {
    for method in ["prepare", "run", "time", "drop"] {
        let (rows, _) = measure(&[reference(OURS), fake("broken", "crash", method)], &["a", "b"]);
        for row in &rows {
            let cell = &row.runners["broken"];
            // The fake is wrong where it gets so far.
            let wanted = if method == "prepare" || method == "run" { Status::Crashed } else { Status::Wrong };
            assert_eq!(cell.status, wanted, "{method} {:?}", cell.message);
            if wanted == Status::Crashed {
                let message = cell.message.as_deref().unwrap();
                assert!(message.contains(method) && message.contains("out of luck"), "{message}");
            }
            assert_eq!(row.runners[OURS].status, Status::Right);
        }
    }
}

#[test]
fn crashes_in_hello_keep_a_runner_out() {
    let (rows, runners) = measure(&[reference(OURS), fake("broken", "crash", "hello")], &["a"]);
    assert_eq!((runners[1].status, &runners[1].peer), (Status::Crashed, &None));
    assert_eq!(rows[0].runners["broken"].status, Status::Crashed);
}

#[test]
fn hanging_runners_are_ended() {
    let start = std::time::Instant::now();
    let (rows, _) = measure(&[reference(OURS), fake("slow", "hang", "prepare")], &["a"]);
    let cell = &rows[0].runners["slow"];
    assert_eq!((cell.status, cell.message.as_deref()), (Status::TimedOut, Some("prepare: no answer in 2 s")));
    assert!(start.elapsed().as_secs() < 30);
}

#[test]
fn refusals_errors_and_nonsense_have_their_words() {
    let specs = [
        reference(OURS),
        fake("picky", "refuse", "prepare"),
        fake("sorry", "error", "run"),
        fake("mad", "babble", "prepare"),
        fake("absent", "refuse", "hello"),
    ];
    let (rows, _) = measure(&specs, &["a"]);
    let cell = |name: &str| (rows[0].runners[name].status, rows[0].runners[name].message.as_deref().unwrap());
    assert_eq!(cell("picky"), (Status::Unsupported, "not today"));
    assert_eq!(cell("sorry"), (Status::Failed, "run: something broke"));
    assert_eq!(cell("mad"), (Status::Crashed, "prepare: not a reply: {\"once\":\"upon\"}"));
    assert_eq!(cell("absent"), (Status::Unsupported, "not today"));
}

#[test]
fn missing_programs_are_not_installed() {
    let mut known = reference("known");
    known.missing = Some("install it".into());
    let mut gone = reference("gone");
    gone.program = PathBuf::from("/nowhere/at/all");
    let (rows, runners) = measure(&[reference(OURS), known, gone], &["a"]);
    for (i, name) in [(1, "known"), (2, "gone")] {
        assert_eq!(runners[i].status, Status::NotInstalled);
        assert_eq!(rows[0].runners[name].status, Status::NotInstalled);
    }
}

/// A stand-in for `wgconv bench --list --json`.
fn lister(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let problem = serde_json::to_string(&layer("x").problem).unwrap();
    let suites = format!(
        r#"[{{"name":"mine","layers":[{{"name":"stem","large":false,"problem":{problem}}},
            {{"name":"big","large":true,"problem":{problem}}}]}}]"#
    );
    let path = folder.join("lister.sh");
    std::fs::write(&path, format!("#!/bin/sh\ncat <<'END'\n{suites}\nEND\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn arguments_that_mean_nothing_name_field_value_and_rule() {
    let folder = tempfile::tempdir().unwrap();
    let lister = lister(folder.path());
    let run = |args: &[&str]| {
        let output = Command::new(PROGRAM).args(args).arg("--wgconv").arg(&lister).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).trim().to_string())
    };
    let (code, text) = run(&["--peer", "cudnn"]);
    assert_eq!(code, Some(2));
    assert!(text.starts_with("--peer = cudnn: it must be one of burn"), "{text}");
    let (code, text) = run(&["--peer", "", "--suite", "mine", "--layer", "big"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("big: no layer is left (large ones are left out without --large)"), "{text}");
    let (code, text) = run(&["--peer", "torch", "--runner", "torch=x"]);
    assert_eq!((code, &*text), (Some(2), "--peer, --runner = torch: each name once"));
}

#[test]
fn the_record_is_written_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("peers.json");
    let runner = format!("other={PROGRAM} runner reference");
    let output = Command::new(PROGRAM)
        .args(["--suite", "mine", "--pass", "forward", "--peer", "torch", "--runner", &runner, "--rounds", "1"])
        .args(["--batches", "2", "--min-ms", "1", "--json", "--tools", "/nowhere", "--wgconv"])
        .arg(lister(folder.path()))
        .arg("--out")
        .arg(&out)
        // There may be no adapter here, but there is none of this name anywhere.
        .env("WGCONV_ADAPTER", "no such adapter")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let written: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(printed, written);
    assert_eq!(written["schema"], SCHEMA);
    let cells = &written["rows"][0]["runners"];
    assert_eq!(cells["other"]["status"], "right");
    // Nothing to compare with.
    assert_eq!(cells["other"]["ratio"], Value::Null);
    assert_eq!(cells["torch"]["status"], "not_installed");
    assert_eq!(cells[OURS]["status"], "unsupported");
    let record: wgconv_peers::record::Record = serde_json::from_value(written).unwrap();
    assert!(wgconv_peers::table::lines(&record).iter().any(|line| line.starts_with("mine/stem")));
}
