//! Exports: the manifest says what a plan does, every file passes a checker that is not naga, and a program that knows
//! Vulkan alone, one in C among them, gets the reference's numbers.
//!
//! `WGCONV_CHECKERS` names the checkers that must be there; others are used where they are and named where they are
//! not. `WGCONV_EXPORTS=all` checks every variant of the zoo instead of one or two of each kernel.

mod common;

#[path = "../examples/exported_vulkan.rs"]
#[allow(dead_code, reason = "its main function belongs to the example")]
mod exported_vulkan;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use common::{classes, layouts, open, random, relaxed, zoo};
use exported_vulkan::{compare, load};
use wgconv::export::{
    BindingAccess, Bundle, Feature, INDEX, INDEX_SCHEMA, Language, MANIFEST, Manifest, Range, SCHEMA, Settings, Shader,
    export, write_folder,
};
use wgconv::gpu::Plan;
use wgconv::kernels::kernels;
use wgconv::program::{Element, Kernel};
use wgconv::{
    Activation, Algorithm, Capabilities, Conv, ConvTranspose, DeformConv2d, Error, Geometry, Gradient, Options, Pool,
    PoolMode, Problem, Storage, TensorName,
};

/// GPU class, CPU class, and CPU class with subgroups; with f16 tensors on devices that have such numbers and that do
/// not.
fn settings() -> Vec<(Capabilities, Options)> {
    let subgroups = Capabilities { subgroup_size: Some(8), ..Capabilities::cpu() };
    let plain = [Capabilities::gpu(), Capabilities::cpu(), subgroups].map(|caps| (caps, relaxed()));
    let halves =
        [Capabilities { f16: true, ..Capabilities::gpu() }, Capabilities { f16: true, ..subgroups }, subgroups];
    let halves = halves.map(|caps| (caps, relaxed().storage(Storage::F16)));
    let atomics = |(caps, options)| (Capabilities { f32_atomics: true, ..caps }, options);
    plain.into_iter().chain(halves).map(atomics).collect()
}

/// A problem, how to compute it, and what for.
type Job = (Problem, Capabilities, Options);

/// Problems that lead to every kernel in every storage: one that leads to what none before led to, or all of the zoo.
fn jobs() -> Vec<Job> {
    let everything = everything();
    let forward = zoo().into_iter().map(|(_, problem)| problem).chain(common::epilogues());
    let mut problems: Vec<Problem> =
        forward.flat_map(|problem| [problem.clone(), Gradient::all(problem).into()]).collect();
    // What is added to must be read first.
    problems.push(Gradient::all(Conv::new(1, 2, [5], 2, [2])).beta(0.5).into());
    // Enough work for tiles eight columns wide, with rows that vec4s fill.
    problems.push(Conv::new(1, 64, [30, 32], 64, [3, 3]).padding(1).into());
    problems.push(ConvTranspose::new(1, 64, [20, 24], 64, [4, 4]).stride(2).padding(1).into());
    let mut jobs = Vec::new();
    let mut reached = BTreeSet::new();
    for problem in &problems {
        let geometry = Geometry::new(problem).expect("zoo problems are valid");
        for (capabilities, options) in settings() {
            for &algorithm in Algorithm::of(problem) {
                let options = options.clone().algorithm(algorithm);
                let Ok(program) = wgconv::lower(&geometry, algorithm, &capabilities, &options) else { continue };
                let kernels = program.launches().map(|dispatch| match everything {
                    true => dispatch.variant.label(),
                    false => format!("{} {}", dispatch.variant.kernel.stem, storage_of(&dispatch.variant.elements)),
                });
                let before = reached.len();
                reached.extend(kernels);
                if reached.len() > before {
                    jobs.push((problem.clone(), capabilities, options));
                }
            }
        }
    }
    jobs
}

/// Which storage a variant was made for.
fn storage_of(elements: &[Element]) -> &'static str {
    match elements.iter().find(|element| **element != Element::F32) {
        Some(Element::F16) => "f16",
        Some(_) => "pairs",
        None => "f32",
    }
}

