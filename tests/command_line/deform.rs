//! `wgconv deform`.

use serde_json::json;

use crate::support::Sandbox;

/// A deformable layer with two taps over a 3 x 4 image, offsets of quarters, one of them an integer.
fn deform_case(sandbox: &Sandbox) {
    sandbox.ramp("c/input.npy", &[1, 1, 3, 4]);
    sandbox.npy("c/weight.npy", &[1, 1, 1, 2], &[2.0, -1.0]);
    let mut offsets: Vec<f32> = (0..4 * 9).map(|i| (i * 7 % 11) as f32 / 4.0 - 1.1).collect();
    (offsets[4], offsets[13]) = (0.0, 0.25);
    sandbox.npy("c/offset.npy", &[1, 4, 3, 3], &offsets);
    sandbox.case(
        "c",
        &json!({
            "op": "deform_conv2d", "attrs": {"stride": 1},
            "inputs": {"input": "input.npy", "weight": "weight.npy", "offset": "offset.npy"},
            "outputs": {"output": "o.npy"},
        }),
    );
}

#[test]
fn gradcheck_judges_every_tensor_and_finds_the_kink() {
    let sandbox = Sandbox::new();
    deform_case(&sandbox);
    for how in ["", "--device reference", "--algorithm atomic-scatter --tensor input", "--forward device"] {
        let ran = sandbox.run(&format!("deform gradcheck c --json --plot plots.svg {how}"));
        if how.contains("atomic") && ran.stderr.contains("the device has no SHADER_FLOAT32_ATOMIC") {
            continue;
        }
        ran.expect(0);
        let ran = ran.json();
        assert_eq!(ran["passed"], json!(true));
        let elements = ran["elements"].as_array().unwrap();
        let expected = if how.contains("--tensor") { 12 } else { 12 + 2 + 36 };
        assert_eq!(elements.len(), expected, "{how}");
        assert!(sandbox.exists("plots.svg"));
        let kinks: Vec<_> =
            elements.iter().filter(|e| e["verdict"] == json!("kink")).map(|e| e["index"].clone()).collect();
        if how.contains("reference") {
            assert_eq!(kinks, [json!(4)]);
        }
    }
    let table = sandbox.ok("deform gradcheck c --elements 5 --worst 1").stdout;
    assert!(table.contains("offset") && table.contains("sorted-gather"), "{table}");
}

#[test]
fn bad_laboratory_requests_leave_nothing() {
    let sandbox = Sandbox::new();
    deform_case(&sandbox);
    sandbox.run("deform gradcheck absent").refused(2, "absent");
    sandbox.run("deform gradcheck c --tensor mask").refused(2, "--tensor = mask");
    sandbox.run("deform gradcheck c --plot plot.jpg").refused(2, "--plot = plot.jpg");
    sandbox.run("deform gradcheck c --elements 0").refused(2, "elements = 0");
    sandbox.run("deform gradcheck c --halvings 99").refused(2, "most_halvings = 99");
    sandbox.run("deform gradcheck c --algorithm phases").refused(3, "phases");
    sandbox.run("deform train --out run --device reference").refused(2, "reference");
    sandbox.run("deform train --out run --steps 0").refused(2, "steps = 0");
    sandbox.run("deform train --out run --extent 7").refused(2, "extent = 7");
    sandbox.run("deform trace c").refused(2, "--at");
    sandbox.run("deform trace --at 0,0").refused(2, "--image");
    sandbox.run("deform trace absent --at 0,0").refused(2, "absent");
    sandbox.run("deform trace c --at 0 --picture p.svg").refused(2, "0 is not a row and a column");
    sandbox.run("deform trace c --at 3,0 --picture p.svg").refused(2, "position = [3, 0]");
    sandbox.run("deform trace c --at 0,0 --batch-index 1 --picture p.svg").refused(2, "image = 1");
    sandbox.run("deform trace c --at 0,0 --tap 1,0 --picture p.svg").refused(2, "--tap = 1,0");
    sandbox.run("deform trace c --at 0,0 --offset-group 1 --picture p.svg").refused(2, "--offset-group = 1");
    sandbox.run("deform trace c --at 0,0 --picture p.jpg").refused(2, "--picture = p.jpg");
    sandbox.run("deform trace c --image c/input.npy --at 0,0").refused(2, "--image");
    sandbox.run("deform trace --image c/weight.npy --at 0,0 --kernel 0").refused(2, "kernel");
    sandbox.run("deform trace --image c/input.npy --at 0,0 --kernel 9999").refused(2, "2^31");
    sandbox.run("deform trace --image c/input.npy --at 0,0 --kernel 5000").refused(2, "--kernel = 5000");
    sandbox.run("deform trace --image c/input.npy --at 0,0 --dilation 18446744073709551615").refused(2, "dilation");
    sandbox.run("deform trace --image c/input.npy --at 0,0 --strength inf").refused(2, "--strength = inf");
    sandbox.run("deform trace --image c/case.json --at 0,0").refused(2, "case.json");
    sandbox.run("deform field c --at 0,9 --picture p.svg").refused(2, "position = [0, 9]");
    sandbox.run("deform field --stack k4 --picture p.svg").refused(2, "k4");
    sandbox.run("deform field --stack k3 --extent 5 --picture p.svg").refused(2, "extent = 5");
    sandbox.run("deform field c --extent 20").refused(2, "--extent");
    for name in ["run", "plot.jpg", "p.svg", "p.jpg"] {
        assert!(!sandbox.exists(name), "{name}");
    }
}

