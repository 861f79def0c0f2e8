//! The worked examples of `docs/ops`, executed: every number on a page, by the oracle and by every algorithm.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::support::Sandbox;

/// The JSON examples of a page that say which operation they are of.
fn examples(page: &str) -> Vec<Map<String, Value>> {
    let blocks = page.split("```json").skip(1).filter_map(|rest| rest.split("```").next());
    let parsed = blocks.map(|block| serde_json::from_str::<Value>(block).unwrap_or_else(|e| panic!("{e} in {block}")));
    let objects = parsed.filter_map(|value| value.as_object().cloned());
    // A case.json names files instead of numbers.
    objects.filter(|object| object.contains_key("op") && object.contains_key("shape")).collect()
}

/// Writes an example as a case folder that demands every number exactly.
fn write_case(sandbox: &Sandbox, folder: &str, mut example: Map<String, Value>) {
    let op = example.remove("op").unwrap();
    let shapes = example.remove("shape").unwrap();
    let (mut inputs, mut outputs, mut tolerance) = (Map::new(), Map::new(), Map::new());
    for (name, shape) in shapes.as_object().unwrap() {
        let shape: Vec<usize> = shape.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
        let data = example.remove(name).unwrap_or_else(|| panic!("{folder}: {name} has a shape and no numbers"));
        let data: Vec<f32> = data.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
        let file = format!("{name}.npy");
        sandbox.npy(&format!("{folder}/{file}"), &shape, &data);
        let is_output =
            ["output", "indices"].contains(&name.as_str()) || (name.starts_with("grad_") && name != "grad_output");
        if is_output {
            outputs.insert(name.clone(), json!(file));
            tolerance.insert(name.clone(), json!({"exact": true}));
        } else {
            inputs.insert(name.clone(), json!(file));
        }
    }
    assert!(!outputs.is_empty(), "{folder}: nothing to compare");
    sandbox.case(
        folder,
        &json!({"op": op, "attrs": example, "inputs": inputs, "outputs": outputs, "tolerance": tolerance}),
    );
}

#[test]
fn every_worked_example_of_the_operations_pages_is_exact() {
    let sandbox = Sandbox::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ops");
    let mut pages = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let examples = examples(&fs::read_to_string(&path).unwrap());
        assert!(!examples.is_empty() || stem == "README", "{stem} has no worked example");
        pages += usize::from(!examples.is_empty());
        for (i, example) in examples.into_iter().enumerate() {
            write_case(&sandbox, &format!("cases/{stem}_{i}"), example);
        }
    }
    assert!(pages >= 12, "{pages} pages");
    for device in ["reference", "auto"] {
        let report = sandbox.ok(&format!("check cases --device {device} --json")).json();
        let all = &report["all"];
        assert!(all["cases"].as_u64().unwrap() >= 18, "{all}");
        assert_eq!(all["pass"], all["comparisons"], "{all}");
    }
}