/// The exports of all jobs: as they are, and with checks and read-write bindings.
fn bundles() -> &'static [Bundle] {
    static BUNDLES: OnceLock<Vec<Bundle>> = OnceLock::new();
    BUNDLES.get_or_init(|| {
        let make = |(problem, capabilities, options): &Job, checked: bool| {
            let options = Options { runtime_checks: checked, shared_buffers: checked, ..options.clone() };
            let settings = Settings { header: Some("layer".into()), ..Settings::default() };
            export(problem, capabilities, &options, &settings).unwrap_or_else(|error| panic!("{problem:?}: {error}"))
        };
        let checks = |job: &Job| if job.2.storage == Storage::F32 { &[false, true][..] } else { &[false] };
        jobs().iter().flat_map(|job| checks(job).iter().map(|&checked| make(job, checked))).collect()
    })
}

fn default_settings() -> Settings {
    Settings::default()
}

#[test]
fn every_kernel_is_exported() {
    let exported: BTreeSet<&str> =
        bundles().iter().flat_map(|bundle| &bundle.manifest.shaders).map(|shader| &*shader.kernel).collect();
    // What packs factors for them has no other use.
    let serves_cooperative = |kernel: &&Kernel| kernel.parts().iter().any(|part| part.stem == "halves");
    let standard = kernels().into_iter().filter(|kernel| !serves_cooperative(kernel));
    assert_eq!(exported, standard.map(|kernel| kernel.stem).collect::<BTreeSet<_>>());
}

#[test]
fn cooperative_matrices_are_refused() {
    let caps = Capabilities {
        f16: true,
        subgroup_size: Some(32),
        cooperative_side: Some(16),
        max_workgroup_bytes: 48 << 10,
        ..Capabilities::gpu()
    };
    let problem: Problem = Conv::new(1, 32, [9, 9], 32, [3, 3]).into();
    let options = Options::default().algorithm(Algorithm::CooperativeGemm);
    let error = export(&problem, &caps, &options, &default_settings()).expect_err("it is an experiment");
    assert!(error.to_string().contains("cooperative matrices are an experiment"), "{error}");

    let experimental = Settings { experimental: true, ..default_settings() };
    let bundle = export(&problem, &caps, &options, &experimental).expect("those who ask get it");
    let features = &bundle.manifest.requirements.features;
    assert!(features.contains(&Feature::CooperativeMatrices), "{features:?}");
    assert_eq!(bundle.manifest.requirements.subgroup_size, Some(32));
    for shader in &bundle.manifest.shaders {
        assert!(shader.files.keys().all(|&language| language == Language::Spirv), "{:?}", shader.files);
    }
}

