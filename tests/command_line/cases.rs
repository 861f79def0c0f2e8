//! Case folders: `run` and `check`.

use serde_json::json;

use crate::support::{Sandbox, small_case};

#[test]
fn run_writes_what_the_case_names() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "c", &[0.0; 2]);
    let ran = sandbox.ok("run c --out made/on/the/way --device reference");
    assert_eq!(ran.stderr, "");
    assert_eq!(sandbox.files("made/on/the/way"), ["output.npy"]);
    assert_eq!(sandbox.read("made/on/the/way/output.npy"), (vec![1, 1, 1, 2], vec![-4.0, -4.0]));
    let ran = sandbox.ok("run c --out out --json");
    assert_eq!(ran.json()["outputs"][0]["shape"], json!([1, 1, 1, 2]));
}

#[test]
fn gradients_are_written_by_the_reference_and_by_adapters() {
    let sandbox = Sandbox::new();
    // A sum of two neighbours.
    sandbox.npy("c/input.npy", &[1, 1, 4], &[1.0, 2.0, 4.0, 8.0]);
    sandbox.npy("c/weight.npy", &[1, 1, 2], &[-1.0, 1.0]);
    sandbox.npy("c/upstream.npy", &[1, 1, 3], &[1.0, 0.0, 10.0]);
    let mut case = json!({
        "op": "conv1d", "attrs": {},
        "inputs": {"input": "input.npy", "weight": "weight.npy", "grad_output": "upstream.npy"},
        "outputs": {"output": "output.npy", "grad_input": "g.npy", "grad_weight": "h.npy"},
    });
    sandbox.case("c", &case);
    for (out, how) in [
        ("reference", "--device reference"),
        ("adapter", ""),
        // The backward pass has it and the forward pass chooses its own; then the other way round.
        ("phases", "--algorithm phases"),
        ("tiles", "--algorithm register-tiled"),
    ] {
        let ran = sandbox.ok(&format!("run c --out {out} {how}"));
        assert_eq!(ran.stderr, "");
        assert_eq!(sandbox.files(out), ["grad_input.npy", "grad_weight.npy", "output.npy"]);
        assert_eq!(sandbox.read(&format!("{out}/grad_input.npy")), (vec![1, 1, 4], vec![-1.0, 1.0, -10.0, 10.0]));
        assert_eq!(sandbox.read(&format!("{out}/grad_weight.npy")), (vec![1, 1, 2], vec![41.0, 82.0]));
    }
    sandbox.run("run c --out absent --algorithm sorted-gather").refused(3, "sorted-gather");

    case["outputs"] = json!({"grad_input": "g.npy"});
    sandbox.case("c", &case);
    for device in ["auto", "reference"] {
        sandbox.ok(&format!("run c --out only_{device} --device {device}"));
        assert_eq!(sandbox.files(&format!("only_{device}")), ["grad_input.npy"]);
    }

    case["outputs"] = json!({"grad_bias": "g.npy"});
    sandbox.case("c", &case);
    sandbox.run("run c --out absent --device reference").refused(2, "bias");
    case["outputs"] = json!({"grad_input": "g.npy"});
    sandbox.npy("c/upstream.npy", &[1, 1, 2], &[1.0, 0.0]);
    sandbox.case("c", &case);
    sandbox.run("run c --out absent --device reference").refused(2, "grad_output has shape [1, 1, 2]");
    assert!(!sandbox.exists("absent"));
}

#[test]
fn run_writes_positions_of_maxima() {
    let sandbox = Sandbox::new();
    sandbox.npy("c/input.npy", &[1, 1, 2, 4], &[1.0, 2.0, 0.0, 0.0, 3.0, 0.0, 0.0, 9.0]);
    sandbox.case(
        "c",
        &json!({
            "op": "max_pool2d", "attrs": {"kernel_size": [2, 2], "divisor_override": null, "groups": 1},
            "inputs": {"input": "input.npy"}, "outputs": {"output": "o.npy", "indices": "i.npy"},
        }),
    );
    for device in ["auto", "reference"] {
        sandbox.ok(&format!("run c --out {device} --device {device}"));
        assert_eq!(sandbox.files(device), ["indices.npy", "output.npy"]);
        assert_eq!(sandbox.read(&format!("{device}/output.npy")), (vec![1, 1, 1, 2], vec![3.0, 9.0]));
        assert_eq!(sandbox.read_i64(&format!("{device}/indices.npy")), (vec![1, 1, 1, 2], vec![4, 7]));
    }
}

#[test]
fn operations_on_integers_are_not_supported() {
    let sandbox = Sandbox::new();
    for op in ["conv_integer2d", "qlinear_conv2d"] {
        sandbox.case("c", &json!({"op": op, "attrs": {"stride": [1, 1]}, "inputs": {"input_scale": "s.npy"}}));
        let reason = format!("op = \"{op}\" is not supported");
        sandbox.run("run c --out out").refused(3, &reason);
        let ran = sandbox.run("check c --device reference");
        ran.expect(3);
        assert!(ran.stderr.contains("nothing was compared") && ran.stderr.contains(&reason), "{}", ran.stderr);
    }
    sandbox.case("c", &json!({"format": 2, "op": "conv2d", "attrs": {}, "inputs": {}}));
    sandbox.run("run c --out out").refused(3, "format = 2");
    assert!(!sandbox.exists("out"));
}

