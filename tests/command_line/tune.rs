//! `wgconv tune`, and `wgconv bench --tuned`.

use std::fs;

use serde_json::{Value, json};

use crate::support::Sandbox;

/// A layer with several algorithms, one with a single one.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let suite = json!({"name": "mine", "source": "made up", "layers": [
        {"name": "stem", "op": "conv2d", "input": [1, 3, 12, 12], "weight": [8, 3, 3, 3],
         "attrs": {"stride": 2, "padding": 1, "activation": "relu6"}, "with": ["bias"]},
        {"name": "shuffle", "op": "depth_to_space", "input": [1, 8, 4, 4], "attrs": {"block_size": 2}},
    ]});
    sandbox.bytes("mine.json", suite.to_string().as_bytes());
    sandbox
}

/// These tests look at what is said, not at how long it takes.
const QUICK: &str = "--suite mine.json --rounds 1 --samples 1 --sample-ms 1 --rotate 0";

fn lines(sandbox: &Sandbox, file: &str) -> Vec<String> {
    fs::read_to_string(sandbox.path(file)).unwrap().lines().map(Into::into).collect()
}

#[test]
fn the_table_has_both_choices_and_the_score() {
    let sandbox = sandbox();
    let line = format!("tune {QUICK} --cache c/t.jsonl");
    let first = sandbox.ok(&line).stdout;
    for words in ["device 0: ", "heuristic ms", "tuned ms", "ratio", "mine/stem", "forward", "backward"] {
        assert!(first.contains(words), "{words}: {first}");
    }
    let row = |text: &str, layer: &str| text.lines().find(|line| line.starts_with(layer)).unwrap().to_string();
    assert!(row(&first, "mine/stem").ends_with(" timed"), "{first}");
    assert!(row(&first, "mine/shuffle").ends_with(" no choice"), "{first}");
    assert!(first.contains("within 10 % of the best candidate on ") && first.contains(" of 2 rows that"), "{first}");
    assert_eq!(lines(&sandbox, "c/t.jsonl").len(), 4);
    // What is known is not timed again, and says the same.
    let second = sandbox.ok(&line).stdout;
    // To the digits that are printed.
    let score = |text: &str| text.lines().last().unwrap().to_string();
    assert!(row(&second, "mine/stem").ends_with(" cache"), "{second}");
    assert_eq!(score(&second), score(&first));
    assert_eq!(lines(&sandbox, "c/t.jsonl").len(), 4);
    let forced = sandbox.ok(&format!("{line} --force --pass forward --layer stem")).stdout;
    assert!(row(&forced, "mine/stem").ends_with(" timed"), "{forced}");
    assert_eq!(lines(&sandbox, "c/t.jsonl").len(), 5);
}

#[test]
fn json_has_every_candidate() {
    let sandbox = sandbox();
    let line = format!("tune {QUICK} --cache t.jsonl --layer stem --json");
    let told = sandbox.ok(&line).json();
    assert_eq!(told["cache"], "t.jsonl");
    assert_eq!((&told["interrupted"], told["rows"].as_array().unwrap().len()), (&json!(false), 2));
    for row in told["rows"].as_array().unwrap() {
        assert_eq!((&row["suite"], &row["layer"], &row["cached"]), (&json!("mine"), &json!("stem"), &json!(false)));
        let timings = row["timings"].as_array().unwrap();
        let of = |name: &Value| timings.iter().find(|timing| timing["algorithm"] == *name).unwrap();
        assert!(timings.len() > 1, "{row}");
        let median = |timing: &Value| timing["outcome"]["timed"]["summary_ms"]["median"].as_f64();
        assert_eq!(row["tuned_ms"].as_f64(), median(of(&row["tuned"])));
        let least = timings.iter().filter_map(median).fold(f64::INFINITY, f64::min);
        let ratio = row["heuristic_ms"].as_f64().unwrap() / least;
        assert!((row["ratio"].as_f64().unwrap() - ratio).abs() < 1e-9, "{row}");
    }
    let device = &told["devices"][0];
    let near = told["rows"].as_array().unwrap().iter().filter(|row| row["ratio"].as_f64().unwrap() <= 1.1).count();
    assert_eq!((&device["rows_with_a_choice"], &device["heuristic_within_10_percent"]), (&json!(2), &json!(near)));
    let again = sandbox.ok(&line).json();
    assert_eq!((&again["rows"][0]["cached"], &again["rows"][0]["tuned"]), (&json!(true), &told["rows"][0]["tuned"]));
    let ratio = |told: &Value| told["rows"][0]["ratio"].as_f64().unwrap();
    assert!((ratio(&again) - ratio(&told)).abs() < 1e-9);
    // The list has the lines of the file, of this device alone.
    let entries = sandbox.ok("tune --list --json --cache t.jsonl").json();
    let entry: Value = serde_json::from_str(&lines(&sandbox, "t.jsonl")[0]).unwrap();
    let listed = |other: &Value| other["key"] == entry["key"] && other["algorithm"] == entry["algorithm"];
    assert!(entries.as_array().unwrap().len() == 2 && entries.as_array().unwrap().iter().any(listed), "{entries}");
    let name = entry["key"]["device"]["name"].as_str().unwrap();
    let elsewhere = fs::read_to_string(sandbox.path("t.jsonl")).unwrap().replace(name, "another");
    sandbox.bytes("t.jsonl", elsewhere.as_bytes());
    assert_eq!(sandbox.ok("tune --list --json --cache t.jsonl").json(), json!([]));
}

