//! `devices`, `explain`, `bench`, help, and machines without an adapter.

use std::process::Stdio;

use serde_json::json;

use crate::support::{NO_ADAPTERS, Sandbox, small_case};

#[test]
fn help_of_every_command_has_examples() {
    let sandbox = Sandbox::new();
    for command in ["--help", "--version", "help", "help conv2d"] {
        let ran = sandbox.ok(command);
        assert!(!ran.stdout.is_empty() && ran.stderr.is_empty(), "{command}");
    }
    let ranked = ["conv", "conv-transpose", "max-pool", "avg-pool", "lp-pool", "global-max-pool", "im2col", "col2im"];
    let ranked = ranked.into_iter().flat_map(|stem| (1..=3).map(move |rank| format!("{stem}{rank}d")));
    let others = "run check devices explain bench diff deform-conv2d locally-connected2d spatial-separable-conv2d \
                  depthwise-separable-conv2d depth-to-space space-to-depth";
    for command in ranked.chain(others.split_whitespace().map(Into::into)) {
        let help = sandbox.ok(&format!("{command} --help")).stdout;
        assert!(help.contains("Example") && help.contains(&format!("wgconv {command}")), "{command}: {help}");
    }
    let none = sandbox.run("");
    none.expect(2);
    assert!(none.stderr.contains("Usage: wgconv <COMMAND>"), "{}", none.stderr);
}

#[test]
fn devices_are_listed() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run("devices");
    let list = ran.stdout.clone();
    assert!(list.ends_with("reference  the f64 oracle on the CPU\n"), "{list}");
    let adapters = sandbox.run("devices --json").json()["adapters"].as_array().unwrap().clone();
    ran.expect(if adapters.is_empty() { 4 } else { 0 });
    for (index, adapter) in adapters.iter().enumerate() {
        assert_eq!(adapter["index"], index);
        assert!(adapter["limits"]["max_storage_buffer_binding_size"].as_u64().unwrap() >= 128 << 20);
    }
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    if let Some(first) = adapters.first() {
        let name = first["name"].as_str().unwrap().split_whitespace().next().unwrap().to_uppercase();
        sandbox.ok(&format!("run c --out out --device {name}"));
        sandbox.ok("run c --out out --device 0");
    }
    let missing = sandbox.run("run c --out none --device nonesuch");
    missing.expect(4);
    assert!(!sandbox.exists("none"));
}

#[test]
fn without_an_adapter_the_reference_serves_or_the_command_says_what_to_install() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    let run = |line: &str| sandbox.run_with(line, &NO_ADAPTERS);
    for line in [
        "run c --out out",
        "conv2d --input c/input.npy --weight c/weight.npy --output y.npy",
        "max-pool2d --input c/input.npy --kernel-size 2 --output y.npy",
    ] {
        let ran = run(line);
        ran.expect(0);
        assert!(ran.stderr.contains("WARNING: there is no adapter"), "{}", ran.stderr);
        assert!(ran.stdout.contains("by reference"), "{}", ran.stdout);
    }
    for line in ["check c", "check c --device all", "check c --device 0", "bench", "bench --device all"] {
        run(line).refused(4, "install the packages mesa-vulkan-drivers and libvulkan1");
    }
    run("run c --out out --device 0").refused(4, "mesa-vulkan-drivers");
    run("check c --device reference").expect(0);
    let devices = run("devices");
    devices.expect(4);
    assert!(devices.stdout.starts_with("reference") && devices.stderr.contains("mesa-vulkan-drivers"));
    let explained = run("explain conv2d --input-shape 1,4,8,8 --c-out 8 --kernel-size 3 --json");
    explained.expect(0);
    assert_eq!(explained.json()["devices"].as_array().unwrap().len(), 2);
    run("explain conv2d --input-shape 1,4,8,8 --c-out 8 --kernel-size 3 --device auto")
        .refused(4, "mesa-vulkan-drivers");
}

