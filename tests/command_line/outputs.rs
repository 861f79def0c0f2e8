//! Results arrive whole or are missed with a word: stdout that takes nothing, links, folders, files that are in the way.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Ran, Sandbox, small_case};

const POOL: &str = "max-pool2d --input x.npy --kernel-size 2 --device reference";

/// Commands that print something and need no adapter.
#[cfg(target_os = "linux")]
const PRINTING: [&str; 12] = [
    "--help",
    "--version",
    "conv2d --help",
    "bench --list",
    "bench --list --json",
    "explain conv2d --input-shape 1,1,5,5 --c-out 1 --kernel-size 3",
    "explain conv2d --input-shape 1,1,5,5 --c-out 1 --kernel-size 3 --json",
    "export conv2d --input-shape 1,1,5,5 --c-out 1 --kernel-size 3 --languages wgsl --out e --replace",
    "run c --out out --device reference",
    "check c --device reference --json",
    "deform field --stack k3,k3 --extent 9",
    "max-pool2d --input x.npy --kernel-size 2 --output y.npy --device reference --json",
];

#[cfg(target_os = "linux")]
#[test]
fn results_that_stdout_does_not_take_are_missed() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    sandbox.ramp("x.npy", &[1, 1, 4, 4]);
    for line in PRINTING {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = sandbox.command(&arguments).stdout(Stdio::from(full)).output().unwrap();
        Ran::new(line, &output).refused(4, "cannot write the results to stdout: No space left on device");
        let script = format!("exec \"$0\" {line} >&-");
        let output = std::process::Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_wgconv")])
            .current_dir(sandbox.path("."))
            .output()
            .unwrap();
        Ran::new(line, &output).refused(4, "cannot write the results to stdout: it is closed");
    }
    // What goes elsewhere needs no stdout, and a failure is still one.
    let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let output = sandbox.command(&["conv2d", "--stride", "x"]).stdout(full()).output().unwrap();
    Ran::new("conv2d --stride x", &output).refused(2, "");
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_is_no_trouble() {
    let sandbox = Sandbox::new();
    let mut child =
        sandbox.command(&["bench", "--list", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(141), &b""[..]));
}

#[cfg(target_os = "linux")]
#[test]
fn files_that_do_not_take_their_bytes_are_missed() {
    let sandbox = Sandbox::new();
    sandbox.ramp("x.npy", &[1, 1, 4, 4]);
    sandbox.run(&format!("{POOL} --output /dev/full --format npy")).refused(4, "cannot write /dev/full: No space");
    // A limit on the size of files: the shell ignores the signal, and writing fails.
    sandbox.ramp("large.npy", &[1, 1, 200, 200]);
    let script = "trap '' XFSZ; ulimit -f 20; exec \"$0\" avg-pool2d --input large.npy --kernel-size 2 --output y.npy --device reference";
    let output = std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_wgconv")])
        .current_dir(sandbox.path("."))
        .output()
        .unwrap();
    Ran::new(script, &output).refused(4, "cannot write y.npy: File too large");
    assert_eq!(sandbox.files("."), ["large.npy", "x.npy"]);
}

#[cfg(unix)]
#[test]
fn links_lead_to_files_that_are_not_there_yet() {
    use std::os::unix::fs::symlink;
    let sandbox = Sandbox::new();
    sandbox.ramp("x.npy", &[1, 1, 4, 4]);
    fs::create_dir(sandbox.path("real")).unwrap();
    symlink("real/y.npy", sandbox.path("relative.npy")).unwrap();
    symlink(sandbox.path("real/z.npy"), sandbox.path("absolute.npy")).unwrap();
    symlink("relative.npy", sandbox.path("chain.npy")).unwrap();
    symlink("../chain.npy", sandbox.path("real/back.npy")).unwrap();
    for (link, target) in [
        ("relative.npy", "real/y.npy"),
        ("absolute.npy", "real/z.npy"),
        ("chain.npy", "real/y.npy"),
        ("real/back.npy", "real/y.npy"),
    ] {
        sandbox.ok(&format!("{POOL} --output {link}"));
        assert!(fs::symlink_metadata(sandbox.path(link)).unwrap().is_symlink(), "{link}");
        assert!(fs::symlink_metadata(sandbox.path(target)).unwrap().is_file(), "{link}");
        fs::remove_file(sandbox.path(target)).unwrap();
    }
    symlink("b.npy", sandbox.path("a.npy")).unwrap();
    symlink("a.npy", sandbox.path("b.npy")).unwrap();
    symlink("nowhere/y.npy", sandbox.path("lost.npy")).unwrap();
    sandbox.run(&format!("{POOL} --output a.npy")).refused(2, "cannot write a.npy: its links lead in a circle");
    sandbox.run(&format!("{POOL} --output lost.npy")).refused(2, "cannot write lost.npy");
    // Two names of one file are one file.
    sandbox
        .run(&format!("{POOL} --output relative.npy --indices real/y.npy"))
        .refused(2, "the file is --output already");
    assert_eq!(sandbox.files("real"), ["back.npy"]);
}

