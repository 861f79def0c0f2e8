//! `wgconv export`.

use std::fs;

use serde_json::{Value, json};

use crate::support::{NO_ADAPTERS, Sandbox, small_case};

const CONV: &str = "export conv2d --input-shape 1,8,9,9 --c-out 4 --kernel-size 3 --padding 1 --bias";

fn manifest(sandbox: &Sandbox, path: &str) -> Value {
    serde_json::from_slice(&fs::read(sandbox.path(path)).unwrap()).unwrap()
}

/// A suite with a layer that has several algorithms, one with a single one, and names that are no folders.
fn suite(sandbox: &Sandbox) {
    let suite = json!({"name": "../mine", "source": "made up", "layers": [
        {"name": "stem", "op": "conv2d", "input": [1, 3, 12, 12], "weight": [8, 3, 3, 3], "with": ["bias"]},
        {"name": "2x shuffle", "op": "depth_to_space", "input": [1, 8, 4, 4], "attrs": {"block_size": 2}},
    ]});
    sandbox.bytes("mine.json", suite.to_string().as_bytes());
}

#[test]
fn one_export_is_a_folder_with_a_manifest() {
    let sandbox = Sandbox::new();
    // No adapter is asked for anything.
    let ran = sandbox.run_with(&format!("{CONV} --algorithm im2col-gemm --header c --out conv"), &NO_ADAPTERS);
    ran.expect(0);
    assert_eq!(ran.stdout.trim(), "conv: conv2d by im2col-gemm, 3 shaders, 3 steps");
    let manifest = manifest(&sandbox, "conv/manifest.json");
    assert_eq!(manifest["schema"], "wgconv-export/1");
    assert_eq!((&manifest["operation"], &manifest["algorithm"]), (&json!("conv2d"), &json!("im2col-gemm")));
    let mut files = vec!["conv2d.h", "manifest.json"];
    for shader in ["gemm_vec4", "im2col", "pack_rows"] {
        for extension in ["comp", "es.comp", "hlsl", "metal", "spv", "wgsl"] {
            files.push(Box::leak(format!("{shader}.{extension}").into_boxed_str()));
        }
    }
    files.sort_unstable();
    assert_eq!(sandbox.files("conv"), files);
    // The problem, from where other commands take theirs.
    small_case(&sandbox, "case", &[0.0, 0.0]);
    for source in [
        "--case case",
        "--layer resnet50/conv1",
        "--problem {\"op\":\"im2col\",\"batch\":1,\"channels\":2,\"input\":[5],\"kernel\":[3],\"stride\":[1],\"padding\":[[0,0]],\"dilation\":[1]}",
    ] {
        sandbox.ok(&format!("export {source} --languages spirv --out {}", source.len()));
        assert!(sandbox.exists(&format!("{}/manifest.json", source.len())), "{source}");
    }
}

#[test]
fn languages_storage_and_options_reach_the_manifest() {
    let sandbox = Sandbox::new();
    let line = format!(
        "{CONV} --pass backward --languages spirv,hlsl --device cpu --accuracy strict --storage f16 --checks \
         --shared-buffers --workspace-limit 1000000 --out e --json"
    );
    let told =
        sandbox.ok(&format!("{line} --capabilities {{\"f16\":true,\"subgroup_size\":8,\"storage_alignment\":64}}"));
    assert_eq!(told.json()["exports"][0]["pass"], "backward");
    let manifest = manifest(&sandbox, "e/manifest.json");
    assert_eq!(
        manifest["choices"],
        json!({"accuracy": "strict", "storage": "f16", "pack_weights": false, "runtime_checks": true,
               "shared_buffers": true, "workspace_limit": 1_000_000})
    );
    assert_eq!(manifest["capabilities"]["class"], "cpu");
    assert_eq!(manifest["requirements"]["storage_alignment"], 64);
    assert_eq!(manifest["requirements"]["features"], json!(["subgroups", "f16"]));
    assert_eq!(manifest["requirements"]["subgroup_size"], 8);
    assert!(sandbox.files("e").iter().all(|name| [".json", ".spv", ".hlsl"].iter().any(|end| name.ends_with(end))));
    for shader in manifest["shaders"].as_array().unwrap() {
        assert!(shader["bindings"].as_array().unwrap().iter().all(|binding| binding["access"] != "read"));
    }
    // Packed weights have steps of their own.
    sandbox.ok(&format!("{CONV} --algorithm winograd-f2 --pack-weights --languages spirv --out packed"));
    let manifest: Value = serde_json::from_slice(&fs::read(sandbox.path("packed/manifest.json")).unwrap()).unwrap();
    assert!(manifest["packed_bytes"].as_u64().unwrap() > 0);
    assert_eq!(manifest["packing"].as_array().unwrap().len(), 1);
}