#[test]
fn explain_counts_a_convolution() {
    let sandbox = Sandbox::new();
    let line = "explain conv2d --input-shape 1,64,56,56 --c-out 128 --kernel-size 3 --padding 1 --stride 2 --bias";
    let told = sandbox.ok(&format!("{line} --device gpu --json")).json();
    assert_eq!(told["output_shape"], json!([1, 128, 28, 28]));
    assert_eq!(told["macs"], 128_u64 * 28 * 28 * 64 * 9);
    assert_eq!(told["parameters"], 128 * 64 * 9 + 128);
    assert_eq!(told["min_bytes"], 4 * (64 * 56 * 56 + 128 * 64 * 9 + 128 + 128 * 28 * 28));
    assert_eq!(
        told["axes"][0],
        json!({"kernel": 3, "effective_kernel": 3, "receptive_field": 3, "start": -1, "jump": 2.0})
    );
    assert_eq!(told["deformable"]["offset_channels"], 18);
    assert_eq!(told["devices"][0]["chosen"]["algorithm"], "packed-gemm");
    let algorithms = told["devices"][0]["algorithms"].as_array().unwrap();
    assert!(algorithms.iter().any(|a| a["applies"] == false && a["why"].as_str().unwrap().contains("it needs")));
    let text = sandbox.ok(&format!("{line} --device cpu")).stdout;
    for words in
        ["[1, 64, 56, 56] -> [1, 128, 28, 28]", "intensity", "chosen: im2col-gemm (a CPU adapter", "does not apply"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    // Half the output channels do not pay for columns there.
    let narrow = sandbox.ok(&format!("{} --device cpu", line.replace("128", "64"))).stdout;
    assert!(narrow.contains("chosen: register-tiled"), "{narrow}");
    let same = "explain conv2d --input-shape 1,64,56,56 --weight-shape 128,64,3,3 --padding 1 --stride 2 --bias";
    assert_eq!(sandbox.ok(&format!("{same} --device gpu --json")).json(), told);
}

#[test]
fn explain_shows_overlaps_fields_and_matrices() {
    let sandbox = Sandbox::new();
    let transposed = "explain conv-transpose2d --input-shape 1,1,3,3 --c-out 1 --stride 2 --device gpu";
    let uneven = sandbox.ok(&format!("{transposed} --kernel-size 3 --json")).json();
    assert_eq!(
        uneven["overlap"],
        json!({
            "counts": [[1, 1, 2, 1, 2, 1, 1], [1, 1, 2, 1, 2, 1, 1]], "kernel_modulo_stride": [1, 1], "uniform": false,
        })
    );
    assert!(sandbox.ok(&format!("{transposed} --kernel-size 3")).stdout.contains("checkerboard"));
    assert_eq!(sandbox.ok(&format!("{transposed} --kernel-size 4 --json")).json()["overlap"]["uniform"], true);

    let line = "explain conv1d --input-shape 1,1,4 --c-out 1 --kernel-size 3 --padding 1 --matrix --device gpu";
    let matrix = sandbox.ok(&format!("{line} --json")).json()["matrix"].clone();
    assert_eq!(matrix, json!([[2.0, 3.0, 0.0, 0.0], [1.0, 2.0, 3.0, 0.0], [0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 1.0, 2.0]]));
    assert!(sandbox.ok(line).stdout.contains("1  2  3  0"));
    let line =
        "explain conv-transpose1d --input-shape 1,1,2 --c-out 1 --kernel-size 3 --stride 2 --matrix --device gpu";
    let matrix = sandbox.ok(&format!("{line} --json")).json()["matrix"].clone();
    assert_eq!(matrix, json!([[1.0, 0.0], [2.0, 0.0], [3.0, 1.0], [0.0, 2.0], [0.0, 3.0]]));

    let line =
        "explain conv2d --input-shape 1,3,64,64 --c-out 8 --kernel-size 3 --behind k7s2p3,k3s2p1 --device gpu --json";
    let axis = sandbox.ok(line).json()["axes"][1].clone();
    assert_eq!((&axis["receptive_field"], &axis["jump"]), (&json!(19), &json!(4.0)));
}

#[test]
fn explain_takes_every_operation_and_a_case() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    let matrix = sandbox.ok("explain --case c --matrix --device gpu --json").json()["matrix"].clone();
    assert_eq!(matrix, json!([[1.0, 0.0, 0.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]]));
    for line in [
        "deform-conv2d --input-shape 1,4,8,8 --c-out 4 --kernel-size 3 --offset-groups 2 --mask",
        "locally-connected2d --input-shape 1,4,8,8 --c-out 4 --kernel-size 3 --groups 2",
        "spatial-separable-conv2d --input-shape 1,4,8,8 --kernel-size 5,3 --padding same",
        "depthwise-separable-conv2d --input-shape 1,4,8,8 --c-out 6 --kernel-size 3 --multiplier 2",
        "conv-transpose3d --input-shape 1,4,3,3,3 --c-out 4 --kernel-size 2 --groups 2",
        "max-pool2d --input-shape 4,8,8 --kernel-size 2 --indices",
        "global-avg-pool1d --input-shape 1,4,8",
        "depth-to-space --input-shape 1,4,8,8 --block-size 2",
        "im2col2d --input-shape 1,4,8,8 --kernel-size 3",
        "col2im1d --input-shape 1,12,6 --kernel-size 3 --output-size 8",
    ] {
        let told = sandbox.ok(&format!("explain {line} --device gpu --json")).json();
        assert!(told["devices"][0]["chosen"]["algorithm"].is_string(), "{line}");
        assert!(sandbox.ok(&format!("explain {line} --device cpu")).stdout.contains("chosen: "), "{line}");
    }
    let huge = sandbox.run("explain conv2d --input-shape 1,1,30000,30000 --c-out 1 --kernel-size 1 --device gpu");
    huge.expect(3);
    assert!(huge.stderr.contains("max_storage_buffer_binding_size"), "{}", huge.stderr);
}

