//! No input makes the program panic, and a refusal leaves nothing behind.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Ran, Sandbox, npy, npy_with_header, small_case};

#[test]
fn hostile_files_are_refused_by_name() {
    let sandbox = Sandbox::new();
    sandbox.npy("w.npy", &[1, 1, 1, 1], &[1.0]);
    let good = npy("<f4", &[1, 1, 1, 2], &[0; 8]);
    let header = |text: &str| npy_with_header(text, &[0; 8]);
    let deep = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {}", "(".repeat(60_000));
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("text", b"hello".to_vec()),
        ("magic_only", good[..6].to_vec()),
        ("half_header", good[..20].to_vec()),
        ("half_data", good[..good.len() - 3].to_vec()),
        ("too_long", [&good[..], &[0]].concat()),
        ("version_9", [&good[..6], &[9, 0], &good[8..]].concat()),
        ("header_of_4_gib", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}".to_vec()),
        ("archive", b"PK\x03\x04....".to_vec()),
        ("complex", npy("<c8", &[1, 1, 1, 1], &[0; 8])),
        ("objects", npy("|O", &[1, 1, 1, 1], &[0; 8])),
        ("text_items", npy("<U2", &[1, 1, 1, 1], &[0; 8])),
        ("structured", header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }")),
        ("no_shape", header("{'descr': '<f4', 'fortran_order': False, }")),
        ("negative", header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2), }")),
        ("overflow", header("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4), }")),
        ("enormous", header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 99999999999), }")),
        ("deep", header(&deep)),
        (
            "not_utf8",
            npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", &[0; 8])
                .into_iter()
                .map(|b| if b == b'd' { 0xff } else { b })
                .collect(),
        ),
        ("scalar", npy("<f4", &[], &[0; 4])),
        ("six_axes", npy("<f4", &[1, 1, 1, 1, 1, 2], &[0; 8])),
        ("no_elements", npy("<f4", &[1, 1, 0, 2], &[])),
        ("no_batch", npy("<f4", &[0, 1, 2, 2], &[])),
        ("too_big_for_f32", npy("<f8", &[1, 1, 1, 1], &1e300_f64.to_le_bytes())),
        ("broken_png", b"\x89PNG\r\n\x1a\n0000".to_vec()),
        ("broken_jpeg", b"\xff\xd8\xff\xe0 nothing".to_vec()),
    ];
    for (name, bytes) in &files {
        sandbox.bytes(name, bytes);
        for (input, weight) in [(*name, "w.npy"), ("w.npy", *name)] {
            let line = format!("conv2d --input {input} --weight {weight} --output y.npy --device reference");
            sandbox.run(&line).refused(2, "");
        }
    }
    for missing in ["absent.npy", ".", "/", "w.npy/x"] {
        let line = format!("conv2d --input {missing} --weight w.npy --output y.npy --device reference");
        sandbox.run(&line).refused(2, "cannot be read");
    }
    assert!(!sandbox.exists("y.npy"));
    assert!(sandbox.files(".").iter().all(|name| !name.contains("part")), "{:?}", sandbox.files("."));
}