#[test]
fn several_exports_are_listed() {
    let sandbox = Sandbox::new();
    suite(&sandbox);
    let line = "export --all mine.json --pass forward,backward,grad_bias --algorithm all --languages spirv --header c";
    sandbox.ok(&format!("{line} --out all"));
    let index = manifest(&sandbox, "all/index.json");
    assert_eq!(index["schema"], "wgconv-export-index/1");
    let exports = index["exports"].as_array().unwrap();
    for export in exports {
        let folder = format!("all/{}", export["folder"].as_str().unwrap());
        let manifest = manifest(&sandbox, &format!("{folder}/manifest.json"));
        assert_eq!((&manifest["algorithm"], &manifest["operation"]), (&export["algorithm"], &export["operation"]));
        let header = sandbox.files(&folder).into_iter().find(|name| name.ends_with(".h")).unwrap();
        let text = fs::read_to_string(sandbox.path(&format!("{folder}/{header}"))).unwrap();
        assert!(text.contains(&format!("_{}_steps[] = {{", export["algorithm"].as_str().unwrap().replace('-', "_"))));
    }
    // Folders are folders whatever layers are called; what does not apply is there with its reason.
    assert_eq!(sandbox.files("all"), ["_.._mine", "index.json"]);
    assert_eq!(sandbox.files("all/_.._mine"), ["2x_shuffle", "stem"]);
    assert!(exports.len() > 8, "{}", exports.len());
    let refused = index["refused"].as_array().unwrap();
    let winograd = refused.iter().find(|refusal| refusal["algorithm"] == "winograd-f4").unwrap();
    assert_eq!(winograd["reason"], "it needs Options::accuracy of relaxed or less");
    // A layer without a bias has no such gradient, which is no failure.
    assert!(exports.iter().all(|export| export["layer"] != "../mine/2x shuffle" || export["pass"] != "grad_bias"));
}

#[test]
fn layers_that_are_not_served_are_counted() {
    let sandbox = Sandbox::new();
    suite(&sandbox);
    let line = "export --all mine.json --algorithm register-tiled --languages spirv";
    let ran = sandbox.run(&format!("{line} --out some"));
    ran.expect(3);
    assert!(ran.stderr.contains("1 of 2 problems have no export: index.json says why"), "{}", ran.stderr);
    let index = manifest(&sandbox, "some/index.json");
    assert_eq!(index["exports"].as_array().unwrap().len(), 1);
    assert!(index["refused"][0]["reason"].as_str().unwrap().contains("register-tiled"));
    // Where there is none at all, nothing is written.
    sandbox.run("export --all mine.json --algorithm sorted-gather --out none").refused(3, "sorted-gather");
    assert!(!sandbox.exists("none"));
}

#[test]
fn what_is_there_stays_unless_it_is_an_export() {
    let sandbox = Sandbox::new();
    let line = format!("{CONV} --languages wgsl");
    sandbox.ok(&format!("{line} --out e"));
    let before = sandbox.files("e");
    sandbox.run(&format!("{line} --languages spirv --out e")).refused(2, "e: it exists and is not empty");
    assert_eq!(sandbox.files("e"), before);
    sandbox.ok(&format!("{CONV} --languages spirv --out e --replace"));
    assert!(sandbox.files("e").iter().any(|name| name.ends_with(".spv")));
    sandbox.bytes("thesis/chapter.txt", b"years of work");
    sandbox.run(&format!("{line} --out thesis --replace")).refused(2, "it holds no export");
    sandbox.run(&format!("{line} --out thesis/chapter.txt")).refused(2, "it is no folder");
    assert_eq!(sandbox.files("thesis"), ["chapter.txt"]);
    assert!(sandbox.files(".").iter().all(|name| !name.contains("part")), "{:?}", sandbox.files("."));
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.bytes("list.json", b"[1]");
    let atomics = "export deform-conv2d --input-shape 1,2,5,5 --c-out 2 --kernel-size 3 --pass backward \
                   --algorithm atomic-scatter --capabilities {\"f32_atomics\":true}";
    for (line, code, words) in [
        ("export --out x", 2, "a problem is missing"),
        (CONV, 2, "--out"),
        (&format!("{CONV} --out x --stride 0"), 2, "stride[0] = 0"),
        (&format!("{CONV} --out x --pass grad_offset"), 2, "--pass = grad_offset: no problem here has it"),
        (&format!("{CONV} --out x --pass sideways"), 2, "--pass = sideways"),
        (&format!("{CONV} --out x --languages cobol"), 2, "it must be one of wgsl, spirv, msl, hlsl, glsl, glsl-es"),
        (&format!("{CONV} --out x --header rust"), 2, "--header"),
        (&format!("{CONV} --out x --algorithm dilated"), 3, "algorithm = dilated: "),
        (&format!("{CONV} --out x --device reference"), 2, "--device = reference"),
        (&format!("{CONV} --out x --capabilities {{\"warp\":32}}"), 2, "--capabilities: unknown field `warp`"),
        (&format!("{CONV} --out x --capabilities list.json"), 2, "--capabilities: it must be a JSON object"),
        (&format!("{CONV} --out x --capabilities none.json"), 2, "none.json: it cannot be read"),
        (&format!("{CONV} --out x --capabilities {{\"storage_alignment\":24}}"), 2, "storage_alignment = 24"),
        (&format!("{CONV} --out x --capabilities {{\"max_binding_bytes\":16}}"), 3, "max_storage_buffer_binding_size"),
        ("export --all nonesuch --out x", 2, "--suite = nonesuch"),
        ("export --all mine.json --layer resnet50/conv1 --out x", 2, "--layer"),
        ("export --layer resnet50/conv1 --stride 2 --out x", 2, "--stride: the problem is given whole"),
        (&format!("{atomics} --languages spirv,glsl --out x"), 3, "deform_conv2d_scatter in glsl"),
    ] {
        sandbox.run(line).refused(code, words);
    }
    assert!(!sandbox.exists("x"));
    sandbox.ok(&format!("{atomics} --out x"));
    assert!(sandbox.exists("x/deform_conv2d_scatter.spv") && !sandbox.exists("x/deform_conv2d_scatter.hlsl"));
}
