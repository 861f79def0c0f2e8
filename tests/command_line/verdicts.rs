//! What counts as right, what a file may say, and what ends without a verdict.

use serde_json::{Value, json};

use crate::support::{Sandbox, small_case};

const INF: f32 = f32::INFINITY;
const NAN: f32 = f32::NAN;

/// A max pool whose windows are single elements: the output is the input.
fn copy_case(sandbox: &Sandbox, name: &str, input: &[f32], want: &[f32], tolerance: &Value) {
    sandbox.npy(&format!("{name}/input.npy"), &[1, 1, 1, input.len()], input);
    sandbox.npy(&format!("{name}/want.npy"), &[1, 1, 1, want.len()], want);
    sandbox.case(
        name,
        &json!({
            "op": "max_pool2d", "attrs": {"kernel_size": 1}, "inputs": {"input": "input.npy"},
            "outputs": {"output": "want.npy"}, "tolerance": {"output": tolerance},
        }),
    );
}

#[test]
fn equal_infinities_are_equal_and_nothing_else_is() {
    let sandbox = Sandbox::new();
    let exact = json!({"exact": true});
    let loose = json!({"atol": 1e30, "rtol": 0.5, "atol_typical": 1e29});
    for (tolerance, storage) in [(&exact, "f32"), (&loose, "f32"), (&json!({}), "f32"), (&exact, "f16")] {
        for (got, want, same) in [
            (INF, INF, true),
            (-INF, -INF, true),
            (NAN, NAN, true),
            (-0.0, 0.0, true),
            (INF, -INF, false),
            (1.0, INF, false),
            (INF, 1.0, false),
            (NAN, 1.0, false),
            (1.0, NAN, false),
            (NAN, INF, false),
            (INF, NAN, false),
        ] {
            copy_case(&sandbox, "c", &[2.0, got], &[2.0, want], tolerance);
            for device in ["reference", "auto"] {
                let ran = sandbox.run(&format!("check c --device {device} --storage {storage} --json"));
                // With f16 the numbers are those of the reference on what the inputs become.
                let code = if same || storage == "f16" { 0 } else { 1 };
                ran.expect(code);
                assert_eq!(ran.json()["all"]["pass"] == 0, code == 1, "{got} for {want}");
            }
        }
    }
    // Another shape is another result.
    copy_case(&sandbox, "c", &[INF, INF], &[INF], &loose);
    let ran = sandbox.run("check c --device reference");
    ran.expect(1);
    assert!(ran.stdout.contains("output has shape [1, 1, 1, 2]: the case expects [1, 1, 1, 1]"), "{}", ran.stdout);
}

#[test]
fn sums_that_overflow_are_right_where_the_reference_overflows() {
    let sandbox = Sandbox::new();
    sandbox.npy("c/input.npy", &[1, 1, 1, 2], &[3e38, -INF]);
    sandbox.npy("c/weight.npy", &[1, 1, 1, 1], &[2.0]);
    sandbox.bytes(
        "c/o.npy",
        &crate::support::npy("<f8", &[1, 1, 1, 2], &[6e38_f64, f64::NEG_INFINITY].map(f64::to_le_bytes).concat()),
    );
    sandbox.case(
        "c",
        &json!({
            "op": "conv2d", "attrs": {}, "inputs": {"input": "input.npy", "weight": "weight.npy"},
            "outputs": {"output": "o.npy"}, "tolerance": {"output": {"atol": 1e30}},
        }),
    );
    sandbox.ok("check c --device reference");
    sandbox.ok("check c --algorithm direct");
    sandbox.ok("diff c --device auto --algorithm direct");
}