#[test]
fn hostile_arguments_are_refused_by_name() {
    let sandbox = Sandbox::new();
    sandbox.ramp("x.npy", &[1, 4, 5, 6]);
    sandbox.ramp("w.npy", &[2, 4, 3, 3]);
    sandbox.ramp("bias3.npy", &[3]);
    let conv = "conv2d --input x.npy --weight w.npy";
    let pool = "max-pool2d --input x.npy";
    let arguments = [
        (conv, "--stride 0", "stride[0] = 0"),
        (conv, "--stride -1", "stride = -1: it must not be negative"),
        (conv, "--stride 1,-2", "stride[1] = -2"),
        (conv, "--stride 1,1,1", "stride = 3 entries"),
        (conv, "--stride 1.5", "stride = \"1.5\""),
        (conv, "--stride nan", "stride = \"nan\""),
        (conv, "--stride 18446744073709551615", "2^31"),
        (conv, "--stride 18446744073709551616", "a whole number"),
        (conv, "--stride ,", "stride[0]"),
        (conv, "--padding -1", "padding = -1"),
        (conv, "--padding 9223372036854775807", "2^31"),
        (conv, "--padding 1:2:3,1", "padding[0][1]"),
        (conv, "--padding same --stride 2", "padding = same: it needs stride 1"),
        (conv, "--padding-mode mirror", "padding_mode"),
        (conv, "--padding 9 --padding-mode reflect", "reflect needs padding < extent"),
        (conv, "--dilation 0", "dilation[0] = 0"),
        (conv, "--dilation 5", "dilated extent 11"),
        (conv, "--dilation 9999999999", "2^31"),
        (conv, "--groups 0", "groups = 0"),
        (conv, "--groups 3", "groups = 3"),
        (conv, "--groups 2", "weight has shape"),
        (conv, "--activation tanh", "activation"),
        (conv, "--activation leaky-relu:inf", "activation slope"),
        (conv, "--bias bias3.npy", "bias has shape [3]"),
        (conv, "--residual x.npy", "residual has shape"),
        (conv, "--kernel-size 3", "unexpected argument '--kernel-size'"),
        (conv, "--filter box", "cannot be used with"),
        (conv, "--normalize", "--normalize: the output must be a picture"),
        (conv, "--algorithm fastest", "invalid value 'fastest'"),
        (conv, "--algorithm all", "--algorithm = all"),
        (conv, "--algorithm direct --device reference", "the reference has no choice"),
        (conv, "--device all", "--device = all"),
        ("conv2d --input x.npy", "--filter blur", "invalid value 'blur'"),
        ("conv2d --input w.npy", "", "--weight <FILE>"),
        ("conv1d --input x.npy --weight w.npy", "", "input shape = [1, 4, 5, 6]"),
        ("conv3d --input bias3.npy --weight w.npy", "", "input shape = [3]"),
        ("conv-transpose2d --input x.npy --weight w.npy", "", "weight has shape"),
        (pool, "", "kernel_size = nothing"),
        (pool, "--kernel-size 0", "kernel[0] = 0"),
        (pool, "--kernel-size 9", "kernel[0] = 9"),
        (pool, "--kernel-size 2 --padding 2", "padding[0][0] = 2"),
        (pool, "--kernel-size 2 --pad-value inf", "pad_value"),
        (pool, "--kernel-size 2 --pad-value 1e99", "pad_value"),
        (pool, "--kernel-size 2 --ceil-mode perhaps", "ceil_mode"),
        (pool, "--kernel-size 2 --indices y.npy", "it is the output's file"),
        ("avg-pool2d --input x.npy", "--kernel-size 2 --divisor-override 0", "divisor_override = 0"),
        ("avg-pool2d --input x.npy", "--kernel-size 2 --divisor-override -3", "divisor_override = -3"),
        ("lp-pool2d --input x.npy", "--kernel-size 2 --p 0", "p = 0"),
        ("lp-pool2d --input x.npy", "--kernel-size 2 --p -2", "p = -2"),
        ("depth-to-space --input x.npy", "", "block_size = nothing"),
        ("depth-to-space --input x.npy", "--block-size 0", "block = 0"),
        ("depth-to-space --input x.npy", "--block-size 4294967296", "block"),
        ("space-to-depth --input x.npy", "--block-size 4", "input[0] = 5"),
        ("col2im1d --input bias3.npy", "--kernel-size 2 --output-size 4", "input shape = [3]"),
        ("im2col --input x.npy", "--kernel-size 9", "kernel[0] = 9"),
        ("col2im --input x.npy", "--kernel-size 2 --output-size 4", "input shape"),
    ];
    for (start, rest, words) in arguments {
        sandbox.run(&format!("{start} {rest} --output y.npy")).refused(2, words);
    }
    for (output, words) in [
        ("y.bmp", "it must end in"),
        ("y", "it must end in"),
        ("no/such/folder/y.npy", "cannot write"),
        ("x.npy/y.npy", "cannot write"),
        ("y.png", "a picture has 1, 3 or 4 channels"),
    ] {
        sandbox.run(&format!("{conv} --output {output} --device reference")).refused(2, words);
    }
    assert_eq!(sandbox.files("."), ["bias3.npy", "w.npy", "x.npy"]);
}

