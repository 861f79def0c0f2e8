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
        let ran = sandbox.ok(&format!("deform gradcheck c --json --plot plots.svg {how}")).json();
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
    assert!(!sandbox.exists("run") && !sandbox.exists("plot.jpg"));
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
