//! `wgconv experiments`, `wgconv targets`, and the record of `wgconv check`.

use serde_json::{Value, json};

use crate::support::{Sandbox, small_case};

fn read(sandbox: &Sandbox, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(sandbox.path(name)).unwrap()).unwrap()
}

/// Two questions of a problem that any adapter computes at once.
fn own_list() -> Value {
    let problem = json!({
        "op": "conv", "batch": 1, "c_in": 4, "c_out": 4, "input": [9, 9], "kernel": [3, 3], "stride": [1, 1],
        "padding": [[1, 1], [1, 1]], "dilation": [1, 1], "groups": 1, "padding_mode": "zeros", "flip_kernel": false,
        "epilogue": {"bias": false, "residual": false, "activation": "identity"}
    });
    json!({"experiments": [
        {"name": "direct-or-columns", "question": "Which?", "problem": problem,
         "a": {"algorithm": "direct"}, "b": {"algorithm": "im2col-gemm", "storage": "f16"}},
        {"name": "checks", "question": "What do they cost?", "problem": problem, "batch": 2, "pass": "grad_weight",
         "a": {}, "b": {"runtime_checks": true}},
    ]})
}

#[test]
fn both_ways_are_verified_and_timed_by_turns() {
    let sandbox = Sandbox::new();
    sandbox.bytes("mine.json", own_list().to_string().as_bytes());
    let text = sandbox.ok("experiments mine.json --rounds 2 --samples 2 --sample-ms 1 --rotate 1 --out r.json").stdout;
    assert!(text.contains("direct-or-columns") && text.contains("B/A"), "{text}");
    let record = read(&sandbox, "r.json");
    assert_eq!((&record["schema"], &record["waiting"]), (&json!("wgconv-experiments/1"), &json!([])));
    assert!(record["software"]["wgpu"].is_string() && record["devices"][0]["driver"].is_string());
    let [first, second] = &record["experiments"].as_array().unwrap()[..] else { panic!("{record}") };
    for (side, algorithm, element) in [("a", "direct", "f32"), ("b", "im2col-gemm", "f16")] {
        let row = &first[side]["row"];
        assert_eq!((&row["status"], &row["algorithm"]), (&json!("right"), &json!(algorithm)), "{row}");
        assert_eq!((&row["element"], row["rounds_ms"].as_array().unwrap().len()), (&json!(element), 2));
    }
    let medians = ["a", "b"].map(|side| first[side]["row"]["summary_ms"]["median"].as_f64().unwrap());
    let ratio = first["ratio"].as_f64().unwrap() * medians[1] / medians[0];
    assert!((ratio - 1.0).abs() < 1e-12, "{first}");
    assert_eq!(first["round_ratios"].as_array().unwrap().len(), 2);
    assert_eq!((&second["pass"], &second["problem"]["of"]["batch"]), (&json!("grad_weight"), &json!(2)));
}

#[test]
fn a_rehearsal_takes_one_turn_and_some_of_the_list() {
    let sandbox = Sandbox::new();
    sandbox.bytes("mine.json", own_list().to_string().as_bytes());
    let record = sandbox.ok("experiments mine.json --tiny --only checks --json").json();
    let [only] = &record["experiments"].as_array().unwrap()[..] else { panic!("{record}") };
    assert_eq!((&only["name"], &only["verdict"]), (&json!("checks"), &json!("undecided")));
    assert_eq!(only["problem"]["of"]["batch"], 1);
}

#[test]
fn lists_that_make_no_sense_leave_no_record() {
    let sandbox = Sandbox::new();
    let mut unknown = own_list();
    unknown["experiments"][1]["b"]["colour"] = json!("red");
    sandbox.bytes("mine.json", own_list().to_string().as_bytes());
    sandbox.bytes("unknown.json", unknown.to_string().as_bytes());
    for (line, words) in [
        ("unknown.json", "unknown.json: experiments[1].b.colour = \"red\": there is no such field"),
        ("absent.json", "absent.json: it cannot be read"),
        ("mine.json --only nothing", "--only = nothing"),
        ("mine.json --tiny --rounds 2", "--rounds"),
        ("mine.json --device reference", "experiments take one adapter"),
        ("mine.json --kernels tpu", "possible values: own, gpu, cpu"),
        ("mine.json --seconds 0", "--seconds"),
    ] {
        sandbox.run(&format!("experiments {line} --out r.json")).refused(2, words);
    }
    sandbox.run("targets --tiny --rounds 2 --out r.json").refused(2, "--rounds");
    sandbox.run("targets --device reference --out r.json").refused(2, "targets take one adapter");
    assert_eq!(sandbox.files(""), ["mine.json", "unknown.json"]);
}

#[test]
fn a_check_leaves_counts_and_failures() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "cases/good", &[-4.0; 2]);
    small_case(&sandbox, "cases/bad", &[0.0; 2]);
    sandbox.run("check cases --algorithm direct --out r.json").expect(1);
    let record = read(&sandbox, "r.json");
    assert_eq!((&record["schema"], &record["complete"]), (&json!("wgconv-check/1"), &json!(true)));
    assert_eq!((&record["all"]["pass"], &record["all"]["fail"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&record["failures"][0]["case"], &record["failures"][0]["algorithm"]),
        (&json!("bad"), &json!("direct"))
    );
    assert!(record["devices"][0]["driver"].is_string());
}
