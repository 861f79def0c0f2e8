//! `wgconv diff`: results of several devices, files of them, and what `wgconv report` makes of those.

use std::fs;

use serde_json::{Value, json};

use crate::support::{NO_ADAPTERS, Sandbox, small_case};

/// Computes a small part of the spread on the default adapter and keeps it.
fn kept(sandbox: &Sandbox, name: &str) -> Value {
    sandbox.ok(&format!("diff --device auto --layer conv2d_3x3 --algorithm direct --out {name}"));
    serde_json::from_slice(&fs::read(sandbox.path(name)).unwrap()).unwrap()
}

/// The first result of an adapter: what a test may tamper with.
fn of_adapter(record: &mut Value) -> &mut Value {
    let results = record["results"].as_array_mut().unwrap();
    results.iter_mut().find(|result| result["device"] == "0").unwrap()
}

#[test]
fn results_are_compared_kept_and_read_again() {
    let sandbox = Sandbox::new();
    let ran = sandbox.ok("diff --device auto --layer conv2d_3x3 --out a.json --html a.html --json --label mine");
    let report = ran.json();
    let sources = report["sources"].as_array().unwrap();
    assert_eq!((sources.len(), &sources[0]["backend"]), (2, &json!("reference")));
    let rows = report["against_reference"].as_array().unwrap();
    let tensors: Vec<&str> = rows.iter().map(|row| row["tensor"].as_str().unwrap()).collect();
    for tensor in ["output", "grad_input", "grad_weight", "grad_bias"] {
        assert!(tensors.contains(&tensor), "{tensors:?}");
    }
    for row in rows {
        assert_eq!((&row["wrong"], &row["tensors"], &row["source"]), (&json!(0), &json!(1), &json!(1)), "{row}");
        assert!(row["error_over_tolerance"].as_f64().unwrap() <= 1.0, "{row}");
        assert!(row["elements"].as_u64().unwrap() >= row["differing"].as_u64().unwrap(), "{row}");
        assert_eq!(row["worst"].is_null(), row["differing"] == 0, "{row}");
    }
    assert!(rows.iter().any(|row| row["algorithm"] == "direct") && rows.len() > 8, "every algorithm takes part");
    assert!(report["between_devices"].as_array().unwrap().is_empty());

    let page = fs::read_to_string(sandbox.path("a.html")).unwrap();
    assert!(page.contains("conv2d") && page.contains("grad_weight") && !page.contains("{{"), "{page}");
    // The file alone says the same.
    assert_eq!(sandbox.ok("report a.json --json").json(), report);
    let text = sandbox.ok("report a.json --html b.html").stdout;
    assert!(text.contains("against the reference") && text.contains("bit by bit"), "{text}");
    assert!(sandbox.exists("b.html"));
    let record: Value = serde_json::from_slice(&fs::read(sandbox.path("a.json")).unwrap()).unwrap();
    assert_eq!((&record["schema"], &record["label"]), (&json!("wgconv-diff/1"), &json!("mine")));
}

#[test]
fn a_device_agrees_with_itself_and_a_changed_bit_is_found() {
    let sandbox = Sandbox::new();
    let mut record = kept(&sandbox, "a.json");
    let same = "diff --device auto --layer conv2d_3x3 --algorithm direct --with a.json --max-ulps 0 --json";
    let report = sandbox.ok(same).json();
    let between = report["between_devices"].as_array().unwrap();
    assert!(between.len() >= 8, "{between:?}");
    assert!(between.iter().all(|row| row["equal"] == row["tensors"] && row["max_ulps"] == 0), "{between:?}");

    // One bit of one element: its distance is one.
    let result = of_adapter(&mut record);
    let digest = result["digest"].as_str().unwrap().to_string();
    result["digest"] = json!("changed");
    let tensor = result["tensor"].clone();
    let mut elements = record["elements"][&digest].clone();
    let bits = elements["bits"].as_str().unwrap().to_string();
    // The first character holds the upper six bits of the lowest byte: E is 4, whose lowest bit is the word's third.
    let flipped = |c: char| char::from_u32(c as u32 ^ 1).unwrap();
    let first = bits.chars().next().unwrap();
    elements["bits"] = json!(format!("{}{}", flipped(first), &bits[1..]));
    record["elements"]["changed"] = elements;
    sandbox.bytes("b.json", record.to_string().as_bytes());
    let ran = sandbox.run("report a.json b.json --json");
    ran.expect(0);
    let differing: Vec<Value> =
        ran.json()["between_devices"].as_array().unwrap().iter().filter(|row| row["differing"] != 0).cloned().collect();
    assert_eq!(differing.len(), 1, "{differing:?}");
    assert_eq!((&differing[0]["tensor"], &differing[0]["differing"]), (&tensor, &json!(1)));
    assert_eq!(differing[0]["worst"]["element"], 0);
    let ran = sandbox.run("diff --device reference --layer conv2d_3x3 --with a.json --with b.json --max-ulps 0");
    ran.expect(1);
    assert!(ran.stderr.contains("--max-ulps = 0") && ran.stderr.contains("direct"), "{}", ran.stderr);
}