#[test]
fn the_list_tells_what_is_known_and_whether_it_still_counts() {
    let sandbox = sandbox();
    sandbox.ok(&format!("tune {QUICK} --cache t.jsonl --pass forward"));
    let text = sandbox.ok("tune --list --cache t.jsonl").stdout;
    for words in [": 2 entries", "conv2d", "input 1x3x12x12, weight 8x3x3x3, bias 8", "depth_to_space", "current"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("stale"));
    let entry: Value = serde_json::from_str(&lines(&sandbox, "t.jsonl")[0]).unwrap();
    let changed = fs::read_to_string(sandbox.path("t.jsonl"))
        .unwrap()
        .replace(entry["key"]["shaders"].as_str().unwrap(), "0123456789abcdef");
    sandbox.bytes("t.jsonl", changed.as_bytes());
    let text = sandbox.ok("tune --list --cache t.jsonl").stdout;
    assert!(text.contains("stale") && !text.contains("current"), "{text}");
    sandbox.run("tune --list --cache none.jsonl").refused(2, "--cache: none.jsonl: ");
    assert!(!sandbox.exists("none.jsonl"));
    // The usual file need not be there.
    let home = sandbox.path("home").to_string_lossy().into_owned();
    let listed = sandbox.run_with("tune --list", &[("XDG_CACHE_HOME", &*home)]);
    listed.expect(0);
    assert!(listed.stdout.contains(": 0 entries") && !sandbox.exists("home/wgconv"));
    // A byte order mark is none of the first line's.
    sandbox.ok(&format!("tune {QUICK} --cache marked.jsonl --pass forward"));
    let marked = [&b"\xef\xbb\xbf"[..], &fs::read(sandbox.path("marked.jsonl")).unwrap()[..]].concat();
    sandbox.bytes("marked.jsonl", &marked);
    let listed = sandbox.ok("tune --list --cache marked.jsonl");
    assert!(listed.stdout.contains(": 2 entries") && listed.stderr.is_empty(), "{}", listed.stderr);
}

#[test]
fn the_usual_place_is_the_users_cache_folder() {
    let sandbox = sandbox();
    let folder = sandbox.path("home").to_string_lossy().into_owned();
    let line = format!("tune {QUICK} --layer shuffle --pass forward");
    let cache = [("XDG_CACHE_HOME", &*folder)];
    sandbox.run_with(&line, &cache).expect(0);
    assert_eq!(sandbox.files("home/wgconv"), ["tune.jsonl"]);
    if cfg!(not(windows)) {
        sandbox.run_with(&line, &[("XDG_CACHE_HOME", ""), ("HOME", &*folder)]).expect(0);
        assert_eq!(sandbox.files("home/.cache/wgconv"), ["tune.jsonl"]);
        sandbox.run_with(&line, &[("XDG_CACHE_HOME", ""), ("HOME", "")]).refused(2, "--cache: it must name a file");
    }
}

