//! Where `bench` and `explain` take their problems from, what they print, and what they refuse.
#![cfg(feature = "cli")]

#[path = "command_line/support.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod support;

use serde_json::{Value, json};

use support::{NO_ADAPTERS, Ran, Sandbox};

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

/// Whether there was an adapter; without one the command must have said what to install.
fn measured(ran: &Ran) -> bool {
    if ran.code == Some(4) {
        assert!(ran.stderr.contains("mesa-vulkan-drivers"), "{}", ran.stderr);
        return false;
    }
    ran.expect(0);
    true
}

#[test]
fn every_listed_layer_is_explained() {
    let sandbox = Sandbox::new();
    let suites = sandbox.ok("bench --list --json").json();
    let suites = suites.as_array().unwrap();
    let names: Vec<&str> = suites.iter().map(|suite| suite["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["alexnet", "resnet50", "mobilenetv2", "dcnv2", "decoder"]);
    for suite in suites {
        let layers = suite["layers"].as_array().unwrap();
        assert!((5..=12).contains(&layers.len()), "{suite}");
        for layer in layers {
            let name = format!("{}/{}", suite["name"].as_str().unwrap(), layer.as_str().unwrap());
            let told = sandbox.ok(&format!("explain --layer {name} --json")).json();
            for served in told["devices"].as_array().unwrap() {
                assert!(served["chosen"]["algorithm"].is_string(), "{name}: {served}");
            }
        }
    }
}

#[test]
fn the_multiply_adds_of_known_layers() {
    let sandbox = Sandbox::new();
    for (layer, output, macs) in [
        // 11·11·3·96·55², and half of 5·5·96·256·27² for two groups.
        ("alexnet/conv1", [1, 96, 55, 55], 105_415_200_u64),
        ("alexnet/conv2", [1, 256, 27, 27], 223_948_800),
        ("resnet50/conv1", [1, 64, 112, 112], 118_013_952),
        ("resnet50/res4_3x3", [1, 256, 14, 14], 115_605_504),
        ("mobilenetv2/dw960_7", [1, 960, 7, 7], 423_360),
        ("dcnv2/c5_224", [1, 512, 7, 7], 115_605_504),
        // Per input pixel: 512·256·4·4·4².
        ("decoder/dcgan_512_256", [1, 256, 8, 8], 33_554_432),
    ] {
        let told = sandbox.ok(&format!("explain --layer {layer} --json")).json();
        assert_eq!((&told["output_shape"], &told["macs"]), (&json!(output), &json!(macs)), "{layer}");
    }
    let told = sandbox.ok("explain --layer resnet50/conv1 --json").json();
    assert_eq!(told["parameters"], 64 * 3 * 49);
    assert_eq!(told["min_bytes"], 4 * (3 * 224 * 224 + 64 * 3 * 49 + 64 * 112 * 112));
    assert_eq!(
        told["tensors"][0],
        json!({"name": "input", "shape": [1, 3, 224, 224], "elements": 150_528, "bytes": 602_112})
    );
    // 3·7·7 multiply-adds, 98 + 49 channels, 112² positions.
    assert_eq!(told["deformable"]["branch"], json!({"macs": 271_063_296, "parameters": 147 * 147 + 147}));
}

#[test]
fn both_classes_are_explained_without_an_adapter() {
    let sandbox = Sandbox::new();
    for environment in [NO_ADAPTERS[0], ("WGPU_BACKEND", "noop")] {
        let told = sandbox.run_with("explain --layer resnet50/conv1 --json", &[environment]);
        told.expect(0);
        let told = told.json();
        let served = told["devices"].as_array().unwrap();
        let classes: Vec<&str> = served.iter().map(|served| served["class"].as_str().unwrap()).collect();
        assert_eq!(classes, ["GPU", "CPU"]);
        assert_eq!(served[0]["chosen"]["algorithm"], "im2col-gemm");
        assert_eq!(served[1]["chosen"]["algorithm"], "register-tiled");
    }
    sandbox.run_with("explain --layer resnet50/conv1 --device 0", &NO_ADAPTERS).refused(4, "libvulkan1");
    sandbox.run_with("bench --layer head_pool", &NO_ADAPTERS).refused(4, "mesa-vulkan-drivers and libvulkan1");
}

#[test]
fn explain_reads_the_problem_that_it_prints() {
    let sandbox = Sandbox::new();
    let told = sandbox.ok("explain --layer mobilenetv2/dw96_s2 --json").json();
    sandbox.bytes("problem.json", told["problem"].to_string().as_bytes());
    assert_eq!(sandbox.ok("explain --problem problem.json --json").json(), told);
    // Without a blank in it, so that the line can be split at blanks.
    assert_eq!(sandbox.ok(&format!("explain --problem {} --json", told["problem"])).json(), told);
    for (line, words) in [
        ("", "a problem is missing"),
        ("--problem {}", "missing field `op`"),
        ("--problem {\"op\":\"conv\"}", "missing field"),
        ("--problem {\"op\":\"sort\"}", "unknown variant `sort`"),
        ("--problem none.json", "cannot read none.json"),
        ("--problem .", "it is a folder"),
        ("--layer resnet50", "--layer = resnet50"),
        ("--layer resnet50/conv1 --stride 2", "--stride: the problem is given whole"),
        ("--layer resnet50/conv1 --bias", "cannot be used with '--bias'"),
        ("--layer resnet50/conv1 --problem problem.json", "cannot be used with '--problem"),
        ("--case c --ceil-mode", "--ceil-mode: the problem is given whole"),
        ("conv2d --layer resnet50/conv1", "'[OP]' cannot be used with"),
    ] {
        sandbox.run(&format!("explain {line}")).refused(2, words);
    }
    let problem = told["problem"].to_string().replace("\"groups\":96", "\"groups\":7");
    sandbox.run(&format!("explain --problem {problem}")).refused(2, "groups = 7");
    let mixed = told["problem"].to_string().replace("\"kernel\":[3,3]", "\"kernel\":[3]");
    sandbox.run(&format!("explain --problem {mixed}")).refused(2, "kernel");
}

#[test]
fn the_rule_of_the_checkerboard_is_told() {
    let sandbox = Sandbox::new();
    let line =
        |arguments: &str| format!("explain conv-transpose1d --input-shape 1,1,6 --c-out 1 --stride 2 {arguments}");
    let text = sandbox.ok(&line("--kernel-size 3")).stdout;
    assert!(text.contains("kernel % stride = 3 % 2 = 1") && text.contains("uneven: a checkerboard"), "{text}");
    let text = sandbox.ok(&line("--kernel-size 4")).stdout;
    assert!(text.contains("kernel % stride = 4 % 2 = 0") && text.contains("no checkerboard"), "{text}");
    // The stride divides the kernel, but the taps reach every second position only.
    let text = sandbox.ok(&line("--kernel-size 4 --dilation 2")).stdout;
    assert!(text.contains("4 % 2 = 0, dilation 2") && text.contains("uneven: a checkerboard"), "{text}");
}

#[test]
fn bench_takes_a_suite_of_ones_own() {
    let sandbox = Sandbox::new();
    sandbox.bytes("mine.json", own_suite().to_string().as_bytes());
    assert_eq!(sandbox.ok("bench --suite mine.json --list --json").json()[0]["layers"][1], "factored");
    let ran = sandbox.run("bench --suite mine.json --algorithm all --samples 3 --json");
    if !measured(&ran) {
        return;
    }
    let report = ran.json();
    assert!(report["devices"][0].is_string() && report["processors"].as_u64().unwrap() > 0, "{report}");
    let rows = report["rows"].as_array().unwrap();
    for (layer, op) in [("stem", "conv2d"), ("factored", "spatial_separable_conv2d"), ("positions", "max_pool2d")] {
        assert!(rows.iter().any(|row| row["layer"] == format!("mine/{layer}") && row["op"] == op), "{report}");
    }
    for row in rows {
        assert_eq!(row["right"], true, "{row}");
        assert!(row["spread"].as_f64().unwrap() >= 0.0 && row["clock"].is_string(), "{row}");
    }
    let text = sandbox.ok("bench --suite mine.json --layer stem --samples 3").stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("device 0: ") && lines[1].starts_with("load average "), "{text}");
    for column in ["operation", "spread", "GFLOP/s", "error", "clock"] {
        assert!(lines[2].contains(column), "{text}");
    }
    assert_eq!(lines.len(), 4);
    assert!(lines[3].contains("conv2d") && (lines[3].ends_with("timestamp") || lines[3].ends_with("wall clock")));
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
        (layer(json!({"name": "x", "op": "conv2d"})), "bad/x: it needs either a problem"),
        (layer(json!({"name": "x", "op": "sort", "input": [1]})), "bad/x: op = \"sort\""),
        (layer(json!({"name": "x", "op": "conv2d", "input": [1], "colour": 1})), "unknown field `colour`"),
        (layer(json!({"name": "x", "op": "conv2d", "input": [], "weight": []})), "bad/x: "),
    ] {
        sandbox.bytes("bad.json", suite.to_string().as_bytes());
        sandbox.run("bench --suite bad.json").refused(2, words);
    }
    sandbox.bytes("bad.json", b"\xff{");
    sandbox.run("bench --suite bad.json").refused(2, "bad.json: ");
    sandbox.run("bench --suite none.json").refused(2, "cannot read none.json");
    sandbox.run("bench --algorithm fastest").refused(2, "it must be auto, all, direct");
}
