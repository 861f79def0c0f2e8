//! A machine that gives little: few threads, little memory, an odd environment, a user who presses Ctrl-C.

use std::process::{Command, Output, Stdio};

use crate::support::{NO_ADAPTERS, Ran, Sandbox, npy, small_case};

/// Runs a shell script in which `$0` is the program.
#[cfg(unix)]
fn shell(sandbox: &Sandbox, script: &str) -> Output {
    Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_wgconv")])
        .current_dir(sandbox.path("."))
        .env("WGPU_BACKEND", NO_ADAPTERS[0].1)
        .output()
        .unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_limit_on_threads_costs_time_alone() {
    let sandbox = Sandbox::new();
    sandbox.ramp("x.npy", &[1, 8, 60, 60]);
    sandbox.ramp("w.npy", &[16, 8, 5, 5]);
    sandbox.ok("conv2d --input x.npy --weight w.npy --output want.npy --device reference");
    // Where the tests are root's, a user who has no other threads: the limit does not concern root.
    let user = "if [ $(id -u) = 0 ]; then set -- setpriv --reuid 61234 --clear-groups; fi";
    for threads in [1, 2, 4] {
        sandbox.bytes("y.npy", b"");
        let opened = "chmod 777 . && chmod 666 y.npy && chmod a+r *";
        let line = "--device reference --input x.npy --weight w.npy --output y.npy";
        let script =
            format!("{opened} && {user} && RAYON_NUM_THREADS=64 prlimit --nproc={threads} \"$@\" \"$0\" conv2d {line}");
        let output = shell(&sandbox, &script);
        let told = String::from_utf8_lossy(&output.stderr);
        // Neither tool, or a program that another user may not read.
        if output.status.code() == Some(127) || told.contains("setpriv: ") || told.contains("Permission denied") {
            eprintln!("NOT CHECKED: {told}");
            return;
        }
        Ran::new(&script, &output).expect(0);
        assert_eq!(sandbox.read("y.npy"), sandbox.read("want.npy"), "{threads}");
        // A software adapter may do with fewer threads or not at all, and nothing waits for ever.
        let bench = "bench --suite text_cnn --no-limits --rounds 1 --samples 1 --sample-ms 1 --rotate 0";
        let script =
            format!("{user} && env -u WGPU_BACKEND timeout 200 prlimit --nproc={threads} \"$@\" \"$0\" {bench}");
        let output = shell(&sandbox, &script);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 4)), "{threads}: {:?} {told}", output.status);
        assert!(!told.contains("panicked"), "{threads}: {told}");
    }
    for threads in ["99999999", "0", "-1", "many", ""] {
        let line = "conv2d --input x.npy --weight w.npy --output y.npy --device reference";
        sandbox.run_with(line, &[("RAYON_NUM_THREADS", threads)]).expect(0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_is_not_there_is_a_sentence() {
    let sandbox = Sandbox::new();
    sandbox.ramp("x.npy", &[1, 1, 8, 8]);
    sandbox.ramp("w.npy", &[1, 1, 1, 1]);
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    // 64 MB of float64 in a file that takes no room.
    let header = npy("<f8", &[1, 1, 8000, 1000], &[]);
    let file = std::fs::File::create(sandbox.path("large.npy")).unwrap();
    std::io::Write::write_all(&mut &file, &header).unwrap();
    file.set_len(header.len() as u64 + 64_000_000).unwrap();
    // 300 MB of addresses: the program starts, and no more.
    let limited = |line: &str| {
        let output = shell(&sandbox, &format!("ulimit -v 300000; exec \"$0\" {line}"));
        Ran::new(line, &output)
    };
    limited("conv2d --input x.npy --weight w.npy --output y.npy --device reference").expect(0);
    for line in [
        // 4000 x 4000 sums.
        "conv2d --input x.npy --weight w.npy --padding 2000 --output y.npy --device reference",
        "conv-transpose2d --input x.npy --weight w.npy --stride 600 --output y.npy --device reference",
        "avg-pool2d --input large.npy --kernel-size 1 --output y.npy --device reference",
        "max-pool2d --input large.npy --kernel-size 1 --output y.npy --device reference",
        "im2col --input large.npy --kernel-size 2 --output y.npy --device reference",
        "depth-to-space --input large.npy --block-size 1 --output y.npy --device reference",
    ] {
        limited(line).refused(4, "out of memory");
        assert!(!sandbox.exists("y.npy") || sandbox.read("y.npy").0 == [1, 1, 8, 8], "{line}");
    }
    assert!(sandbox.files(".").iter().all(|name| !name.contains("part")));
}

#[test]
fn files_without_end_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.ramp("w.npy", &[1, 1, 1, 1]);
    if cfg!(unix) {
        for device in ["/dev/zero", "/dev/null", "/dev/urandom"] {
            let line = format!("conv2d --input {device} --weight w.npy --output y.npy --device reference");
            sandbox.run(&line).refused(2, &format!("{device}: it cannot be read: it is a device"));
        }
    }
    assert_eq!(sandbox.files("."), ["w.npy"]);
}

#[cfg(unix)]
#[test]
fn pipes_are_read_once() {
    let sandbox = Sandbox::new();
    sandbox.ramp("x.npy", &[1, 1, 4, 4]);
    let made = Command::new("mkfifo").arg(sandbox.path("pipe")).status().unwrap();
    assert!(made.success());
    let script = "cat x.npy > pipe & \"$0\" max-pool2d --input pipe --kernel-size 2 --output y.npy --device reference";
    Ran::new(script, &shell(&sandbox, script)).expect(0);
    assert_eq!(sandbox.read("y.npy").0, [1, 1, 2, 2]);
    // Whether a file holds results or a record is found out without reading it twice.
    let script = "echo '{\"schema\": \"wgconv-bench/9\"}' > pipe & \"$0\" report pipe";
    Ran::new(script, &shell(&sandbox, script)).refused(2, "schema = \"wgconv-bench/9\"");
}

#[test]
fn backends_that_are_none_are_named() {
    let sandbox = Sandbox::new();
    sandbox.ramp("x.npy", &[1, 1, 4, 4]);
    let pool = "max-pool2d --input x.npy --kernel-size 2 --output y.npy";
    for (list, wrong) in [("nonsense", "nonsense"), ("vulkan,nonsense", "nonsense"), ("vulkan;gl", "vulkan;gl")] {
        for line in [
            "devices",
            pool,
            &format!("{pool} --device 0"),
            "check . --device all",
            "bench --layer conv1",
            "targets",
            "diff",
        ] {
            if line.starts_with("check") {
                small_case(&sandbox, "c", &[-4.0, -4.0]);
            }
            let ran = sandbox.run_with(line, &[("WGPU_BACKEND", list)]);
            ran.refused(2, &format!("WGPU_BACKEND = \"{wrong}\": it must be vulkan, metal, dx12, gl or webgpu"));
        }
    }
    // The reference asks for none; one that is known and not there is said to be at fault.
    sandbox.run_with(&format!("{pool} --device reference"), &[("WGPU_BACKEND", "nonsense")]).expect(0);
    let ran = sandbox.run_with("devices", &NO_ADAPTERS);
    ran.expect(4);
    assert!(ran.stderr.contains(&format!("WGPU_BACKEND = {}", NO_ADAPTERS[0].1)), "{}", ran.stderr);
    // What is not set, or set to nothing, is no choice.
    let [with, without] = [Some(""), None].map(|value| {
        let mut command = sandbox.command(&["devices"]);
        match value {
            Some(value) => command.env("WGPU_BACKEND", value),
            None => command.env_remove("WGPU_BACKEND"),
        };
        command.output().unwrap().status.code()
    });
    assert_eq!(with, without);
}

#[cfg(unix)]
#[test]
fn an_environment_that_is_no_text_is_no_trouble() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    sandbox.ramp("x.npy", &[1, 1, 4, 4]);
    let odd = std::ffi::OsStr::from_bytes(b"x\xff");
    let run = |line: &str, (variable, value): (&str, &std::ffi::OsStr), environment: &[(&str, &str)]| {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let mut command = sandbox.command(&arguments);
        let output = command.envs(environment.iter().copied()).env(variable, value).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 2 | 4)), "{variable}={value:?} wgconv {line}: {code:?}\n{told}");
        assert!(!told.contains("panicked"), "{variable}={value:?} wgconv {line}\n{told}");
    };
    let values = [odd, "".as_ref(), "0".as_ref(), "99999999999999999999".as_ref(), "/dev/null".as_ref()];
    for variable in
        ["RUST_LOG", "RUST_LOG_STYLE", "NO_COLOR", "TERM", "COLUMNS", "LANG", "HOME", "XDG_CACHE_HOME", "TMPDIR"]
    {
        for value in values {
            for line in ["--help", "tune --list", "max-pool2d --input x.npy --kernel-size 2 --output y.npy"] {
                run(line, (variable, value), &NO_ADAPTERS);
            }
        }
    }
    for variable in ["WGPU_BACKEND", "WGPU_DEBUG", "WGCONV_ADAPTER", "WGCONV_EXPERIMENTAL", "XDG_RUNTIME_DIR"] {
        for value in values {
            run("max-pool2d --input x.npy --kernel-size 2 --output y.npy", (variable, value), &[]);
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupted_run_says_so_and_keeps_what_it_has() {
    let sandbox = Sandbox::new();
    if sandbox.run("devices").code != Some(0) {
        return;
    }
    for line in [
        "bench --suite resnet50 --no-limits --sample-ms 1 --out kept.json",
        "tune --suite resnet50 --sample-ms 1 --cache cache.jsonl",
        "experiments --out kept.json",
    ] {
        let _ = std::fs::remove_file(sandbox.path("kept.json"));
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let mut command = sandbox.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Before the program has a handler, the signal would end it as any other.
        let has_handler = |id: u32| {
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
            u64::from_str_radix(caught.trim(), 16).unwrap() & 2 != 0
        };
        while !has_handler(child.id()) && child.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let output = child.wait_with_output().unwrap();
        let ran = Ran::new(line, &output);
        ran.expect(130);
        assert!(ran.stderr.contains("ended by Ctrl-C before everything was done"), "{line}: {}", ran.stderr);
        assert_eq!(sandbox.exists("kept.json"), line.contains("kept.json"), "{line}");
    }
}
