//! `wgconv bench`.

use serde_json::{Value, json};

use crate::support::Sandbox;

/// A layer in each of the two forms, small enough for any adapter.
fn own_suite() -> Value {
    json!({"name": "mine", "source": "made up", "layers": [
        {"name": "stem", "op": "conv2d", "input": [1, 3, 12, 12], "weight": [8, 3, 3, 3],
         "attrs": {"stride": 2, "padding": 1, "activation": "relu6"}, "with": ["bias"]},
        {"name": "factored", "problem": {
            "op": "spatial_separable2d", "batch": 1, "channels": 4, "input": [16, 16], "kernel": [5, 5],
            "stride": [1, 1], "padding": [[2, 2], [2, 2]], "dilation": [1, 1]}},
        {"name": "positions", "problem": {
            "op": "pool", "mode": {"max": {"pad_value": null, "indices": true}}, "batch": 1, "channels": 4,
            "input": [16, 16], "kernel": [3, 3], "stride": [2, 2], "padding": [[1, 1], [1, 1]], "dilation": [1, 1],
            "ceil_mode": false}},
    ]})
}

/// One round of one short sample: these tests look at what is said, not at how long it takes.
const QUICK: &str = "--rounds 1 --samples 1 --sample-ms 1 --rotate 1";

#[test]
fn a_suite_of_ones_own_is_measured_forward_and_backward() {
    let sandbox = Sandbox::new();
    sandbox.bytes("mine.json", own_suite().to_string().as_bytes());
    assert_eq!(sandbox.ok("bench --suite mine.json --list --json").json()[0]["layers"][1]["name"], "factored");
    let record = sandbox.ok(&format!("bench --suite mine.json --algorithm all --json {QUICK} --label mine")).json();
    assert_eq!((&record["schema"], &record["label"]), (&json!("wgconv-bench/1"), &json!("mine")));
    assert!(record["created"].as_str().unwrap().ends_with('Z'));
    assert!(record["software"]["wgpu"].as_str().unwrap().starts_with("30."), "{}", record["software"]);
    assert!(record["machine"]["host"]["processors"].as_u64().unwrap() > 0);
    let device = &record["devices"][0];
    for kind in ["f32_fma", "read", "copy"] {
        let peaks = device["peaks"].as_array().unwrap();
        let peak = peaks.iter().find(|peak| peak["kind"] == kind).unwrap();
        let best = peak["per_second"].as_f64().unwrap();
        assert!(best > 1e6, "{peak}");
        let others = peak["variants"].as_object().unwrap();
        assert!(others.len() > 3 && others.values().all(|other| other.as_f64().unwrap() <= best), "{peak}");
    }
    let rows = record["rows"].as_array().unwrap();
    for (layer, operation) in
        [("stem", "conv2d"), ("factored", "spatial_separable_conv2d"), ("positions", "max_pool2d")]
    {
        for pass in ["forward", "backward"] {
            let of = |row: &&Value| row["layer"] == layer && row["operation"] == operation && row["pass"] == pass;
            assert!(rows.iter().filter(of).any(|row| row["chosen"] == true), "{layer} {pass}");
        }
    }
    for row in rows {
        assert_eq!((&row["status"], &row["suite"]), (&json!("right"), &json!("mine")), "{row}");
        assert!(row["error_over_tolerance"].as_f64().unwrap() <= 1.0);
        let median = row["summary_ms"]["median"].as_f64().unwrap();
        assert_eq!(row["rounds_ms"], json!([[median]]));
        assert!(row["bound"]["fraction"].as_f64().unwrap() > 0.0, "{row}");
        for cost in ["plan_cold_ms", "plan_ms", "first_run_ms", "bind_us", "encode_us"] {
            assert!(row[cost].as_f64().unwrap() >= 0.0, "{cost} of {row}");
        }
        assert!(row["traffic_bytes"].as_u64().unwrap() >= row["min_bytes"].as_u64().unwrap(), "{row}");
    }
}