#[test]
fn manifests_survive_json_and_hold_together() {
    for bundle in bundles() {
        let manifest = &bundle.manifest;
        let text = String::from_utf8(bundle.files[MANIFEST].clone()).expect("JSON is UTF-8");
        assert_eq!(&Manifest::from_json(&text).expect("its own text"), manifest);
        let mut files: BTreeSet<&str> = BTreeSet::from([MANIFEST, "layer.h"]);
        for shader in &manifest.shaders {
            files.extend(shader.files.values().map(|file| &*file.path));
            assert_eq!(shader.files.len() + shader.unavailable.len(), Language::ALL.len(), "{}", shader.name);
            assert!(shader.files.values().all(|file| file.slots.len() == shader.bindings.len()));
            assert!(!shader.precondition.is_empty());
            let kernel = kernels().into_iter().find(|kernel| kernel.stem == shader.kernel).expect("a kernel");
            let names: Vec<&str> = shader.bindings.iter().map(|binding| &*binding.name).collect();
            let specs = kernel.bindings.iter().map(|spec| spec.name);
            assert_eq!(names, std::iter::once("params").chain(specs).collect::<Vec<_>>());
        }
        assert_eq!(files, bundle.files.keys().map(String::as_str).collect());
        let memories: BTreeMap<&str, u64> = manifest
            .tensors
            .iter()
            .map(|tensor| (tensor.name.as_str(), tensor.bytes))
            .chain([
                ("workspace", manifest.workspace_bytes),
                ("packed", manifest.packed_bytes),
                ("unused", manifest.unused_bytes),
            ])
            .collect();
        let names: Vec<&str> = manifest.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        assert!(!names.is_empty() && !manifest.steps.is_empty());
        for step in &manifest.steps {
            let shader = &manifest.shaders[step.shader];
            assert_eq!(step.bindings.len() + 1, shader.bindings.len());
            let block = manifest.blocks.iter().find(|block| block.name == shader.block).expect("a block");
            assert_eq!(step.parameter_bytes().expect("digits").len(), block.bytes as usize);
            for range in &step.bindings {
                let held = memories[&*range.memory];
                assert!(range.offset + range.bytes <= held, "{}: {range:?} of {held}", shader.name);
                assert_eq!(range.offset % u64::from(manifest.requirements.storage_alignment), 0);
            }
            // WebGPU refuses writable bindings that share bytes, also of what is not touched.
            for (i, range) in step.bindings.iter().enumerate().filter(|(_, range)| range.memory == "unused") {
                let apart = |other: &Range| {
                    other.offset + other.bytes <= range.offset || range.offset + range.bytes <= other.offset
                };
                let others = step.bindings[i + 1..].iter().filter(|other| other.memory == "unused");
                assert!(others.into_iter().all(apart), "{}: {range:?}", shader.name);
            }
        }
    }
}

#[test]
fn other_versions_are_refused_by_name() {
    let bundle = &bundles()[0];
    let text = bundle.manifest.to_json().unwrap();
    for (changed, words) in [
        (text.replace(SCHEMA, "wgconv-export/999"), "schema = \"wgconv-export/999\": this version reads"),
        (text.replace("\"schema\"", "\"scheme\""), "schema = nothing"),
        (text.replace("\"generator\"", "\"maker\""), "unknown field `maker`"),
        ("{".into(), "EOF"),
    ] {
        let error = Manifest::from_json(&changed).unwrap_err().to_string();
        assert!(error.starts_with("manifest.json: ") && error.contains(words), "{error}");
    }
    let mut step = bundle.manifest.steps[0].clone();
    for wrong in ["0", "0g", "é"] {
        step.parameters = wrong.into();
        assert!(matches!(step.parameter_bytes(), Err(Error::Invalid { .. })), "{wrong}");
    }
}

/// The offsets that the manifest states are those of the structures on the host.
#[test]
fn fields_of_blocks_are_those_of_the_host() {
    for kernel in kernels() {
        let uniform = kernel.uniform;
        let block = bundles().iter().flat_map(|bundle| &bundle.manifest.blocks);
        let block = block.into_iter().find(|block| block.name == uniform.struct_name()).expect("a block");
        assert_eq!(block.bytes as usize, uniform.size());
        let mut tops: Vec<(&str, usize)> = Vec::new();
        for field in &block.fields {
            let top = field.name.split('.').next().unwrap();
            if tops.last().is_none_or(|(last, _)| *last != top) {
                tops.push((top, field.offset as usize));
            }
        }
        assert_eq!(tops, uniform.fields());
    }
}