#[test]
fn unknown_fields_of_a_case_come_with_the_right_name() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    let good = json!({
        "format": 1, "id": "c", "op": "conv2d", "attrs": {"stride": [1, 1]}, "tags": ["a"], "notes": "n",
        "source": {"suite": "s"}, "aux": {"grad_offset_smooth": "s.npy"}, "arrays": {"input": {"shape": [1]}},
        "inputs": {"input": "input.npy", "weight": "weight.npy"}, "outputs": {"output": "output.npy"},
        "tolerance": {"output": {
            "exact": false, "atol": 1e-6, "rtol": 0.0, "atol_typical": 1e-7, "K": 4, "max_sum_abs": 9.5,
            "torch_f32_err": 0.0, "allowance": 1e-9,
        }},
    });
    sandbox.case("c", &good);
    sandbox.ok("check c --device reference");
    let renamed = |from: &[&str], to: &str| {
        let mut case = good.clone();
        let (last, path) = from.split_last().unwrap();
        let object = path.iter().fold(&mut case, |value, name| &mut value[*name]).as_object_mut().unwrap();
        let value = object.remove(*last).unwrap();
        object.insert(to.into(), value);
        case
    };
    for (from, to, words) in [
        (&["attrs"][..], "attributes", "did you mean attrs?"),
        (&["attrs"], "Attrs", "did you mean attrs?"),
        (&["tolerance"], "tolerances", "did you mean tolerance?"),
        (&["outputs"], "output", "did you mean outputs?"),
        (&["format"], "fromat", "did you mean format?"),
        (&["tags"], "colour", "unknown field `colour`, expected one of `format`"),
        (
            &["tolerance", "output"],
            "ouptut",
            "tolerance.ouptut: the case has no such output; there are output; did you mean output?",
        ),
        (&["tolerance", "output"], "grad_input", "tolerance.grad_input: the case has no such output"),
        (&["tolerance", "output", "atol"], "a_tol", "did you mean atol?"),
        (&["tolerance", "output", "rtol"], "rol", "did you mean rtol?"),
        (&["tolerance", "output", "allowance"], "allowances", "did you mean allowance?"),
        (&["attrs", "stride"], "strides", "strides = [1,1]: no operation has such an attribute; did you mean stride?"),
        (&["attrs", "stride"], "pads", "did you mean padding?"),
        (&["inputs", "weight"], "wieght", "inputs = \"wieght\": conv2d has no such tensor; did you mean weight?"),
        (&["outputs", "output"], "result", "outputs = \"result\": conv2d has no such output"),
    ] {
        let mut case = renamed(from, to);
        if from == ["outputs", "output"] || from == ["outputs"] {
            case.as_object_mut().unwrap().remove("tolerance");
        }
        sandbox.case("c", &case);
        sandbox.run("run c --out out --device reference").refused(2, words);
        sandbox.run("check c --device reference").expect(1);
    }
    for (field, value, words) in [
        ("op", json!("conv2"), "did you mean conv2d?"),
        ("op", json!("maxpool2d"), "did you mean max_pool2d?"),
        ("expect", json!("eror"), "expect: unknown variant `eror`, expected `error`"),
        ("outputs", json!({"grad_inputs": "g.npy"}), "did you mean grad_input?"),
        ("tolerance", json!({"output": {"atol": "1e-6"}}), "tolerance.output.atol: invalid type: string"),
        (
            "tolerance",
            json!({"output": {"atol": -1.0}}),
            "tolerance.output.atol = -1: it must be finite and not negative",
        ),
        ("tolerance", json!({"output": {"rtol": -1e-9}}), "tolerance.output.rtol = -0.000000001: it must be finite"),
        ("tolerance", json!({"output": {"atol_typical": -2}}), "tolerance.output.atol_typical = -2: it must be finite"),
        ("format", json!("1"), "format: invalid type: string"),
    ] {
        let mut case = good.clone();
        if field == "outputs" {
            case.as_object_mut().unwrap().remove("tolerance");
        }
        case[field] = value;
        sandbox.case("c", &case);
        sandbox.run("run c --out out --device reference").refused(2, words);
    }
    // Numbers that JSON cannot hold.
    for (number, words) in [("1e400", "number out of range"), ("NaN", "expected"), ("-Infinity", "")] {
        let text = good.to_string().replace("1e-6", number);
        sandbox.bytes("c/case.json", text.as_bytes());
        sandbox.run("run c --out out").refused(2, words);
    }
    // Another format may have other fields.
    sandbox.bytes("c/case.json", b"{\"format\": 2, \"operation\": \"conv2d\"}");
    sandbox.run("run c --out out").refused(3, "format = 2 is not supported: this library reads format 1");
    assert!(!sandbox.exists("out"));
}