#[test]
fn rounds_samples_and_the_file_are_as_asked_for() {
    let sandbox = Sandbox::new();
    let line = "bench --suite mobilenetv2,dcnv2 --layer DW960 --rounds 2 --samples 3 --sample-ms 1 --rotate 4 \
                --no-limits --pass forward,grad_weight --out kept.json --clock wall --batch 2";
    let text = sandbox.ok(line).stdout;
    for words in ["device 0: ", "mobilenetv2/dw960_7", "forward", "grad_weight", "spread", "GFLOP/s", "error", "wall"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let record: Value = serde_json::from_slice(&std::fs::read(sandbox.path("kept.json")).unwrap()).unwrap();
    assert_eq!(record["devices"][0]["peaks"], json!([]));
    assert_eq!(record["settings"]["rotate_bytes"], 4 << 20);
    let rows = record["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert!(row["bound"].is_null() && row["clock"] == "wall");
        let rounds = row["rounds_ms"].as_array().unwrap();
        assert_eq!(rounds.iter().map(|round| round.as_array().unwrap().len()).collect::<Vec<_>>(), [3, 3]);
        assert!((2..=64).contains(&row["buffer_sets"].as_u64().unwrap()), "{row}");
    }
    assert_eq!(rows[0]["problem"]["batch"], 2);
    assert_eq!(rows[1]["problem"]["wanted"], json!(["weight"]));
    assert_eq!(rows[0]["flops"], 2 * 2 * 423_360);
}

#[test]
fn a_gradient_that_an_operation_lacks_has_no_row() {
    let sandbox = Sandbox::new();
    sandbox.bytes("mine.json", own_suite().to_string().as_bytes());
    let line = format!("bench --suite mine.json --operation max_pool2d --pass all --no-limits --json {QUICK}");
    let record = sandbox.ok(&line).json();
    let passes: Vec<&Value> = record["rows"].as_array().unwrap().iter().map(|row| &row["pass"]).collect();
    assert_eq!(passes, ["forward", "backward", "grad_input"]);
}

#[test]
fn every_device_has_rows_of_its_own() {
    let sandbox = Sandbox::new();
    let line =
        format!("bench --suite resnet50 --layer head_pool --device all --no-limits --pass forward --json {QUICK}");
    let record = sandbox.ok(&line).json();
    let devices = record["devices"].as_array().unwrap();
    let rows = record["rows"].as_array().unwrap();
    assert_eq!(devices.len(), rows.len());
    for (device, row) in devices.iter().zip(rows) {
        assert_eq!(device["id"], row["device"]);
    }
    let backend = devices[0]["backend"].as_str().unwrap();
    let line = format!("{line} --backend {backend}").replace("--device all ", "");
    assert_eq!(sandbox.ok(&line).json()["devices"][0]["backend"], backend);
    sandbox.run(&line.replace(backend, if cfg!(windows) { "metal" } else { "dx12" })).refused(4, "--backend = ");
}

#[test]
fn requests_that_make_no_sense_leave_no_record() {
    let sandbox = Sandbox::new();
    for (line, words) in [
        ("--suite lenet", "--suite = lenet: it must be all, alexnet"),
        ("--layer nonesuch", "--layer = nonesuch"),
        ("--device reference", "only adapters are measured"),
        ("--samples 0", "--samples"),
        ("--rounds 0", "--rounds"),
        ("--algorithm fastest", "it must be auto, all, direct"),
        ("--pass sideways", "--pass = sideways: it must be forward, backward"),
        ("--pass grad_output", "--pass = grad_output"),
        ("--operation conv9d", "--operation = conv9d"),
        ("--batch none", "it must be suite, gpu or a number"),
        ("--batch 0", "it must be suite, gpu or a number"),
        ("--backend cuda", "possible values: vulkan"),
        ("--clock sun", "possible values: auto"),
    ] {
        sandbox.run(&format!("bench {line} --out r.json")).refused(2, words);
    }
    sandbox.run(&format!("bench --layer head_pool --algorithm phases --out no/r.json {QUICK}")).refused(2, "no/r.json");
    assert!(!sandbox.exists("r.json") && !sandbox.exists("no"));
}

#[test]
fn bench_refuses_suites_that_make_no_sense() {
    let sandbox = Sandbox::new();
    let layer = |layer: Value| json!({"name": "bad", "source": "", "layers": [layer]});
    let pixel = json!({"name": "x", "op": "conv2d", "input": [1, 1, 4, 4], "weight": [1, 1, 9, 9]});
    for (suite, words) in [
        (json!({"name": "bad", "source": "", "layers": []}), "layers = []"),
        (json!({"name": "bad", "layers": []}), "missing field `source`"),
        (layer(pixel), "bad/x: kernel[0] = 9"),
        (layer(json!({"name": "x", "op": "conv2d"})), "bad/x: layer = \"x\": it needs either a problem"),
        (layer(json!({"name": "x", "op": "sort", "input": [1]})), "bad/x: op = \"sort\""),
        (layer(json!({"name": "x", "op": "conv2d", "input": [1], "colour": 1})), "unknown field `colour`"),
        (layer(json!({"name": "x", "op": "conv2d", "input": [], "weight": []})), "bad/x: "),
    ] {
        sandbox.bytes("bad.json", suite.to_string().as_bytes());
        sandbox.run("bench --suite bad.json").refused(2, words);
    }
    sandbox.bytes("bad.json", b"\xff{");
    sandbox.run("bench --suite bad.json").refused(2, "bad.json: ");
    sandbox.run("bench --suite none.json").refused(2, "none.json: it cannot be read");
}