#[test]
fn explain_refuses_nonsense() {
    let sandbox = Sandbox::new();
    for (line, words) in [
        ("conv9d --input-shape 1,1,4", "op = \"conv9d\""),
        ("conv2d", "--input-shape: it is missing"),
        ("conv2d --input-shape 1,x,3,3 --c-out 1 --kernel-size 1", "--input-shape = \"1,x,3,3\""),
        ("conv2d --input-shape 1,1,3,3 --c-out 1", "--kernel-size: it is missing"),
        ("conv2d --input-shape 1,1,3,3 --kernel-size 3", "--c-out: it is missing"),
        ("conv2d --input-shape 1,1,3,3 --c-out 1 --kernel-size 4", "kernel[0] = 4"),
        ("conv2d --input-shape 1,1,3,3 --c-out 1 --kernel-size 3 --block-size 2", "--block-size"),
        ("conv2d --input-shape 1,1,3,3 --weight-shape 1,1,3", "weight shape"),
        ("conv2d --input-shape 1,1,3,3 --c-out 1 --kernel-size 1 --behind 3x", "--behind = \"3x\""),
        ("conv2d --input-shape 1,1,3,3 --c-out 1 --kernel-size 1 --behind 3s", "--behind = \"3s\""),
        ("conv2d --input-shape 1,1,3,3 --c-out 1 --kernel-size 1 --behind 0", "layers[0].kernel = 0"),
        ("conv2d --input-shape 1,1,3,3 --c-out 1 --kernel-size 1 --device all", "--device = all"),
        ("conv2d --input-shape 1,2,3,3 --c-out 1 --kernel-size 1 --groups 0", "groups = 0"),
        ("max-pool2d --input-shape 1,1,3,3 --kernel-size 2 --bias", "bias = given"),
        ("conv-transpose2d --input-shape 1,2,3,3 --c-out 3 --kernel-size 1 --groups 2", "groups = 2"),
        ("conv2d --input-shape 4294967296,4294967296,4294967296,1 --c-out 1 --kernel-size 1", "2^31"),
    ] {
        let device = if line.contains("--device") { "" } else { "--device gpu" };
        let ran = sandbox.run(&format!("explain {line} {device}"));
        ran.refused(2, words);
    }
    let line = "explain --device gpu conv2d --input-shape 1,3,99,99 --c-out 9 --kernel-size 3 --matrix";
    sandbox.run(line).refused(3, "it may have at most 4096 elements");
    let line = "explain --device gpu max-pool2d --input-shape 1,3,9,9 --kernel-size 3 --matrix";
    sandbox.run(line).refused(3, "--matrix is not supported");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let sandbox = Sandbox::new();
    let mut child =
        sandbox.command(&["conv2d", "--help"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(matches!(output.status.code(), Some(0 | 141)), "{:?}", output.status);
}