#[test]
fn wrong_results_end_with_one() {
    let sandbox = Sandbox::new();
    let mut record = kept(&sandbox, "a.json");
    of_adapter(&mut record)["status"] = json!("wrong");
    of_adapter(&mut record)["error_over_tolerance"] = json!(12.5);
    // What a terminal would obey, and what a page would.
    record["devices"][1]["name"] = json!("adapter\u{1b}[31m<b>");
    sandbox.bytes("b.json", record.to_string().as_bytes());
    let ran = sandbox.run("report b.json");
    ran.expect(1);
    assert!(ran.stderr.contains("1 of 4 results are wrong"), "{}", ran.stderr);
    assert!(ran.stdout.contains("12.50") && !ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
    sandbox.run("report b.json --html b.html").expect(1);
    let page = fs::read_to_string(sandbox.path("b.html")).unwrap();
    assert!(page.contains("&lt;b&gt;") && !page.contains("<b>") && page.contains("<tr class=\"wrong\">"), "{page}");
}

#[test]
fn cases_have_data_of_their_own() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "cases/one", &[-4.0, -4.0]);
    let report = sandbox.ok("diff cases --device auto --json --max-ulps 0").json();
    let rows = report["against_reference"].as_array().unwrap();
    assert!(!rows.is_empty());
    // Small integers are exact, whatever the algorithm.
    for row in rows {
        assert_eq!((&row["equal"], &row["tensors"], &row["pass"]), (&json!(1), &json!(1), &json!("forward")), "{row}");
    }
}

#[test]
fn files_that_contradict_are_refused_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    let good = kept(&sandbox, "a.json");
    let refuse = |name: &str, tamper: &dyn Fn(&mut Value), words: &str| {
        let mut record = good.clone();
        tamper(&mut record);
        sandbox.bytes(name, record.to_string().as_bytes());
        sandbox.run(&format!("report a.json {name} --html never.html")).refused(2, words);
        assert!(!sandbox.exists("never.html"));
    };
    refuse("data.json", &|record| record["problems"][0]["inputs"] = json!("0"), "inputs of spread/conv2d_3x3 forward");
    refuse("schema.json", &|record| record["schema"] = json!("wgconv-diff/9"), "schema = \"wgconv-diff/9\"");
    refuse("type.json", &|record| record["results"][0]["problem"] = json!("x"), "results[0].problem");
    refuse("index.json", &|record| record["results"][0]["problem"] = json!(99), "results[0].problem = 99");
    refuse("bits.json", &|record| of_adapter(record)["digest"] = json!("none"), "digest = none: no elements have it");
    sandbox.bytes("bench.json", br#"{"schema": "wgconv-bench/1"}"#);
    sandbox.run("report a.json bench.json").refused(2, "others of `wgconv diff`");
    sandbox.run("report a.json --csv a.csv").refused(2, "--csv");
    sandbox.run("diff --device reference --with bench.json").refused(2, "bench.json: schema");
    sandbox.run("diff --device reference --with gone.json").refused(2, "gone.json");
    sandbox.run("diff --device reference --with a.json --out a.json").refused(2, "--out = a.json");
    sandbox.run("diff --device reference --out x.json --html x.json").refused(2, "--html = x.json");
    sandbox.run("diff --device reference --out gone/x.json").refused(2, "gone/x.json");
    sandbox.run("diff --device reference --layer nothing").refused(2, "--layer = nothing");
    sandbox.run("diff --device reference --operation conv9d").refused(2, "--operation = conv9d");
    sandbox.run("diff --device reference --pass sideways").refused(2, "--pass = sideways");
    sandbox.run("diff --device reference --algorithm direct").refused(2, "--algorithm = direct");
    sandbox.run("diff --device reference --sample 0").refused(2, "--sample");
    sandbox.run("diff nowhere").refused(2, "nowhere");
}

#[test]
fn without_an_adapter_the_reference_alone_is_kept() {
    let sandbox = Sandbox::new();
    sandbox.run_with("diff --layer conv1d", &NO_ADAPTERS).refused(4, "there is no adapter");
    let kept = "diff --layer conv1d --device reference --out r.json";
    sandbox.run_with(kept, &NO_ADAPTERS).expect(0);
    // It can be compared with later.
    let report = sandbox.ok("diff --layer conv1d --device auto --algorithm auto --with r.json --json").json();
    let rows = report["between_devices"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["equal"] == row["tensors"]), "{rows:?}");
}

#[test]
fn every_operation_of_the_spread_is_right_and_its_samples_are_bounded() {
    let sandbox = Sandbox::new();
    sandbox.ok("diff --device auto --algorithm auto --sample 100 --out s.json");
    let record: Value = serde_json::from_slice(&fs::read(sandbox.path("s.json")).unwrap()).unwrap();
    let operations: std::collections::BTreeSet<&str> =
        record["problems"].as_array().unwrap().iter().map(|problem| problem["operation"].as_str().unwrap()).collect();
    assert!(operations.len() >= 15, "{operations:?}");
    for (digest, elements) in record["elements"].as_object().unwrap() {
        let bits = elements["bits"].as_str().unwrap();
        assert!(bits.len() <= 100 * 4 * 4 / 3 + 4, "{digest}");
    }
    assert!(record["results"].as_array().unwrap().iter().all(|result| result["status"] == "right"));
}
