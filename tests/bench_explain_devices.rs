//! Where `bench` and `explain` take their problems from, what they print, and what they refuse.
#![cfg(feature = "cli")]

#[path = "command_line/support.rs"]
#[allow(dead_code, reason = "each suite uses its part")]
mod support;

use serde_json::json;

use support::{NO_ADAPTERS, Sandbox};

#[test]
fn every_listed_layer_is_explained() {
    let sandbox = Sandbox::new();
    let suites = sandbox.ok("bench --list --json").json();
    let suites = suites.as_array().unwrap();
    let names: Vec<&str> = suites.iter().map(|suite| suite["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 18);
    assert!(["alexnet", "resnet50", "mobilenetv2", "dcnv2", "decoder"].iter().all(|name| names.contains(name)));
    for suite in suites {
        let layers = suite["layers"].as_array().unwrap();
        for layer in layers {
            let name = format!("{}/{}", suite["name"].as_str().unwrap(), layer["name"].as_str().unwrap());
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
        assert_eq!(served[0]["chosen"]["algorithm"], "implicit-gemm");
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
        ("--problem none.json", "none.json: it cannot be read"),
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