#[test]
fn what_a_language_lacks_is_said() {
    let problem: Problem = Gradient::all(DeformConv2d::new(1, 2, [5, 5], 2, [3, 3])).into();
    let capabilities = Capabilities { f32_atomics: true, ..Capabilities::gpu() };
    let options = Options::default().algorithm(Algorithm::AtomicScatter);
    let bundle = export(&problem, &capabilities, &options, &default_settings()).unwrap();
    assert!(!bundle.manifest.accuracy.deterministic);
    assert_eq!(bundle.manifest.requirements.features, [Feature::F32Atomics]);
    let shader = bundle.manifest.shaders.iter().find(|shader| !shader.unavailable.is_empty()).unwrap();
    assert_eq!(shader.kernel, "deform_conv2d_scatter");
    assert_eq!(shader.unavailable[&Language::Hlsl], "HLSL has no f32 atomics");
    assert_eq!((&*shader.files[&Language::Wgsl].version, &*shader.files[&Language::Msl].version), ("naga", "3.0"));
    // Asked for by name it is an error, that names both.
    let settings = Settings { languages: vec![Language::Spirv, Language::Glsl], ..Settings::default() };
    let error = export(&problem, &capabilities, &options, &settings).unwrap_err();
    assert!(matches!(&error, Error::Unsupported { what, .. } if what == "deform_conv2d_scatter in glsl"), "{error}");
}

/// Numbers of bindings in the texts are those of the manifest.
#[test]
fn every_language_binds_where_the_manifest_says() {
    for bundle in bundles() {
        let touched: BTreeSet<(usize, usize)> = bundle
            .manifest
            .steps
            .iter()
            .flat_map(|step| step.bindings.iter().enumerate().map(|(i, range)| (step.shader, i, range)))
            .filter(|(.., range)| range.memory != "unused")
            .map(|(shader, i, _)| (shader, i + 1))
            .collect();
        for (number, shader) in bundle.manifest.shaders.iter().enumerate() {
            for (&language, file) in shader.files.iter().filter(|(language, _)| **language != Language::Spirv) {
                let text = std::str::from_utf8(&bundle.files[&file.path]).expect("text");
                let entry = match language {
                    Language::Wgsl => format!("fn {}(", file.entry_point),
                    Language::Msl => format!("kernel void {}(", file.entry_point),
                    _ => format!("void {}(", file.entry_point),
                };
                assert!(text.contains(&entry), "{}: no {entry}", file.path);
                for (place, (slot, binding)) in file.slots.iter().zip(&shader.bindings).enumerate() {
                    if place > 0 && !touched.contains(&(number, place)) {
                        continue;
                    }
                    let (index, read) = (slot.index, binding.access == BindingAccess::Read);
                    let wanted = match language {
                        Language::Wgsl => format!("@group({}) @binding({index})", slot.space),
                        Language::Msl => format!("[[buffer({index})]]"),
                        Language::Hlsl => format!("register({}{index})", slot.kind),
                        _ if slot.kind == "uniform" => format!("layout(std140, binding = {index}) uniform "),
                        _ if read => format!("layout(std430, binding = {index}) readonly buffer "),
                        _ => format!("layout(std430, binding = {index}) buffer "),
                    };
                    assert!(text.contains(&wanted), "{}: {} has no {wanted}", file.path, binding.name);
                }
                if let Some(counts) = &file.workgroup_counts {
                    assert!(text.contains(&format!("register({}{})", counts.kind, counts.index)), "{}", file.path);
                }
                if let Some(sizes) = &file.buffer_sizes {
                    let wanted = format!("_mslBufferSizes& _buffer_sizes [[buffer({})]]", sizes.index);
                    assert!(text.contains(&wanted), "{}: no {wanted}", file.path);
                }
            }
        }
    }
}

/// Runs a checker; `None` where it is not installed, which is said, or where it must be there and is not.
fn run_checker(name: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(name).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let required = std::env::var("WGCONV_CHECKERS").unwrap_or_default();
            assert!(!required.split_whitespace().any(|wanted| wanted == name), "{name} is not installed");
            None
        }
        Err(error) => panic!("{name}: {error}"),
    }
}

/// Says so whatever becomes of the test: libtest keeps back what `eprintln!` prints.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "\n{text}");
}

/// Whether all that the zoo leads to is to be checked.
fn everything() -> bool {
    std::env::var("WGCONV_EXPORTS").is_ok_and(|which| which == "all")
}