#[test]
fn a_trace_tells_what_every_sample_does() {
    let sandbox = Sandbox::new();
    deform_case(&sandbox);
    let line = "deform trace c --at 0,0 --at 1,2 --picture t.svg --json";
    let told = sandbox.ok(line).json();
    assert_eq!(told["positions"].as_array().unwrap().len(), 2);
    let taps = told["positions"][0]["taps"].as_array().unwrap();
    assert_eq!(taps.len(), 2);
    // The output is the sum of its taps, and the same that `run` computes.
    sandbox.ok("run c --out out");
    let (_, output) = sandbox.read("out/output.npy");
    for (position, at) in [(0, 0), (1, 5)] {
        let position = &told["positions"][position];
        let sum: f64 = position["taps"].as_array().unwrap().iter().map(|tap| tap["output"][0].as_f64().unwrap()).sum();
        assert!((sum - f64::from(output[at])).abs() < 1e-5, "{sum} {}", output[at]);
        assert!((position["output"][0].as_f64().unwrap() - sum).abs() < 1e-6);
    }
    let text = sandbox.ok("deform trace c --at 1,2 --tap 0,1 --picture t.png").stdout;
    assert!(text.contains("0 (0, 1)") && !text.contains("0 (0, 0)") && !text.contains("-0.00000"), "{text}");
    assert!(sandbox.exists("t.svg") && sandbox.exists("t.png"));
}

#[test]
fn a_picture_gets_a_layer_of_its_own() {
    let sandbox = Sandbox::new();
    let pixels: Vec<f32> = (0..3 * 12 * 9).map(|i| (i % 7) as f32 / 6.0).collect();
    sandbox.npy("x.npy", &[1, 3, 12, 9], &pixels);
    sandbox.npy("one.npy", &[3, 1, 1, 1], &[1.0; 3]);
    sandbox.ok("conv2d --input x.npy --weight one.npy --groups 3 --output x.png");
    for image in ["x.npy", "x.png"] {
        let line = format!("deform trace --image {image} --at 6,4 --preset zoom --strength 2 --json");
        let told = sandbox.ok(&line).json();
        assert_eq!(told["extents"], json!([12, 9]));
        let taps = told["positions"][0]["taps"].as_array().unwrap();
        assert_eq!((taps.len(), &taps[0]["point"], &taps[8]["point"]), (9, &json!([4.0, 2.0]), &json!([8.0, 6.0])));
    }
}

#[test]
fn fields_of_layers_and_stacks() {
    let sandbox = Sandbox::new();
    deform_case(&sandbox);
    let told = sandbox.ok("deform field c --at 1,1 --json --picture f.svg").json();
    assert_eq!(told["fields"][0]["theoretical"], json!([1, 2]));
    assert_eq!(told["fields"][0]["area"], json!(2));
    let line = "deform field --stack k3d1,k3d2:zoom=2 --extent 24 --picture s.png";
    let table = sandbox.ok(line).stdout;
    assert!(table.contains("7 x 7") && table.contains("with offsets"), "{table}");
    assert!(sandbox.exists("f.svg") && sandbox.exists("s.png"));
}

#[test]
fn training_writes_pictures_and_numbers_and_repeats_itself() {
    let sandbox = Sandbox::new();
    for out in ["first", "second"] {
        let line = format!("deform train --out {out} --steps 4 --every 2 --batch 4 --extent 24 --seed 3");
        assert!(sandbox.ok(&line).stdout.contains("deformable"));
    }
    assert_eq!(sandbox.files("first"), ["curves.svg", "frames", "sheet.png", "train.json"]);
    assert_eq!(sandbox.files("first/frames"), ["step-000000.png", "step-000002.png", "step-000004.png"]);
    for file in ["curves.svg", "sheet.png", "train.json", "frames/step-000004.png"] {
        let read = |out: &str| std::fs::read(sandbox.path(&format!("{out}/{file}"))).unwrap();
        assert!(read("first") == read("second"), "{file} differs");
    }
}