#[test]
fn bench_uses_what_was_tuned() {
    let sandbox = sandbox();
    sandbox.ok(&format!("tune {QUICK} --cache t.jsonl --pass forward"));
    // The file is made to say something that the library would not choose.
    let entry = lines(&sandbox, "t.jsonl").into_iter().find(|line| line.contains("conv2d")).unwrap();
    let mut entry: Value = serde_json::from_str(&entry).unwrap();
    let bench = format!("bench {QUICK} --no-limits --json --layer stem");
    let usual = sandbox.ok(&bench).json()["rows"][0]["algorithm"].clone();
    let timings = entry["timings"].as_array().unwrap();
    let other = timings.iter().map(|timing| timing["algorithm"].clone()).find(|name| *name != usual).unwrap();
    entry["algorithm"] = other.clone();
    sandbox.bytes("t.jsonl", format!("{entry}\n").as_bytes());
    let ran = sandbox.ok(&format!("{bench} --tuned t.jsonl"));
    assert!(ran.stderr.contains("1 of 2 rows use t.jsonl"), "{}", ran.stderr);
    let rows = ran.json()["rows"].clone();
    assert_eq!(
        (&rows[0]["algorithm"], &rows[0]["chosen"], &rows[0]["status"]),
        (&other, &json!(false), &json!("right"))
    );
    assert_eq!((&rows[1]["pass"], &rows[1]["chosen"]), (&json!("backward"), &json!(true)));
    sandbox.run(&format!("{bench} --tuned t.jsonl --algorithm all")).refused(2, "--tuned: it needs --algorithm auto");
    sandbox.run(&format!("{bench} --tuned .")).refused(2, "it is a folder");
    // What is read must be there, and be a cache.
    sandbox.run(&format!("{bench} --tuned typo.jsonl")).refused(2, "--tuned: typo.jsonl: ");
    let foreign = sandbox.run(&format!("{bench} --tuned mine.json"));
    foreign.expect(2);
    assert!(foreign.stderr.contains("--tuned: mine.json: it is no cache of wgconv"), "{}", foreign.stderr);
    sandbox.bytes("wide.jsonl", b"\xff\xfe{\0}\0");
    sandbox.run(&format!("{bench} --tuned wide.jsonl")).refused(2, "wide.jsonl: it is UTF-16");
    let home = [("XDG_CACHE_HOME", &*sandbox.path("home").to_string_lossy().into_owned())];
    sandbox.run_with(&format!("{bench} --tuned"), &home).refused(2, "home/wgconv/tune.jsonl");
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let sandbox = sandbox();
    for (line, words) in [
        ("--suite lenet", "--suite = lenet: it must be all, alexnet"),
        ("--layer nonesuch", "--layer = nonesuch"),
        ("--device reference", "--device = reference: only adapters are measured"),
        ("--rounds 0", "--rounds"),
        ("--samples 0", "--samples"),
        ("--sample-ms 0", "--sample-ms"),
        ("--pass sideways", "--pass = sideways: it must be forward, backward"),
        ("--operation conv9d", "--operation = conv9d"),
        ("--cache .", "it is a folder"),
        ("--cache mine.json/t.jsonl", "mine.json/t.jsonl: "),
        ("--list --cache .", "it is a folder"),
    ] {
        let cache = if line.contains("--cache") { "" } else { "--cache t.jsonl" };
        sandbox.run(&format!("tune {cache} {line}")).refused(2, words);
    }
    assert!(!sandbox.exists("t.jsonl"));
    // A file that is something else stays as it is.
    let before = fs::read(sandbox.path("mine.json")).unwrap();
    let ran = sandbox.run(&format!("tune {QUICK} --cache mine.json --layer shuffle --pass forward"));
    ran.expect(2);
    assert!(ran.stderr.contains("skipped: mine.json, line 1: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("mine.json: it is no cache of wgconv"), "{}", ran.stderr);
    assert_eq!(fs::read(sandbox.path("mine.json")).unwrap(), before);
    sandbox.bytes("noise.txt", "noise\n".repeat(100).as_bytes());
    let ran = sandbox.run("tune --list --cache noise.txt");
    ran.expect(2);
    assert!(ran.stderr.contains("--cache: noise.txt: it is no cache of wgconv"), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().filter(|line| line.contains("skipped: noise.txt, line ")).count(), 5);
    assert!(ran.stderr.contains("skipped: 95 more lines of noise.txt"), "{}", ran.stderr);
}