/// Files of a language pass its checker: of each kernel and storage one as it is and one with checks, or every
/// different one. The checker takes `at_once` files of the same arguments, which go in front of them.
fn check_all(language: Language, checker: &str, at_once: usize, arguments: impl Fn(&Shader) -> Option<Vec<String>>) {
    let folder = tempfile::tempdir().unwrap();
    let (mut files, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    let mut calls: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for bundle in bundles() {
        for shader in &bundle.manifest.shaders {
            let Some(file) = shader.files.get(&language) else { continue };
            let bytes = &bundle.files[&file.path];
            let elements: BTreeSet<&str> = shader.bindings.iter().map(|binding| &*binding.element).collect();
            let new_kind = kinds.insert((&*shader.kernel, bundle.manifest.choices.runtime_checks, elements));
            if !files.insert(bytes) || !(new_kind || everything()) {
                continue;
            }
            let Some(arguments) = arguments(shader) else { continue };
            let path = folder.path().join(format!("{}_{}", files.len(), file.path));
            fs::write(&path, bytes).unwrap();
            calls.entry(arguments).or_default().push(path.to_string_lossy().into_owned());
        }
    }
    let mut checked = 0;
    for (arguments, paths) in &calls {
        for paths in paths.chunks(at_once) {
            let words: Vec<&str> = arguments.iter().chain(paths).map(String::as_str).collect();
            let Some(output) = run_checker(checker, &words) else {
                let hint = "(scripts/check-exports has it or says where it is from)";
                return say(&format!("NOT CHECKED: {language}, for want of {checker} {hint}"));
            };
            let told = [output.stdout, output.stderr].concat();
            assert!(output.status.success(), "{checker} {words:?} says {}", String::from_utf8_lossy(&told));
            checked += paths.len();
        }
    }
    // All but the one that needs f32 atomics.
    assert!(checked >= kernels().len() - 1, "{checked} files");
}

#[test]
fn spirv_passes_spirv_val() {
    let arguments = ["--target-env", "vulkan1.1"].map(String::from).to_vec();
    check_all(Language::Spirv, "spirv-val", 1, |_| Some(arguments.clone()));
}

#[test]
fn glsl_passes_glslang() {
    check_all(Language::Glsl, "glslangValidator", 100, |_| Some(Vec::new()));
    check_all(Language::GlslEs, "glslangValidator", 100, |_| Some(Vec::new()));
}

#[test]
fn hlsl_passes_dxc() {
    check_all(Language::Hlsl, "dxc", 1, |shader| {
        let file = &shader.files[&Language::Hlsl];
        let profile = format!("cs_{}", file.version.replace('.', "_"));
        let mut arguments = ["-T", &profile, "-E", &file.entry_point].map(String::from).to_vec();
        if shader.features.contains(&Feature::F16) {
            arguments.push("-enable-16bit-types".into());
        }
        Some(arguments)
    });
}

#[test]
fn wgsl_passes_tint() {
    check_all(Language::Wgsl, "tint", 1, |shader| {
        let standard = !shader.features.contains(&Feature::F32Atomics);
        standard.then(|| ["--format", "wgsl"].map(String::from).to_vec())
    });
}

/// A checker that takes anything would prove nothing.
#[test]
fn checkers_refuse_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_string_lossy().into_owned()
    };
    let bundle = &bundles()[0];
    let mut spirv = bundle.files[&bundle.manifest.shaders[0].files[&Language::Spirv].path].clone();
    let half = spirv.len() / 8 * 4;
    spirv.truncate(half);
    for (checker, arguments) in [
        ("spirv-val", vec![file("a.spv", &spirv)]),
        ("glslangValidator", vec![file("a.comp", b"#version 450\nvoid main() { int x = 1.5; }\n")]),
        ("dxc", vec!["-T".into(), "cs_6_0".into(), "-E".into(), "main".into(), file("a.hlsl", b"void main() { x; }")]),
        ("tint", vec!["--format".into(), "wgsl".into(), file("a.wgsl", b"fn f() { let x: u32 = 1.5; }")]),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        if let Some(output) = run_checker(checker, &arguments) {
            assert!(!output.status.success(), "{checker} takes anything");
        }
    }
}