#[test]
fn check_passes_what_is_right() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "cases/one", &[-4.0, -4.0]);
    small_case(&sandbox, "cases/two", &[-4.0, -4.0]);
    let ran = sandbox.ok("check cases --device reference");
    assert!(ran.stdout.starts_with("operation") && !ran.stdout.contains("FAIL"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
    let all = sandbox.ok("check cases/one cases --device reference --json").json();
    assert_eq!(all["all"]["cases"], 3);
    assert_eq!(all["operations"]["conv2d"]["pass"], 3);
    assert_eq!(all["devices"], json!({"reference": "reference"}));
    assert_eq!(sandbox.ok("check cases --device reference --filter two --json").json()["all"]["cases"], 1);
    assert_eq!(sandbox.ok("check cases --device reference --op conv2d --json").json()["all"]["cases"], 2);
    sandbox.run("check cases --device reference --op max-pool2d").refused(2, "no case matches");
    sandbox.run("check cases/one/input.npy --device reference").refused(2, "cannot be read");
    sandbox.bytes("empty/x", b"");
    sandbox.run("check empty --device reference").refused(2, "there is no case.json");
}

#[test]
fn check_fails_what_is_wrong_and_says_how_to_rerun_it() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "cases/right", &[-4.0, -4.0]);
    small_case(&sandbox, "cases/wrong", &[-4.0, -4.000001]);
    small_case(&sandbox, "cases/nan", &[-4.0, f32::NAN]);
    let ran = sandbox.run("check cases --device reference");
    ran.expect(1);
    let failures: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("FAIL ")).collect();
    assert_eq!(failures.len(), 2, "{}", ran.stdout);
    assert!(failures[0].starts_with("FAIL nan output reference: 1 of 2 elements out of tolerance, at [0, 0, 0, 1]"));
    assert!(failures[1].ends_with("rerun: wgconv check cases/wrong --device reference"), "{}", failures[1]);
    assert!(ran.stderr.contains("2 comparisons failed"), "{}", ran.stderr);
    let (_, rerun) = failures[1].split_once("rerun: wgconv ").unwrap();
    sandbox.run(rerun).expect(1);
    let report = sandbox.run("check cases --device reference --json");
    report.expect(1);
    assert_eq!(report.json()["all"]["fail"], 2);

    // A shape that is not the expected one.
    sandbox.npy("cases/wrong/output.npy", &[1, 2], &[-4.0, -4.0]);
    let ran = sandbox.run("check cases/wrong --device reference");
    ran.expect(1);
    assert!(ran.stdout.contains("output has shape [1, 1, 1, 2]: the case expects [1, 2]"), "{}", ran.stdout);
}

#[test]
fn check_wants_invalid_requests_refused() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    let mut case = json!({
        "op": "conv2d", "attrs": {"stride": [0, 1]}, "expect": "error",
        "inputs": {"input": "input.npy", "weight": "weight.npy"}, "outputs": {},
    });
    sandbox.case("c", &case);
    let report = sandbox.ok("check c --device reference --json").json();
    assert_eq!(report["all"]["pass"], 1);
    sandbox.run("run c --out out").refused(2, "stride[0] = 0: it must be at least 1");
    case["attrs"] = json!({});
    sandbox.case("c", &case);
    let ran = sandbox.run("check c --device reference");
    ran.expect(1);
    assert!(ran.stdout.contains("accepted, although it is invalid"), "{}", ran.stdout);
}

#[test]
fn check_goes_on_behind_an_unreadable_case() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "cases/b", &[-4.0, -4.0]);
    sandbox.bytes("cases/a/case.json", b"{");
    let ran = sandbox.run("check cases --device reference");
    ran.expect(1);
    assert!(ran.stdout.contains("FAIL a") && ran.stdout.contains("conv2d"), "{}", ran.stdout);
}

#[test]
fn check_covers_every_algorithm_of_the_adapter() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    let ran = sandbox.run("check c --json");
    if ran.code == Some(4) {
        assert!(ran.stderr.contains("mesa-vulkan-drivers"), "{}", ran.stderr);
        return;
    }
    ran.expect(0);
    let report = ran.json();
    let comparisons = report["comparisons"].as_array().unwrap();
    let algorithms: Vec<&str> = comparisons.iter().map(|row| row["algorithm"].as_str().unwrap()).collect();
    assert!(algorithms.contains(&"direct") && algorithms.contains(&"im2col-gemm"), "{algorithms:?}");
    let one = sandbox.ok("check c --algorithm direct --runtime-checks --json").json();
    assert_eq!(one["comparisons"].as_array().unwrap().len(), 1);
    let none = sandbox.run("check c --algorithm phases --json");
    none.expect(3);
    assert_eq!(none.json()["all"]["unsupported"], 1);
}