#[test]
fn no_name_is_there_twice() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    let start = r#"{"op": "conv2d", "inputs": {"input": "input.npy", "weight": "weight.npy"}"#;
    for (rest, words) in [
        (r#", "op": "conv2d"}"#, "\"op\" is there twice"),
        (r#", "attrs": {"stride": 1, "stride": 2}}"#, "attrs: \"stride\" is there twice"),
        (r#", "outputs": {"output": "a", "output": "b"}}"#, "outputs: \"output\" is there twice"),
        (r#", "tolerance": {"output": {}, "output": {}}}"#, "tolerance: \"output\" is there twice"),
        (r#", "notes": {"a": [{"b": 1, "b": 2}]}}"#, "notes.a[0]: \"b\" is there twice"),
    ] {
        sandbox.bytes("c/case.json", format!("{start}{rest}").as_bytes());
        sandbox.run("run c --out out").refused(2, words);
    }
    let layer = json!({"name": "x", "op": "depth_to_space", "input": [1, 4, 2, 2], "attrs": {"block_size": 2}});
    sandbox.bytes("twice.json", json!({"name": "s", "source": "", "layers": [layer, layer]}).to_string().as_bytes());
    sandbox.bytes("once.json", json!({"name": "s", "source": "", "layers": [layer]}).to_string().as_bytes());
    for line in
        ["bench --suite twice.json", "tune --cache t.jsonl --suite twice.json", "export --all twice.json --out e"]
    {
        sandbox.run(line).refused(2, "twice.json: layers[1].name = \"x\": another layer has this name");
    }
    for line in ["bench --suite once.json,once.json", "tune --cache t.jsonl --suite once.json,once.json"] {
        sandbox.run(line).refused(2, "\"s\" is there twice");
    }
    sandbox.run("bench --suite resnet50,all").refused(2, "--suite = resnet50,all: \"resnet50\" is there twice");
    for line in [
        "bench --suite once.json --pass forward,forward",
        "tune --cache t.jsonl --suite once.json --pass forward,forward",
        "diff --device reference --layer conv1d --pass forward,forward",
        "export --all once.json --out e --pass forward,forward",
        "export max-pool2d --input-shape 1,1,4,4 --kernel-size 2 --out e --pass forward,forward",
    ] {
        sandbox.run(line).refused(2, "--pass = forward,forward: forward is there twice");
    }
    let line = "deform gradcheck c --device reference --tensor input --tensor input";
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    sandbox.run(line).refused(2, "--tensor = input: it is there twice");
    assert!(!sandbox.exists("e") && !sandbox.exists("t.jsonl") && !sandbox.exists("out"));
}

#[test]
fn misspelt_fields_of_other_files_come_with_the_right_name() {
    let sandbox = Sandbox::new();
    let layer = json!({"name": "x", "op": "conv2d", "input": [1, 1, 4, 4], "weight": [1, 1, 3, 3]});
    let problem = json!({
        "op": "pool", "mode": {"max": {"pad_value": null, "indices": true}}, "batch": 1, "channels": 4,
        "input": [16, 16], "kernel": [3, 3], "stride": [2, 2], "padding": [[1, 1], [1, 1]], "dilation": [1, 1],
        "ceil_mode": false,
    });
    let suite = |layer: Value| json!({"name": "s", "source": "", "layers": [layer]});
    let with = |object: &Value, name: &str, value: Value| {
        let mut object = object.clone();
        object[name] = value;
        object
    };
    for (suite, words) in [
        (with(&suite(layer.clone()), "sources", json!("")), "did you mean source?"),
        (suite(with(&layer, "atrs", json!({}))), "did you mean attrs?"),
        (suite(with(&layer, "op", json!("conv2"))), "did you mean conv2d?"),
        (suite(with(&layer, "with", json!(["bais"]))), "did you mean bias?"),
        (suite(with(&layer, "attrs", json!({"dilations": 2}))), "did you mean dilation?"),
        (suite(json!({"name": "x", "problem": with(&problem, "ceil", json!(true))})), "did you mean ceil_mode?"),
        (
            suite(json!({"name": "x", "problem": with(&problem, "mode", json!({"max": {"indexes": true}}))})),
            "did you mean indices?",
        ),
        (suite(json!({"name": "x", "problem": with(&problem, "op", json!("pol"))})), "did you mean pool?"),
    ] {
        sandbox.bytes("s.json", suite.to_string().as_bytes());
        sandbox.run("bench --suite s.json").refused(2, words);
    }
    sandbox.run("bench --suite resnet5").refused(2, "did you mean resnet50?");
    sandbox.run("bench --operation conv2dd").refused(2, "did you mean conv2d?");
    sandbox.run("explain conv2 --input-shape 1,1,4,4").refused(2, "did you mean conv2d?");
    let misspelt = with(&problem, "paddings", json!([]));
    for given in [misspelt.to_string(), "p.json".to_string()] {
        sandbox.bytes("p.json", misspelt.to_string().as_bytes());
        let output = sandbox.command(&["explain", "--device", "gpu", "--problem", &given]).output().unwrap();
        crate::support::Ran::new("explain --problem", &output).refused(2, "did you mean padding?");
    }
    let experiment = json!({"name": "x", "question": "?", "layer": "resnet50/res3_3x3", "a": {}, "b": {}});
    for (experiment, words) in [
        (with(&experiment, "passes", json!("forward")), "there is no such field; there are name, question"),
        (with(&experiment, "passes", json!("forward")), "did you mean pass?"),
        (with(&experiment, "b", json!({"algoritm": "direct"})), "did you mean algorithm?"),
    ] {
        sandbox.bytes("e.json", json!({"experiments": [experiment]}).to_string().as_bytes());
        sandbox.run("experiments e.json").refused(2, words);
    }
    let line = "export max-pool2d --input-shape 1,1,4,4 --kernel-size 2 --out e --capabilities";
    let capabilities = r#"{"max_workgroup_byte": 4}"#;
    sandbox.bytes("caps.json", capabilities.as_bytes());
    sandbox.run(&format!("{line} caps.json")).refused(2, "did you mean max_workgroup_bytes?");
    assert!(!sandbox.exists("e"));
}

#[test]
fn byte_order_marks_are_skipped_and_other_encodings_named() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "c", &[-4.0, -4.0]);
    let case = std::fs::read_to_string(sandbox.path("c/case.json")).unwrap();
    let suite = json!({"name": "s", "source": "", "layers": [
        {"name": "x", "op": "depth_to_space", "input": [1, 4, 2, 2], "attrs": {"block_size": 2}},
    ]})
    .to_string();
    let problem = sandbox.ok("explain --layer resnet50/conv1 --device gpu --json").json()["problem"].to_string();
    let experiments = json!({"experiments": [
        {"name": "x", "question": "?", "layer": "resnet50/res3_3x3", "a": {}, "b": {}},
    ]})
    .to_string();
    let record = {
        sandbox.ok("diff --device reference --layer conv1d --out d.json");
        std::fs::read_to_string(sandbox.path("d.json")).unwrap()
    };
    for (file, text, line) in [
        ("c/case.json", &case, "check c --device reference"),
        ("s.json", &suite, "bench --suite s.json --list"),
        ("p.json", &problem, "explain --device gpu --problem p.json"),
        ("e.json", &experiments, "experiments e.json --only nothing"),
        ("d.json", &record, "report d.json"),
        ("d.json", &record, "diff --device reference --layer conv1d --with d.json"),
        (
            "caps.json",
            &"{\"max_workgroup_bytes\": 16384}".to_string(),
            "export max-pool2d --input-shape 1,1,4,4 --kernel-size 2 --out out --replace --capabilities caps.json",
        ),
    ] {
        let code = if file == "e.json" { 2 } else { 0 };
        sandbox.bytes(file, [&b"\xef\xbb\xbf"[..], text.as_bytes()].concat().as_slice());
        let ran = sandbox.run(line);
        ran.expect(code);
        assert!(code == 0 || ran.stderr.contains("--only = nothing"), "{}", ran.stderr);
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [[&b"\xff\xfe"[..], &wide[..]].concat(), wide] {
            sandbox.bytes(file, &bytes);
            let ran = sandbox.run(line);
            assert!(matches!(ran.code, Some(1 | 2)), "{line}: {:?}", ran.code);
            assert!(format!("{}{}", ran.stdout, ran.stderr).contains("it is UTF-16"), "{line}: {}", ran.stderr);
        }
        sandbox.bytes(file, text.as_bytes());
    }
}

#[test]
fn what_verifies_nothing_is_no_success() {
    let sandbox = Sandbox::new();
    small_case(&sandbox, "cases/good", &[-4.0, -4.0]);
    for (name, op) in [("a", "conv_integer2d"), ("b", "qlinear_conv2d"), ("d", "conv_integer2d")] {
        sandbox.case(&format!("cases/{name}"), &json!({"op": op, "attrs": {}, "inputs": {}}));
    }
    // Some were compared: the others are counted by reason.
    let ran = sandbox.ok("check cases --device reference --out r.json");
    let counted = |op: &str, count: usize| format!("unsupported {count}: op = \"{op}\" is not supported");
    for reason in [counted("conv_integer2d", 2), counted("qlinear_conv2d", 1)] {
        assert!(ran.stdout.contains(&reason), "{}", ran.stdout);
    }
    let report = sandbox.ok("check cases --device reference --json").json();
    let reasons = report["all"]["unsupported_reasons"].as_object().unwrap();
    assert_eq!(reasons.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), 3, "{reasons:?}");
    let record: Value = serde_json::from_slice(&std::fs::read(sandbox.path("r.json")).unwrap()).unwrap();
    assert_eq!(record["all"]["unsupported_reasons"], report["all"]["unsupported_reasons"]);
    // None was.
    for (line, words) in [
        ("check cases --device reference --op conv_integer2d", "nothing was compared: op = \"conv_integer2d\""),
        ("check cases --device reference --filter b", "nothing was compared: op = \"qlinear_conv2d\""),
        (
            "check cases/good --algorithm phases",
            "nothing was compared: algorithm = phases: conv2d has no such algorithm",
        ),
        ("diff cases/a cases/b --device reference", "op = \"conv_integer2d\" is not supported"),
        ("diff cases/good --device auto --algorithm phases", "nothing was compared"),
        ("diff --device auto --layer conv2d_3x3 --pass forward --algorithm sorted-gather", "nothing was compared"),
    ] {
        let ran = sandbox.run(line);
        ran.expect(3);
        assert!(ran.stderr.contains(words), "{line}: {}", ran.stderr);
    }
    sandbox.run("check cases --device reference --filter nothing").refused(2, "no case matches");
    // Two files without a problem in common.
    sandbox.ok("diff --device reference --layer conv1d --out a.json");
    sandbox.ok("diff --device reference --layer conv3d --out b.json");
    let ran = sandbox.run("report a.json b.json");
    ran.expect(3);
    assert!(ran.stderr.contains("nothing was compared"), "{}", ran.stderr);
    // No row, no time.
    let quick = "--rounds 1 --samples 1 --sample-ms 1 --rotate 0 --no-limits";
    sandbox
        .run(&format!("bench --suite vgg16 --pass grad_offset {quick}"))
        .refused(2, "--pass = grad_offset: no layer");
    let tune = "tune --suite vgg16 --pass grad_offset --cache t.jsonl";
    sandbox.run(tune).refused(2, "--pass = grad_offset: no layer here has it");
    let variant = json!({"algorithm": "cooperative-gemm-f16", "accuracy": "half"});
    let list = json!({"experiments": [
        {"name": "x", "question": "?", "layer": "resnet50/res5_3x3", "a": variant, "b": variant},
    ]});
    sandbox.bytes("e.json", list.to_string().as_bytes());
    let ran = sandbox.run("experiments e.json --tiny");
    if !ran.stdout.contains("undecided") {
        ran.expect(3);
        assert!(ran.stderr.contains("cooperative-gemm-f16"), "{}", ran.stderr);
    }
}

#[test]
fn gradients_of_large_values_are_judged_by_steps_that_they_take() {
    let sandbox = Sandbox::new();
    sandbox.case("c", &json!({"op": "conv2d", "inputs": {"input": "input.npy", "weight": "weight.npy"}}));
    let check = |input: &[f32; 4], weight: &[f32; 2]| {
        sandbox.npy("c/input.npy", &[1, 1, 2, 2], input);
        sandbox.npy("c/weight.npy", &[1, 1, 1, 2], weight);
        let ran = sandbox.run("deform gradcheck c --device reference --json");
        let verdicts: Vec<String> = match ran.stdout.is_empty() {
            true => Vec::new(),
            false => {
                let elements = ran.json()["elements"].as_array().unwrap().clone();
                elements.iter().map(|element| element["verdict"].as_str().unwrap().to_string()).collect()
            }
        };
        (ran.code, verdicts, ran.stderr)
    };
    for scale in [1e-30, 1e-3, 1.0, 300.0, 1e5, 1e7, 3e9, 1e20, 1e30] {
        let (code, verdicts, _) = check(&[1.1, -2.3, 3.0, -0.7].map(|x: f32| x * scale), &[0.5, -2.0]);
        assert_eq!((code, &verdicts[..]), (Some(0), &["agrees"; 6].map(String::from)[..]), "{scale}");
    }
    for (input, code, of_input) in [
        // Beside it the others vanish in the sum of the outputs.
        ([f32::MAX, 1.0, 2.0, 3.0], Some(0), ["agrees", "undecidable", "undecidable", "undecidable"]),
        ([INF, 1.0, 2.0, 3.0], Some(0), ["undecidable", "undecidable", "agrees", "agrees"]),
        ([1.0, 2.0, NAN, 3.0], Some(0), ["agrees", "agrees", "undecidable", "undecidable"]),
        ([NAN; 4], Some(3), ["undecidable"; 4]),
    ] {
        let (got, verdicts, stderr) = check(&input, &[0.5, -2.0]);
        assert_eq!((got, &verdicts[..4]), (code, &of_input.map(String::from)[..]), "{input:?}");
        assert_eq!(stderr.contains("nothing could be decided"), code == Some(3), "{stderr}");
    }
    let table = sandbox.run("deform gradcheck c --device reference");
    table.expect(3);
    assert!(table.stdout.contains("undecidable"), "{}", table.stdout);
}

#[test]
fn windows_larger_than_the_input_are_those_of_pytorch() {
    let sandbox = Sandbox::new();
    sandbox.npy("x.npy", &[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
    for device in ["reference", "auto"] {
        for (line, want) in [
            ("max-pool2d --kernel-size 3 --stride 2", 4.0),
            ("avg-pool2d --kernel-size 3 --stride 2", 2.5),
            ("avg-pool2d --kernel-size 3 --stride 2 --count-include-pad false", 2.5),
            ("avg-pool2d --kernel-size 3 --stride 2 --divisor-override 5", 2.0),
            ("lp-pool2d --kernel-size 3 --stride 2 --p 1", 10.0),
            ("max-pool2d --kernel-size 2147483647,1 --stride 2147483647,2", 3.0),
        ] {
            sandbox.ok(&format!("{line} --input x.npy --ceil-mode --output y.npy --device {device}"));
            assert_eq!(sandbox.read("y.npy"), (vec![1, 1, 1, 1], vec![want]), "{line} {device}");
        }
    }
    let line = "max-pool2d --input x.npy --output z.npy --ceil-mode --kernel-size 4 --stride 2";
    sandbox
        .run(line)
        .refused(2, "kernel[0] = 4: its dilated extent 4 may exceed the padded input extent 2 by less than");
    assert!(!sandbox.exists("z.npy"));
}

#[test]
fn errors_name_what_was_given() {
    let sandbox = Sandbox::new();
    sandbox.ramp("x181.npy", &[1, 1, 181]);
    sandbox.ramp("x22.npy", &[1, 1, 2, 2]);
    sandbox.ramp("w1.npy", &[1, 1, 3]);
    sandbox.ramp("w2.npy", &[1, 1, 3, 3]);
    let one = "--input x181.npy --weight w1.npy";
    let two = "--input x22.npy --weight w2.npy";
    for (line, words) in [
        (
            format!("conv1d {one} --padding 2147483647 --stride 3"),
            "padding[0] = [2147483647, 2147483647]: the padded extent 4294967475 must be below 2^31",
        ),
        (
            format!("conv1d {one} --dilation 2147483647"),
            "dilation[0] = 2147483647: the kernel's dilated extent 4294967295 must be below 2^31",
        ),
        (
            format!("conv-transpose1d {one} --stride 2147483647"),
            "stride[0] = 2147483647: the full output extent 386547056463 must be below 2^31",
        ),
        (
            format!("conv-transpose1d {one} --groups 4294967296"),
            "groups = 4294967296: c_out, 1 for each group, must be below 2^31",
        ),
        (
            format!("conv2d {two} --padding same --dilation 2 --padding-mode reflect"),
            "padding = same: it stands for [[2, 2], [2, 2]], where padding[0][0] = 2: reflect needs padding < extent = 2",
        ),
        (
            "im2col --input x22.npy --kernel-size 1 --padding 100000".into(),
            "input = [2, 2]: its [200002, 200002] windows must be fewer than 2^31",
        ),
    ] {
        sandbox.run(&format!("{line} --output y.npy")).refused(2, words);
    }
    let huge = "explain global-max-pool2d --device gpu --input-shape 1,1,65536,65536";
    sandbox.run(huge).refused(2, "input = [65536, 65536]: it must have fewer than 2^31 positions");
}