#[test]
fn hostile_cases_are_refused_by_name() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "c", &[0.0; 2]);
    sandbox.ramp("c/offset.npy", &[1, 8, 1, 2]);
    let inputs = json!({"input": "input.npy", "weight": "weight.npy"});
    let with = |attrs: Value| json!({"op": "conv2d", "attrs": attrs, "inputs": inputs, "outputs": {"output": "o.npy"}});
    let documents = [
        ("", "EOF"),
        ("null", "null"),
        ("[]", "expected"),
        ("{", "EOF"),
        ("{\"op\": NaN}", "expected"),
        ("{\"op\": 3, \"inputs\": {}}", "expected a string"),
        ("{\"op\": \"conv2d\"}", "missing field `inputs`"),
        ("{\"op\": \"conv2d\", \"inputs\": [], \"attrs\": {}}", "expected"),
        ("{\"op\": \"conv2d\", \"inputs\": {\"input\": 1}}", "expected a string"),
        ("{\"op\": \"conv2d\", \"inputs\": {}, \"attrs\": {\"stride\": Infinity}}", "expected"),
        ("{\"op\": \"conv2d\", \"inputs\": {}, \"op\": \"conv2d\"}", "\"op\" is there twice"),
    ];
    for (text, words) in documents {
        sandbox.bytes("c/case.json", text.as_bytes());
        sandbox.run("run c --out out").refused(2, words);
    }
    let deep = format!("{{\"op\": \"conv2d\", \"inputs\": {{}}, \"attrs\": {{\"stride\": {}", "[".repeat(100_000));
    sandbox.bytes("c/case.json", deep.as_bytes());
    sandbox.run("run c --out out").refused(2, "recursion limit");
    sandbox.bytes("c/case.json", b"\xff\xfe{}");
    sandbox.run("run c --out out").refused(2, "case.json");

    let cases = [
        (with(json!({"stride": [0, 1]})), "stride[0] = 0"),
        (with(json!({"stride": [-1, 1]})), "stride[0] = -1"),
        (with(json!({"stride": [1]})), "stride = 1 entries"),
        (with(json!({"stride": []})), "stride = 0 entries"),
        (with(json!({"stride": [1.5, 1]})), "stride[0] = 1.5"),
        (with(json!({"stride": "2"})), "stride = \"2\""),
        (with(json!({"stride": {"h": 1}})), "stride"),
        (with(json!({"stride": [[1, 1], [1, 1]]})), "stride[0]"),
        (with(json!({"stride": true})), "stride = true"),
        (with(json!({"padding": [[-1, -1], [0, 0]]})), "padding[0][0] = -1"),
        (with(json!({"padding": [[1, 1, 1], [0, 0]]})), "padding[0]"),
        (with(json!({"padding": [[1, 1]]})), "padding = 1 entries"),
        (with(json!({"padding": [[4_000_000_000_u32, 0], [0, 0]]})), "padding[0][0] = 4000000000"),
        (with(json!({"dilation": [1, u64::MAX]})), "dilation[1]"),
        (with(json!({"groups": 0})), "groups = 0"),
        (with(json!({"groups": -2})), "groups = -2"),
        (with(json!({"groups": 2})), "groups = 2"),
        (with(json!({"auto_pad": "SAME_UPPER"})), "auto_pad"),
        (with(json!({"kernel_size": [2, 2]})), "conv2d has no such attribute"),
        (with(json!({"output_padding": [1, 0]})), "conv2d has no such attribute"),
        (with(json!({"activation": 3})), "activation = 3"),
        (with(json!({"activation": {"leaky_relu": {"slope": "x"}}})), "slope"),
        (json!({"op": "conv4d", "attrs": {}, "inputs": inputs}), "op = \"conv4d\""),
        (json!({"op": "", "attrs": {}, "inputs": inputs}), "op = \"\""),
        (json!({"op": "conv2d", "attrs": {}, "inputs": {"input": "input.npy"}}), "weight = nothing"),
        (json!({"op": "conv2d", "attrs": {}, "inputs": {}}), "input = nothing"),
        (
            json!({"op": "conv2d", "inputs": {"input": "input.npy", "weight": "weight.npy", "offset": "offset.npy"}}),
            "conv2d has no such tensor",
        ),
        (
            json!({"op": "conv2d", "inputs": {"input": "input.npy", "weight": "weight.npy", "scale": "offset.npy"}}),
            "inputs = \"scale\"",
        ),
        (json!({"op": "conv2d", "inputs": {"input": "input.npy", "weight": "absent.npy"}}), "cannot be read"),
        (json!({"op": "conv2d", "inputs": {"input": "input.npy", "weight": ".."}}), "it is a folder"),
        (json!({"op": "conv2d", "inputs": {"input": "input.npy", "weight": "case.json"}}), "it is not a .npy file"),
        (json!({"op": "conv2d", "inputs": inputs, "outputs": {"../../y": "o.npy"}}), "outputs = \"../../y\""),
        (json!({"op": "conv2d", "inputs": inputs, "outputs": {"indices": "o.npy"}}), "outputs = \"indices\""),
        (json!({"op": "deform_conv2d", "inputs": {"input": "input.npy", "weight": "weight.npy"}}), "offset = nothing"),
        (
            json!({"op": "deform_conv2d", "attrs": {"offset_groups": 2},
                "inputs": {"input": "input.npy", "weight": "weight.npy", "offset": "offset.npy"}}),
            "offset_groups = 2",
        ),
        (
            json!({"op": "spatial_separable_conv2d", "attrs": {"groups": 2},
                "inputs": {"input": "input.npy", "weight_v": "weight.npy", "weight_h": "weight.npy"}}),
            "groups = 2",
        ),
        (json!({"op": "max_pool2d", "attrs": {}, "inputs": {"input": "input.npy"}}), "kernel_size = nothing"),
        (
            json!({"op": "max_pool2d", "attrs": {"kernel_size": [2, 2], "ceil_mode": 2},
                "inputs": {"input": "input.npy"}}),
            "ceil_mode = 2",
        ),
        (json!({"op": "depth_to_space", "attrs": {"block_size": -1}, "inputs": {"input": "input.npy"}}), "block_size"),
        (
            json!({"op": "depth_to_space", "attrs": {"block_size": 1, "mode": "ABC"},
                "inputs": {"input": "input.npy"}}),
            "mode = \"ABC\"",
        ),
        (
            json!({"op": "col2im2d", "attrs": {"kernel_size": [0, 1], "output_size": [2, 2]},
                "inputs": {"input": "input.npy"}}),
            "input shape",
        ),
        (
            json!({"op": "col2im1d", "attrs": {"kernel_size": 0, "output_size": 2}, "inputs": {"input": "flat.npy"}}),
            "kernel[0] = 0",
        ),
    ];
    sandbox.ramp("c/flat.npy", &[1, 2, 3]);
    for (case, words) in cases {
        sandbox.case("c", &case);
        sandbox.run("run c --out out").refused(2, words);
        sandbox.run("check c --device reference").expect(1);
    }
    sandbox.run("run c/input.npy --out out").refused(2, "cannot be read");
    sandbox.run("run absent --out out").refused(2, "cannot be read");
    assert!(!sandbox.exists("out"));
    small_case(&sandbox, "c", &[0.0; 2]);
    sandbox.run("run c --out c/input.npy --device reference").refused(2, "cannot make the folder");
}