/// A C compiler takes the headers, whose assertions hold there.
#[test]
fn headers_are_c() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = BTreeSet::new();
    for bundle in bundles() {
        // A header of every operation is enough: steps are alike.
        if !seen.insert((&bundle.manifest.operation, bundle.manifest.shaders.len())) {
            continue;
        }
        fs::write(folder.path().join("layer.h"), &bundle.files["layer.h"]).unwrap();
        let mut twice = b"#include \"layer.h\"\n#include \"layer.h\"\n".to_vec();
        twice.extend(b"int main(void) { return layer_steps[0].shader < LAYER_SHADERS ? 0 : 1; }\n");
        let source = folder.path().join("main.c");
        fs::write(&source, twice).unwrap();
        let source = source.to_string_lossy().into_owned();
        let arguments = ["-std=c11", "-Wall", "-Wextra", "-Wno-unused", "-Werror", "-fsyntax-only", &source];
        let Some(output) = run_checker("cc", &arguments) else { return say("NOT CHECKED: headers, for want of cc") };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn header_names_are_identifiers() {
    let problem: Problem = Conv::new(1, 1, [3], 1, [3]).into();
    for name in ["", "9lives", "Layer", "a-b", "_x"] {
        let settings = Settings { header: Some(name.into()), ..Settings::default() };
        let error = export(&problem, &Capabilities::gpu(), &Options::default(), &settings).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{name}: {error}");
    }
}

/// Capabilities of the machine's adapter in each class, where it speaks Vulkan.
fn vulkan_classes() -> Option<Vec<Capabilities>> {
    let gpu = open();
    if gpu.info().backend == wgpu::Backend::Vulkan {
        return Some(classes(&gpu));
    }
    say(&format!("NOT RUN: {} is no Vulkan adapter", gpu.description()));
    None
}

/// Exports, writes, reads, runs by Vulkan alone, and holds against the reference. Returns the steps that ran.
fn judge(problem: &Problem, capabilities: &Capabilities, options: &Options, seed: u64) -> usize {
    let settings = Settings { languages: vec![Language::Spirv], ..Settings::default() };
    let what = || format!("{problem:?} {options:?} {capabilities}");
    let bundle = export(problem, capabilities, options, &settings).unwrap_or_else(|e| panic!("{}: {e}", what()));
    let folder = tempfile::tempdir().unwrap();
    write_folder(folder.path(), &bundle.files, false).unwrap();
    let manifest = load(folder.path()).unwrap();
    assert_eq!(manifest, bundle.manifest);
    let vulkan = exported_vulkan::open(&manifest).unwrap_or_else(|error| panic!("{}: {error}", what()));
    let inputs = random(problem, seed);
    let written = exported_vulkan::run(&vulkan, folder.path(), &manifest, &inputs)
        .unwrap_or_else(|error| panic!("{}: {error}", what()));
    let worst = compare(&manifest, &inputs, &written).unwrap_or_else(|error| panic!("{}: {error}", what()));
    assert!(!worst.is_empty());
    manifest.steps.len()
}

#[test]
fn vulkan_alone_gets_the_references_numbers() {
    let Some(classes) = vulkan_classes() else { return };
    let activation = Activation::LeakyRelu { slope: 0.1 };
    let conv = Conv::new(2, 5, [9, 8], 9, [3, 3]).padding(1).bias(true).residual(true).activation(activation);
    let indices = PoolMode::Max { pad_value: None, indices: true };
    let problems: [Problem; 5] = [
        conv.clone().into(),
        Gradient::all(conv).into(),
        ConvTranspose::new(1, 4, [6, 5], 6, [4, 3]).stride(2).padding(1).into(),
        Gradient::all(DeformConv2d::new(2, 4, [6, 5], 3, [3, 3]).padding(1).mask(true).bias(true)).into(),
        Pool::max(2, 3, [9, 10], [3, 2]).padding(1).stride([2, 1]).mode(indices).into(),
    ];
    let mut most_steps = 0;
    for (problem, seed) in problems.iter().zip(1..) {
        let geometry = Geometry::new(problem).unwrap();
        for capabilities in &classes {
            let options = relaxed();
            for &algorithm in Algorithm::of(problem) {
                if wgconv::lower(&geometry, algorithm, capabilities, &options).is_ok() {
                    let options = options.clone().algorithm(algorithm);
                    most_steps = most_steps.max(judge(problem, capabilities, &options, seed));
                }
            }
        }
    }
    assert!(most_steps > 10, "a deformable backward pass has more than {most_steps} steps");
}

/// What the manifest says of starts, parts, folds and packed weights is what has to be bound.
#[test]
fn vulkan_alone_follows_every_turn() {
    let Some(classes) = vulkan_classes() else { return };
    let conv = Conv::new(5, 6, [11, 10], 8, [3, 3]).padding(1).bias(true);
    let problem: Problem = conv.clone().into();
    let gradient: Problem = Gradient::all(conv.clone()).into();
    let (gpu, own) = (classes[0], classes[classes.len() - 1]);
    // A channel slice and a crop.
    for (_, options) in &layouts(&problem)[1..] {
        judge(&problem, &gpu, options, 6);
    }
    for (_, options) in &layouts(&gradient)[1..] {
        judge(&gradient, &own, options, 7);
    }
    let packed = Options::default().pack_weights().algorithm(Algorithm::WinogradF2);
    judge(&problem, &own, &packed, 8);
    let checked = Options { runtime_checks: true, shared_buffers: true, ..Options::default() };
    judge(&problem, &gpu, &checked, 9);
    judge(&gradient, &own, &checked, 10);
    // Two images fit, and a line of workgroups ends at the eighth; what all images share is added up.
    let image = 8 * 11 * 10 * 4_u64;
    let tight = Capabilities { max_binding_bytes: 2 * image + 256, max_workgroups_per_dimension: 8, ..gpu };
    let direct = Options::default().algorithm(Algorithm::Direct);
    assert_eq!(judge(&problem, &tight, &direct, 11), 3);
    let whole = judge(&gradient, &gpu, &direct, 12);
    assert_eq!(judge(&gradient, &tight, &direct, 12), 3 * whole);
    // Half as many bytes, where the device has f16 and where words hold pairs of them.
    for capabilities in [own, Capabilities { f16: false, ..gpu }] {
        let halves = Options::default().storage(Storage::F16);
        judge(&problem, &capabilities, &halves, 14);
        judge(&gradient, &capabilities, &halves, 15);
    }
    // What was there stays, once.
    let accumulated: Problem = Gradient::all(conv).beta(1.0).into();
    judge(&accumulated, &tight, &direct, 13);
}

/// An export and a plan launch the same.
#[test]
fn exports_have_the_steps_of_plans() {
    let gpu = open();
    for (name, problem) in zoo().into_iter().step_by(7) {
        let options = Options::default();
        let plan = Plan::new(gpu.context(), &problem, &options).unwrap();
        let manifest = export(&problem, gpu.capabilities(), &options, &default_settings()).unwrap().manifest;
        assert_eq!(manifest.steps.len(), plan.dispatch_count(), "{name}");
        assert_eq!(manifest.workspace_bytes, plan.workspace_size(), "{name}");
        assert_eq!((manifest.algorithm, &manifest.reason), (plan.choice().algorithm, &plan.choice().reason), "{name}");
    }
}

/// The example in C, compiled against an export's header.
#[test]
fn a_c_program_gets_its_own_numbers() {
    if vulkan_classes().is_none() {
        return;
    }
    let problem: Problem = Conv::new(2, 3, [9, 10], 5, [3, 3]).padding(1).bias(true).into();
    let options = Options::default().algorithm(Algorithm::Im2colGemm);
    let settings = Settings { languages: vec![Language::Spirv], header: Some("conv2d".into()), ..Settings::default() };
    let bundle = export(&problem, &Capabilities::gpu(), &options, &settings).unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_folder(folder.path(), &bundle.files, false).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/c/raw_vulkan.c");
    let program: PathBuf = folder.path().join("raw_vulkan");
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let vulkan = folder.path().join("vulkan.c");
    fs::write(&vulkan, "#include <vulkan/vulkan.h>\n").unwrap();
    match run_checker("cc", &["-fsyntax-only", &text(&vulkan)]) {
        Some(output) if output.status.success() => {}
        Some(_) => return say("NOT RUN: the C program, for want of Vulkan's headers (libvulkan-dev)"),
        None => return say("NOT RUN: the C program, for want of cc"),
    }
    let include = format!("-I{}", text(folder.path()));
    let flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", &include];
    let (source, out) = (text(&source), text(&program));
    let arguments = [&flags[..], &[&source, "-lvulkan", "-lm", "-o", &out]].concat();
    let output = run_checker("cc", &arguments).expect("it was there a moment ago");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(&program).arg(folder.path()).output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success() && told.contains("the worst error is"), "{told}");
}