#[cfg(unix)]
#[test]
fn what_may_not_be_written_or_read_stays_so() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    sandbox.ramp("x.npy", &[1, 1, 4, 4]);
    sandbox.bytes("private.npy", b"old");
    fs::set_permissions(sandbox.path("private.npy"), fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.ok(&format!("{POOL} --output private.npy"));
    assert_eq!(fs::metadata(sandbox.path("private.npy")).unwrap().permissions().mode() & 0o777, 0o600);
    // A name as long as names may be leaves no room for another one.
    let long = format!("{}.npy", "n".repeat(251));
    sandbox.ok(&format!("{POOL} --output {long}"));
    assert_eq!(sandbox.read(&long).0, [1, 1, 2, 2]);
    sandbox.run(&format!("{POOL} --output {long}x --format npy")).refused(2, "File name too long");
    assert!(sandbox.files(".").iter().all(|name| !name.contains("part")));
}

#[test]
fn a_dash_is_stdin_or_stdout() {
    let sandbox = Sandbox::new();
    sandbox.ramp("x.npy", &[1, 1, 4, 4]);
    sandbox.ok(&format!("{POOL} --output want.npy"));
    let piped = |line: &str, input: &[u8]| {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let mut command = sandbox.command(&arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It may refuse before it reads.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    };
    let x = fs::read(sandbox.path("x.npy")).unwrap();
    let output = piped("max-pool2d --input - --kernel-size 2 --device reference --output -", &x);
    assert_eq!(output.stdout, fs::read(sandbox.path("want.npy")).unwrap());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.starts_with("-: [1, 1, 2, 2] by reference"), "{told}");
    // What would be printed goes to stderr, JSON too.
    let output = piped("max-pool2d --input - --kernel-size 2 --device reference --output - --json", &x);
    assert_eq!(output.stdout, fs::read(sandbox.path("want.npy")).unwrap());
    assert_eq!(serde_json::from_slice::<Value>(&output.stderr).unwrap()["files"][0], "-");
    // A picture comes and goes, too.
    image::GrayImage::from_pixel(4, 4, image::Luma([77])).save(sandbox.path("g.png")).unwrap();
    let g = fs::read(sandbox.path("g.png")).unwrap();
    let output = piped("conv2d --input - --filter box:1 --device reference --output - --format png", &g);
    assert_eq!(image::load_from_memory(&output.stdout).unwrap().into_luma8().into_raw(), [77; 16]);
    // Each is there once.
    let output = piped("conv2d --input - --weight - --output y.npy --device reference", &x);
    Ran::new("two of stdin", &output).refused(2, "stdin has been read already");
    let output = piped("max-pool2d --input - --kernel-size 2 --output - --indices - --device reference", &x);
    Ran::new("two of stdout", &output).refused(2, "it is the output's file");
    // A folder is neither.
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    sandbox.run("run c --out -").refused(2, "--out = -: it cannot be stdin or stdout");
    sandbox.run("export --layer resnet50/conv1 --out -").refused(2, "--out = -");
    sandbox.run("deform train --out -").refused(2, "--out = -");
    sandbox.run("tune --list --cache -").refused(2, "the cache = -");
    // Other files that are read and written.
    let suite = br#"{"name": "s", "source": "t", "layers": [{"name": "l", "op": "conv2d", "input": [1,1,4,4], "weight": [1,1,3,3]}]}"#;
    let output = piped("bench --list --suite -", suite);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "s: t\n  l\n");
    let problem = sandbox.ok("explain --layer resnet50/conv1 --json").json()["problem"].to_string();
    let output = piped("explain --problem - --json", problem.as_bytes());
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["problem"].to_string(), problem);
    let output = piped("deform field --stack k3,k3 --extent 9 --picture -", b"");
    assert!(output.status.success() && output.stdout.starts_with(b"<svg"));
    let output = piped("check c --device reference --out -", b"");
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["schema"], "wgconv-check/1");
    assert!(!sandbox.exists("-"));
}