#[test]
fn data_that_is_no_number_goes_through() {
    let sandbox = Sandbox::new();
    let poison = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    sandbox.npy("x.npy", &[1, 1, 3, 3], &poison);
    sandbox.npy("w.npy", &[1, 1, 2, 2], &[1.0; 4]);
    sandbox.npy("offset.npy", &[1, 8, 2, 2], &[f32::NAN; 32]);
    for device in ["auto", "reference"] {
        sandbox.ok(&format!("conv2d --input x.npy --weight w.npy --output y.npy --device {device}"));
        let (_, values) = sandbox.read("y.npy");
        assert!(values[0].is_nan() && values[3] == 12.0, "{device}: {values:?}");
        let line = "deform-conv2d --input w.npy --weight w.npy --offset offset.npy --padding 0:1,0:1 --output y.npy";
        sandbox.ok(&format!("{line} --device {device}"));
        assert_eq!(sandbox.read("y.npy").1, [0.0; 4], "{device}");
        sandbox.ok(&format!("max-pool2d --input x.npy --kernel-size 3 --output y.png --normalize --device {device}"));
    }
}

#[test]
fn a_refusal_leaves_what_was_there() {
    let sandbox = Sandbox::new();
    sandbox.ramp("x.npy", &[1, 1, 4, 4]);
    sandbox.bytes("y.npy", b"precious");
    sandbox.run("max-pool2d --input x.npy --kernel-size 9 --output y.npy").expect(2);
    // The second file cannot be written, so the first is not either.
    let line = "max-pool2d --input x.npy --kernel-size 2 --output y.npy --indices no/i.npy --device reference";
    sandbox.run(line).refused(2, "cannot write no/i.npy");
    assert_eq!(fs::read(sandbox.path("y.npy")).unwrap(), b"precious");
    assert_eq!(sandbox.files("."), ["x.npy", "y.npy"]);
    sandbox.ok("max-pool2d --input x.npy --kernel-size 2 --output y.npy --device reference");
    assert_eq!(sandbox.read("y.npy").0, [1, 1, 2, 2]);
    assert_eq!(sandbox.files("."), ["x.npy", "y.npy"]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_devices_are_not_replaced() {
    let sandbox = Sandbox::new();
    sandbox.ramp("x.npy", &[1, 1, 4, 4]);
    sandbox.bytes("real/y.npy", b"old");
    std::os::unix::fs::symlink(sandbox.path("real/y.npy"), sandbox.path("link.npy")).unwrap();
    std::os::unix::fs::symlink("/dev/null", sandbox.path("null.npy")).unwrap();
    for output in ["link.npy", "null.npy"] {
        sandbox.ok(&format!("max-pool2d --input x.npy --kernel-size 2 --output {output} --device reference"));
        assert!(fs::symlink_metadata(sandbox.path(output)).unwrap().is_symlink(), "{output}");
    }
    assert_eq!(sandbox.read("real/y.npy").0, [1, 1, 2, 2]);
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn nothing_is_not_a_name() {
    let sandbox = Sandbox::new();
    sandbox.ramp("x.npy", &[1, 1, 4, 4]);
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    let pool = ["max-pool2d", "--input", "x.npy", "--kernel-size", "2", "--output", "y.npy"];
    let lines: [&[&str]; 18] = [
        &[&pool[..], &["--device", ""]].concat(),
        &[&pool[..], &["--device", " "]].concat(),
        &[&pool[..], &["--algorithm", ""]].concat(),
        &["max-pool2d", "--input", "", "--kernel-size", "2", "--output", "y.npy"],
        &["max-pool2d", "--input", "x.npy", "--kernel-size", "2", "--output", ""],
        &["conv2d", "--input", "x.npy", "--filter", "", "--output", "y.npy"],
        &["run", "", "--out", "out"],
        &["run", "c", "--out", ""],
        &["check", "c", "--op", ""],
        &["check", "c", "--filter", ""],
        &["check", "c", "--device", ""],
        &["bench", "--layer", "", "--list"],
        &["bench", "--suite", "", "--list"],
        &["bench", "--operation", "", "--list"],
        &["bench", "--label", "", "--list"],
        &["experiments", "--only", ""],
        &["explain", "--layer", "resnet50/conv1", "--device", ""],
        &["export", "--layer", "resnet50/conv1", "--device", "", "--out", "e"],
    ];
    for line in lines {
        let output = sandbox.command(line).output().unwrap();
        Ran::new(&line.join(" "), &output).refused(2, "");
    }
    assert_eq!(sandbox.files("."), ["c", "x.npy"]);
}

/// Names that are no text: of files, folders, and in the place of anything else.
#[cfg(target_os = "linux")]
#[test]
fn names_need_not_be_text() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    let odd = |end: &str| OsStr::from_bytes(&[b"x\xff", end.as_bytes()].concat()).to_os_string();
    sandbox.ramp("x.npy", &[1, 1, 4, 4]);
    fs::rename(sandbox.path("x.npy"), sandbox.path("").join(odd(".npy"))).unwrap();
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    fs::rename(sandbox.path("c"), sandbox.path("").join(odd("c"))).unwrap();
    let run = |words: &[OsString]| {
        let output = sandbox.command(&[]).args(words).output().unwrap();
        Ran::new(&format!("{words:?}"), &output)
    };
    let words = |line: &str| -> Vec<OsString> {
        let word = |word: &str| word.strip_prefix('@').map_or_else(|| word.into(), odd);
        line.split_whitespace().map(word).collect()
    };
    for json in ["", " --json"] {
        for line in [
            "max-pool2d --input @.npy --kernel-size 2 --device reference --output @y.npy --indices @i.npy",
            "run @c --out @out --device reference",
            "check @c --device reference",
            "deform field --image @.npy --picture @p.svg",
            "deform gradcheck @c --device reference --elements 1 --plot @g.svg",
            "explain --case @c",
            "export --case @c --languages wgsl --out @e --replace",
        ] {
            let ran = run(&words(&format!("{line}{json}")));
            ran.expect(0);
            if !json.is_empty() {
                assert!(ran.json().is_object(), "{line}");
            }
        }
    }
    let told = run(&words("run @c --out @out --device reference --json")).json();
    assert_eq!(told["outputs"][0]["file"], "x\u{fffd}out/output.npy");
    for line in [
        "@command",
        "conv2d --filter @f",
        "conv2d --@option 1",
        "bench --suite @s.json",
        "explain @op",
        "run @absent --out o",
    ] {
        run(&words(line)).refused(2, "");
    }
}