#[test]
fn folders_appear_whole_or_not_at_all() {
    let sandbox = tempfile::tempdir().unwrap();
    let note = |text: &str| serde_json::json!({"schema": SCHEMA, "shaders": [], "note": text}).to_string();
    let files = |text: &str| BTreeMap::from([(MANIFEST.to_string(), note(text).into_bytes())]);
    let index = serde_json::json!({"schema": INDEX_SCHEMA, "exports": [{"folder": "a", "files": ["b.txt"]}]});
    let nested = BTreeMap::from([
        ("a/b.txt".to_string(), b"b".to_vec()),
        (MANIFEST.to_string(), note("2").into_bytes()),
        (INDEX.to_string(), index.to_string().into_bytes()),
    ]);
    let target = sandbox.path().join("deep/export");
    write_folder(&target, &files("1"), false).unwrap();
    let refused = |result: wgconv::Result<()>, words: &str| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::File { .. }) && error.to_string().contains(words), "{error}");
    };
    refused(write_folder(&target, &nested, false), "it exists and is not empty");
    assert_eq!(fs::read_to_string(target.join(MANIFEST)).unwrap(), note("1"));
    write_folder(&target, &nested, true).unwrap();
    assert_eq!(fs::read_to_string(target.join(MANIFEST)).unwrap(), note("2"));
    assert_eq!(fs::read_to_string(target.join("a/b.txt")).unwrap(), "b");
    write_folder(&target, &files("3"), true).unwrap();
    assert!(!target.join("a").exists());
    // A file that no list names is somebody's.
    fs::write(target.join("notes.txt"), "mine").unwrap();
    refused(write_folder(&target, &nested, true), "notes.txt");
    assert_eq!(fs::read_to_string(target.join(MANIFEST)).unwrap(), note("3"));
    // Nobody's folder is replaced, and no file.
    let other = sandbox.path().join("other");
    fs::create_dir(&other).unwrap();
    write_folder(&other, &files("4"), false).unwrap();
    fs::remove_file(other.join(MANIFEST)).unwrap();
    fs::write(other.join("thesis.txt"), "years of work").unwrap();
    refused(write_folder(&other, &files("5"), true), "it holds no export");
    refused(write_folder(&other.join("thesis.txt"), &files("5"), true), "it is no folder");
    let left: Vec<_> = fs::read_dir(sandbox.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    // A file where a folder should be leaves nothing behind.
    let broken = BTreeMap::from([("a".to_string(), Vec::new()), ("a/b".to_string(), Vec::new())]);
    refused(write_folder(&sandbox.path().join("broken"), &broken, false), "cannot write");
    assert_eq!(fs::read_dir(sandbox.path()).unwrap().count(), 2);
    assert!(TensorName::parse("workspace").is_none() && TensorName::parse("packed").is_none());
}