#[test]
fn outputs_are_judged_before_the_work() {
    let sandbox = Sandbox::new();
    sandbox.bytes("file", b"mine");
    fs::create_dir(sandbox.path("folder.npy")).unwrap();
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    // Were anything computed first, the missing input would be what is complained of.
    for (line, words) in [
        ("max-pool2d --input absent --kernel-size 2 --output no/y.npy", "cannot write no/y.npy"),
        ("max-pool2d --input absent --kernel-size 2 --output folder.npy", "cannot write folder.npy: it is a folder"),
        ("max-pool2d --input absent --kernel-size 2 --output y.npy --indices no/i.npy", "cannot write no/i.npy"),
        ("run c --out file", "cannot make the folder file: file is no folder"),
        ("run c --out file/deeper/still", "file is no folder"),
        ("deform train --out file", "cannot make the folder file: file is no folder"),
        ("deform field --image absent --picture no/p.svg", "cannot write no/p.svg"),
        ("deform trace --image absent --at 0,0 --picture no/p.svg", "cannot write no/p.svg"),
        ("deform gradcheck c --plot no/p.svg", "cannot write no/p.svg"),
        ("report absent --html no/r.html", "cannot write no/r.html"),
        ("report absent --csv folder.npy", "cannot write folder.npy: it is a folder"),
        ("bench --layer conv1 --out no/b.json", "cannot write no/b.json"),
        ("diff --out no/d.json", "cannot write no/d.json"),
        ("experiments --out no/e.json", "cannot write no/e.json"),
        ("targets --out no/t.json", "cannot write no/t.json"),
        ("export --layer resnet50/conv1 --out file", "it is no folder"),
    ] {
        sandbox.run(line).refused(2, words);
    }
    // What is read is not written over.
    sandbox.bytes("s.json", br#"{"name": "s", "source": "t", "layers": [{"name": "l", "op": "conv2d", "input": [1,1,4,4], "weight": [1,1,3,3]}]}"#);
    sandbox.run("bench --suite s.json --out ./s.json").refused(2, "the file is that of --suite already");
    sandbox.run("experiments s.json --out s.json").refused(2, "the file is the list already");
    sandbox.run("run c --out c").refused(2, "it is a case folder");
    assert_eq!(sandbox.files("."), ["c", "file", "folder.npy", "s.json"]);
    assert_eq!(sandbox.files("c"), ["case.json", "input.npy", "output.npy", "weight.npy"]);
}

#[test]
fn an_export_goes_where_it_is_told_and_takes_nothing_with_it() {
    let sandbox = Sandbox::new();
    let line = "export conv2d --input-shape 1,8,9,9 --c-out 4 --kernel-size 3 --languages wgsl";
    let inside = |folder: &str, arguments: &str| {
        let arguments: Vec<&str> = line.split_whitespace().chain(arguments.split_whitespace()).collect();
        let output = sandbox.command(&arguments).current_dir(sandbox.path(folder)).output().unwrap();
        Ran::new(folder, &output)
    };
    // The folder itself stays, whoever stands in it.
    fs::create_dir(sandbox.path("here")).unwrap();
    #[cfg(unix)]
    let number = |folder: &str| std::os::unix::fs::MetadataExt::ino(&fs::metadata(sandbox.path(folder)).unwrap());
    #[cfg(unix)]
    let before = number("here");
    inside("here", "--out .").expect(0);
    inside("here", "--out . --header c --replace").expect(0);
    inside("here", "--out . --algorithm all --header c --replace").expect(0);
    #[cfg(unix)]
    assert_eq!(number("here"), before);
    assert!(
        sandbox.exists("here/index.json") && !sandbox.exists("here/manifest.json") && !sandbox.exists("here/conv2d.h")
    );
    inside("here", "--out . --replace").expect(0);
    assert!(
        sandbox.files("here").iter().all(|name| name.ends_with(".wgsl") || name == "manifest.json"),
        "{:?}",
        sandbox.files("here")
    );

    // A file of somebody's, beside an export and within it, or called as one of it.
    for foreign in ["notes.txt", "direct/notes.txt", ".hidden", "manifest.json.bak"] {
        sandbox.bytes(&format!("here/{foreign}"), b"mine");
        let files = sandbox.files("here");
        inside("here", "--out . --replace").refused(2, foreign.split('/').next().unwrap());
        assert_eq!(sandbox.files("here"), files);
        let path = sandbox.path(&format!("here/{foreign}"));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        if foreign.starts_with("direct") {
            fs::remove_dir_all(path.parent().unwrap()).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
    }
    // Files of that name which are no export's.
    for (name, text) in [
        ("manifest.json", "{\"name\": \"my web page\", \"icons\": []}"),
        ("manifest.json", "not even JSON"),
        ("manifest.json", "{\"schema\": \"wgconv-export/9\", \"shaders\": []}"),
        ("index.json", "[]"),
        ("index.json", "{\"schema\": \"other-index/1\", \"exports\": []}"),
        (
            "index.json",
            "{\"schema\": \"wgconv-export-index/1\", \"exports\": [{\"folder\": \"..\", \"files\": [\"file\"]}]}",
        ),
    ] {
        sandbox.bytes("file", b"mine");
        sandbox.bytes(&format!("theirs/{name}"), text.as_bytes());
        sandbox.run(&format!("{line} --out theirs --replace")).refused(2, "it holds no export of wgconv");
        assert_eq!(fs::read(sandbox.path(&format!("theirs/{name}"))).unwrap(), text.as_bytes());
        assert!(sandbox.exists("file") && sandbox.files("theirs") == [name]);
        fs::remove_dir_all(sandbox.path("theirs")).unwrap();
    }
}

#[test]
fn an_earlier_run_is_replaced_and_nothing_else() {
    let sandbox = Sandbox::new();
    let report = |steps: &[usize]| {
        let frames: Vec<_> = steps.iter().map(|step| serde_json::json!({"step": step})).collect();
        serde_json::json!({"schema": "wgconv-train/1", "deformable": {"frames": frames}}).to_string()
    };
    // Refused before an adapter is asked for anything.
    let refused = |words: &str| {
        sandbox.run("deform train --out run --device reference").refused(2, words);
    };
    sandbox.bytes("run/sheet.png", b"mine");
    refused("run/sheet.png is there, and no train.json of an earlier run lists it");
    sandbox.bytes("run/train.json", b"{\"schema\": \"timetable\"}");
    refused("is there, and no train.json");
    sandbox.bytes("run/train.json", report(&[0, 50]).as_bytes());
    sandbox.bytes("run/frames/step-000050.png", b"old");
    sandbox.bytes("run/frames/cover.png", b"mine");
    refused("--device = reference");
    sandbox.bytes("run/frames/step-000051.png", b"mine");
    refused("step-000051.png is there");
    fs::remove_file(sandbox.path("run/frames/step-000051.png")).unwrap();
    if sandbox.run("devices").code != Some(0) {
        return;
    }
    sandbox.ok("deform train --out run --steps 2 --every 2 --batch 4 --extent 24");
    assert_eq!(sandbox.files("run/frames"), ["cover.png", "step-000000.png", "step-000002.png"]);
    assert_eq!(sandbox.files("run"), ["curves.svg", "frames", "sheet.png", "train.json"]);
    sandbox.ok("deform train --out run --steps 1 --every 1 --batch 4 --extent 24");
    assert_eq!(sandbox.files("run/frames"), ["cover.png", "step-000000.png", "step-000001.png"]);
}
