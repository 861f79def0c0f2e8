//! Static evidence, without an adapter: every shader variant that lowering can produce is valid WGSL, translates to every
//! backend's language, and agrees with its uniform on the host.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use naga::valid::{Capabilities as NagaCapabilities, ModuleInfo, ValidationFlags, Validator};
use wgconv::kernels::{kernels, parts};
use wgconv::program::{Constant, Variant, View, iterations, view_fields};
use wgconv::{
    Access, Algorithm, Capabilities, Conv, ConvTranspose, DeformConv2d, Geometry, Gradient, Layout, Options,
    PaddingMode, Pool, PoolMode, Problem, SpatialSeparable2d, Storage, TensorName, Tile, lower,
};

/// Problems that reach every combination of prelude constants that lowering can produce.
fn problems() -> Vec<Problem> {
    let mut problems: Vec<Problem> = common::zoo().into_iter().map(|(_, problem)| problem).collect();
    problems.extend(common::epilogues());
    problems.push(Conv::new(1, 24, [20, 24, 24], 32, [3, 3, 3]).padding(1).into());
    // Quads of channels, which lie next to each other where channels come last.
    problems.push(Conv::new(1, 8, [20, 20], 8, [1, 1]).into());
    // Much work over few positions, for which packing weights does not pay.
    problems.push(Conv::new(1, 512, [8, 8], 512, [1, 1]).into());
    // Enough tiles for the large GEMM.
    problems.push(Conv::new(2, 64, [112, 112], 128, [1, 1]).into());
    for mask in [false, true] {
        problems.push(DeformConv2d::new(2, 8, [96, 96], 65, [1, 1]).mask(mask).into());
    }
    let modes = [PaddingMode::Zeros, PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular];
    for mode in modes {
        problems.push(SpatialSeparable2d::new(1, 2, [9, 9], [3, 3]).padding(1).padding_mode(mode).into());
        for flip in [false, true] {
            // Sliding rows or not, in the depthwise kernel.
            for stride in [1, 2] {
                let depthwise = Conv::new(1, 2, [9, 9], 2, [3, 3]).groups(2).stride(stride).padding(1);
                problems.push(depthwise.padding_mode(mode).flip_kernel(flip).into());
            }
            // Tiles eight columns wide.
            for width in [30, 32] {
                let wide = Conv::new(1, 64, [30, width], 64, [3, 3]).padding(1);
                problems.push(wide.padding_mode(mode).flip_kernel(flip).into());
                let strided = Conv::new(1, 64, [60, 2 * width], 64, [3, 3]).stride(2).padding(1);
                problems.push(strided.padding_mode(mode).into());
                let separate = Conv::new(1, 128, [60, 2 * width], 128, [1, 1]).stride(2);
                problems.push(separate.padding_mode(mode).into());
                let phases = ConvTranspose::new(1, 64, [20, width], 64, [4, 4]).stride(2).padding(1);
                problems.push(phases.flip_kernel(flip).into());
            }
            // Every kernel extent that the dilated kernel unrolls.
            for kernel_h in 1..=7 {
                for kernel_w in 1..=7 {
                    let dilated = Conv::new(1, 2, [24, 24], 2, [kernel_h, kernel_w]).dilation(2).padding(1);
                    problems.push(dilated.padding_mode(mode).flip_kernel(flip).into());
                }
            }
        }
    }
    for (pad_value, indices) in [(None, false), (None, true), (Some(0.0), false), (Some(0.0), true)] {
        problems.push(Pool::max(1, 2, [9, 9], [3, 3]).padding(1).mode(PoolMode::Max { pad_value, indices }).into());
    }
    // Both workgroup sizes of the tree, in every mode.
    for size in [4, 40] {
        for mode in [
            PoolMode::Max { pad_value: None, indices: false },
            PoolMode::Max { pad_value: None, indices: true },
            PoolMode::Average { count_include_pad: true, divisor_override: None },
            PoolMode::Lp { p: 2.0 },
        ] {
            problems.push(Pool::global(1, 2, [size, size], mode).into());
        }
    }
    problems
}

/// What the tiles of matrix products on GPUs multiply: convolutions over packed weights, stored columns, Winograd's points.
fn tiled() -> Vec<Problem> {
    let conv = |c_in, input, kernel: [usize; 2]| Conv::new(2, c_in, input, 72, kernel).padding(kernel[0] / 2);
    vec![
        conv(32, [12, 12], [3, 3]).bias(true).into(),
        // Sums that are cut, rows that cannot be stored by vec4s, panels that are not whole.
        conv(61, [7, 7], [3, 3]).into(),
        conv(1024, [4, 4], [1, 1]).residual(true).into(),
    ]
}

/// Every variant of those problems and of their gradients, under every algorithm and class.
fn variants() -> BTreeMap<String, Variant> {
    let mut problems = problems();
    let gradients: Vec<Problem> = problems.iter().flat_map(gradients).collect();
    problems.extend(gradients);
    // What is added to must be read first.
    problems.push(Gradient::all(Conv::new(1, 2, [5], 2, [2])).beta(0.5).into());
    let mut variants = BTreeMap::new();
    for problem in &tiled() {
        let geometry = Geometry::new(problem).expect("valid");
        let caps = Capabilities { max_workgroup_bytes: 32 << 10, ..Capabilities::gpu() };
        for (tile, algorithm) in
            Tile::ALL.into_iter().flat_map(|tile| Algorithm::of(problem).iter().map(move |a| (tile, *a)))
        {
            let Ok(program) = lower(&geometry, algorithm, &caps, &common::relaxed().tile(tile)) else { continue };
            variants.extend(program.launches().map(|dispatch| (dispatch.variant.label(), dispatch.variant.clone())));
        }
    }
    for problem in &problems {
        let geometry = Geometry::new(problem).expect("zoo problems are valid");
        for algorithm in Algorithm::of(problem) {
            for (capabilities, options) in &settings(&geometry) {
                let Ok(program) = lower(&geometry, *algorithm, capabilities, options) else { continue };
                // Looks up what the bound of the kernel's loops needs.
                program.launches().for_each(|dispatch| assert!(iterations(dispatch) > 0));
                variants
                    .extend(program.launches().map(|dispatch| (dispatch.variant.label(), dispatch.variant.clone())));
            }
        }
    }
    variants
}

/// Every class with f32 tensors; with f16 tensors both, one as if the device had no `SHADER_F16`.
fn settings(geometry: &Geometry) -> Vec<(Capabilities, Options)> {
    let subgroups = [4, 8].map(|size| Capabilities { subgroup_size: Some(size), ..Capabilities::cpu() });
    let classes = [Capabilities::gpu(), Capabilities::cpu()].into_iter().chain(subgroups);
    // Of tensor cores, and of a rasteriser.
    let cooperative = [(16, 32), (8, 8)].map(|(side, size)| Capabilities {
        cooperative_side: Some(side),
        subgroup_size: Some(size),
        max_workgroup_bytes: 32 << 10,
        f16: true,
        ..Capabilities::gpu()
    });
    let plain = classes.chain(cooperative).flat_map(|caps| {
        [common::relaxed(), strided(geometry), channels_last(geometry), cropped(geometry)]
            .map(|options| (caps, options))
    });
    let halves = [
        Capabilities { f16: true, ..Capabilities::gpu() },
        Capabilities { f16: true, ..subgroups[0] },
        Capabilities::cpu(),
        cooperative[0],
    ];
    let halves = halves.map(|caps| (caps, common::relaxed().storage(Storage::F16)));
    let apart = [(cooperative[0], apart(geometry))];
    plain
        .chain(halves)
        .chain(apart)
        .map(|(caps, options)| (Capabilities { f32_atomics: true, ..caps }, options))
        .collect()
}

/// With a gradient whose channels lie together, where there is one.
fn strided(geometry: &Geometry) -> Options {
    let spec = geometry.tensor(TensorName::GradOutput).filter(|spec| spec.shape.len() == 4);
    let layout = spec.map(|spec| Layout::channels_last(&spec.shape));
    layout.map_or_else(common::relaxed, |layout| common::relaxed().layout(TensorName::GradOutput, layout))
}

/// Likewise with an input of the same order.
fn channels_last(geometry: &Geometry) -> Options {
    let spec = geometry.tensor(TensorName::Input).filter(|spec| spec.shape.len() == 4);
    let options = strided(geometry);
    let layout = spec.map(|spec| Layout::channels_last(&spec.shape));
    layout.map_or_else(|| options.clone(), |layout| options.clone().layout(TensorName::Input, layout))
}

/// With an output whose rows lie apart, where it has rows.
fn cropped(geometry: &Geometry) -> Options {
    with_gaps(geometry, TensorName::Output)
}

fn with_gaps(geometry: &Geometry, tensor: TensorName) -> Options {
    let spec = geometry.tensor(tensor).filter(|spec| spec.shape.len() == 4);
    let layout = spec.map(|spec| {
        let [_, c, h, w] = spec.shape[..] else { unreachable!("four axes") };
        Layout { offset: 0, strides: vec![c * h * (w + 1), h * (w + 1), w + 1, 1] }
    });
    layout.map_or_else(common::relaxed, |layout| common::relaxed().layout(tensor, layout))
}

/// With an input whose rows lie apart, likewise.
fn apart(geometry: &Geometry) -> Options {
    with_gaps(geometry, TensorName::Input)
}

/// All gradients at once, each alone, and each pair.
fn gradients(problem: &Problem) -> Vec<Problem> {
    let names = problem.differentiable();
    let mut all: Vec<Problem> = vec![Gradient::all(problem.clone()).into()];
    for (i, &name) in names.iter().enumerate() {
        all.push(Gradient::new(problem.clone(), [name]).into());
        all.extend(names[..i].iter().map(|&other| Gradient::new(problem.clone(), [name, other]).into()));
    }
    all
}

fn validated(label: &str, source: &str) -> (naga::Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{label}: {}", error.emit_to_string(source)));
    let capabilities = NagaCapabilities::SHADER_FLOAT32_ATOMIC
        | NagaCapabilities::SUBGROUP
        | NagaCapabilities::SHADER_FLOAT16
        | NagaCapabilities::SHADER_FLOAT16_IN_FLOAT32
        | NagaCapabilities::COOPERATIVE_MATRIX;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .unwrap_or_else(|error| panic!("{label}: {}", error.emit_to_string(source)));
    (module, info)
}

#[test]
fn the_zoo_reaches_every_kernel_and_both_values_of_every_switch() {
    let variants = variants();
    for kernel in kernels() {
        let of_kernel: Vec<&Variant> = variants.values().filter(|v| v.kernel == kernel).collect();
        assert!(!of_kernel.is_empty(), "no problem lowers to {}", kernel.stem);
        for (i, constant) in kernel.constants.iter().enumerate() {
            let values: BTreeSet<_> = of_kernel.iter().map(|v| v.constants[i]).collect();
            let is_switch = matches!(values.first(), Some(Constant::Bool(_)));
            assert!(!is_switch || values.len() == 2, "{} {constant}: only {values:?} is tested", kernel.stem);
        }
    }
}

#[test]
fn every_variant_is_valid_and_translates_to_every_language() {
    for (label, variant) in variants() {
        for shared_buffers in [false, true] {
            let source = variant.source(shared_buffers);
            let (module, info) = validated(&label, &source);
            // f32 atomics and cooperative matrices exist in Vulkan and Metal alone.
            let narrow = source.contains("atomic<f32>") || variant.kernel.is_cooperative();
            translate(&label, &module, &info, narrow, source.contains("enable f16"));
            let accesses: BTreeSet<&str> = source.lines().filter(|line| line.contains("var<storage, read> ")).collect();
            assert!(!shared_buffers || accesses.is_empty(), "{label}: {accesses:?} stays read-only");
        }
    }
}

fn translate(label: &str, module: &naga::Module, info: &ModuleInfo, vulkan_and_metal_only: bool, has_f16: bool) {
    use naga::back;
    let spirv = back::spv::write_vec(module, info, &back::spv::Options::default(), None);
    assert!(spirv.is_ok_and(|words| words.len() > 100), "{label}: SPIR-V");

    let msl = back::msl::write_string(
        module,
        info,
        // The first that has cooperative matrices.
        &back::msl::Options { fake_missing_bindings: true, lang_version: (2, 3), ..Default::default() },
        &back::msl::PipelineOptions::default(),
    );
    assert!(msl.as_ref().is_ok_and(|(text, _)| text.contains("kernel")), "{label}: MSL {:?}", msl.err());

    if vulkan_and_metal_only {
        return;
    }
    let mut text = String::new();
    let options = back::hlsl::Options { fake_missing_bindings: true, ..Default::default() };
    let pipeline = back::hlsl::PipelineOptions::default();
    let hlsl = back::hlsl::Writer::new(&mut text, &options, &pipeline).write(module, info, None);
    assert!(hlsl.is_ok(), "{label}: HLSL {:?}", hlsl.err());
    assert!(text.contains("numthreads"), "{label}: HLSL without an entry point");

    // Devices under GL have no f16.
    if has_f16 {
        return;
    }
    let mut text = String::new();
    let options = back::glsl::Options {
        version: back::glsl::Version::Embedded { version: 310, is_webgl: false },
        ..Default::default()
    };
    let pipeline = back::glsl::PipelineOptions {
        shader_stage: naga::ShaderStage::Compute,
        entry_point: "main".into(),
        multiview: None,
    };
    let glsl = back::glsl::Writer::new(&mut text, module, info, &options, &pipeline, Default::default())
        .and_then(|mut writer| writer.write());
    assert!(glsl.is_ok(), "{label}: GLSL {:?}", glsl.err());
    assert!(text.contains("local_size_x"), "{label}: GLSL without an entry point");
}

/// Member names and offsets of a struct as naga sees it.
fn members(module: &naga::Module, name: &str) -> (Vec<(String, usize)>, usize) {
    let (_, ty) = module
        .types
        .iter()
        .find(|(_, ty)| ty.name.as_deref() == Some(name))
        .unwrap_or_else(|| panic!("no struct {name}"));
    let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("{name} is no struct") };
    let list = members.iter().map(|m| (m.name.clone().unwrap_or_default(), m.offset as usize)).collect();
    (list, *span as usize)
}

#[test]
fn host_and_shader_agree_on_uniforms_and_bindings() {
    let owned = |fields: Vec<(&'static str, usize)>| -> Vec<(String, usize)> {
        fields.into_iter().map(|(name, offset)| (name.to_string(), offset)).collect()
    };
    for (label, variant) in variants() {
        let kernel = variant.kernel;
        let (module, _) = validated(&label, &variant.source(false));
        let (fields, span) = members(&module, kernel.uniform.struct_name());
        assert_eq!(fields, owned(kernel.uniform.fields()), "{label}");
        assert_eq!(span, kernel.uniform.size(), "{label}");
        if kernel.parts().iter().any(|part| part.stem == "view") {
            let (fields, span) = members(&module, "View");
            assert_eq!(fields, owned(view_fields()), "{label}");
            assert_eq!(span, size_of::<View>(), "{label}");
        }

        let mut bindings: Vec<(u32, String, Option<Access>)> = Vec::new();
        for (_, variable) in module.global_variables.iter() {
            let Some(binding) = &variable.binding else { continue };
            assert_eq!(binding.group, 0, "{label}");
            let access = match variable.space {
                naga::AddressSpace::Uniform => None,
                naga::AddressSpace::Storage { access } if access.contains(naga::StorageAccess::STORE) => {
                    Some(Access::Write)
                }
                naga::AddressSpace::Storage { .. } => Some(Access::Read),
                other => panic!("{label}: {other:?}"),
            };
            bindings.push((binding.binding, variable.name.clone().unwrap_or_default(), access));
        }
        bindings.sort_by_key(|(binding, ..)| *binding);
        let mut expected = vec![(0, "params".to_string(), None)];
        for (i, spec) in kernel.bindings.iter().enumerate() {
            expected.push((i as u32 + 1, spec.name.to_string(), Some(spec.access)));
        }
        assert_eq!(bindings, expected, "{label}");
    }
}

/// The folders of files below `parent` that have an extension, with the stems of the files.
fn stems(parent: &str, extension: &str) -> BTreeMap<String, BTreeSet<String>> {
    let parent = Path::new(env!("CARGO_MANIFEST_DIR")).join(parent);
    let entries = |path: &Path| -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        entries.map(|entry| entry.expect("readable folder").path()).collect()
    };
    let stem = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    let of = |folder: &Path| {
        let files = entries(folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == extension));
        files.map(|path| stem(&path)).collect()
    };
    entries(&parent).into_iter().filter(|path| path.is_dir()).map(|path| (stem(&path), of(&path))).collect()
}

/// Folders of shaders that are no kernels.
const NO_KERNELS: [&str; 4] = ["bench", "lab", "lib", "tiles"];

#[test]
fn stems_line_up() {
    let shaders = stems("shaders", "wgsl");
    let launchers = stems("src/kernels", "rs");
    let of_kernels = shaders.iter().filter(|(folder, _)| !NO_KERNELS.contains(&folder.as_str()));
    for (family, stems) in of_kernels {
        let entries: BTreeSet<&str> = kernels().iter().map(|kernel| kernel.stem).collect();
        let lacking: Vec<&String> = stems.iter().filter(|stem| !entries.contains(stem.as_str())).collect();
        assert!(lacking.is_empty(), "no kernel! entry for shaders/{family}: {lacking:?}");
        let of_family: Vec<&String> = launchers[family].iter().filter(|stem| !stems.contains(*stem)).collect();
        assert!(of_family.is_empty(), "launchers of no shader in src/kernels/{family}: {of_family:?}");
    }
    let files: BTreeSet<&String> = [&shaders["lib"], &shaders["tiles"]].into_iter().flatten().collect();
    assert_eq!(files, parts().iter().map(|part| part.stem.to_string()).collect::<BTreeSet<_>>().iter().collect());
    for kernel in kernels() {
        let texts = || std::iter::once(kernel.source()).chain(kernel.parts().iter().map(|part| part.source));
        for constant in kernel.constants {
            assert!(texts().any(|text| text.contains(constant)), "{} does not use {constant}", kernel.stem);
        }
        for word in ["Dispatch:", "Prelude:"] {
            assert!(kernel.source().contains(word), "{} does not document its {word}", kernel.stem);
        }
    }
}

/// What a text declares at module scope and what it uses without declaring it.
struct Names {
    declared: BTreeSet<String>,
    used: BTreeSet<String>,
    /// What its first line names.
    needs: BTreeSet<String>,
}

impl Names {
    fn of(text: &str) -> Names {
        let needs =
            text.lines().next().and_then(|line| line.strip_prefix("// needs: ")).expect("a first line of needs");
        let needs = needs.split(' ').filter(|need| *need != "nothing").map(str::to_owned).collect();
        let (mut declared, mut local, mut used) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut depth = 0;
        for line in text.lines().map(|line| line.split("//").next().unwrap_or_default()) {
            let words = words(line);
            for (i, &(word, before, after)) in words.iter().enumerate() {
                let previous = i.checked_sub(1).map(|i| words[i].0);
                let declares = match previous {
                    Some("fn" | "struct" | "alias" | "const") => true,
                    // Behind an address space there is one more word.
                    _ => words[..i].iter().any(|(word, ..)| *word == "var") && after == Some(':') && depth == 0,
                };
                if declares && depth == 0 {
                    declared.insert(word.to_owned());
                } else if after == Some(':') || matches!(previous, Some("let" | "var" | "const")) {
                    local.insert(word.to_owned());
                } else if before != Some('.') {
                    used.insert(word.to_owned());
                }
            }
            depth += line.matches('{').count();
            depth -= line.matches('}').count();
        }
        used.retain(|word| !declared.contains(word) && !local.contains(word));
        Names { declared, used, needs }
    }
}

/// The identifiers of a line, each with the characters beside it that are no blanks.
fn words(line: &str) -> Vec<(&str, Option<char>, Option<char>)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut start = 0;
    while let Some(from) = line[start..].find(is_word).map(|at| start + at) {
        let to = line[from..].find(|c| !is_word(c)).map_or(line.len(), |at| from + at);
        if !line[from..].starts_with(|c: char| c.is_ascii_digit()) {
            let beside = |text: &str, last: bool| {
                let mut chars = text.chars().filter(|c| !c.is_whitespace());
                if last { chars.next_back() } else { chars.next() }
            };
            found.push((&line[from..to], beside(&line[..from], true), beside(&line[to..], false)));
        }
        start = to;
    }
    found
}

#[test]
fn first_lines_name_the_parts_that_are_used_and_no_others() {
    let of_parts: BTreeMap<&str, Names> = parts().iter().map(|part| (part.stem, Names::of(part.source))).collect();
    let mut of_kernels: BTreeMap<&str, Names> = kernels().iter().map(|k| (k.stem, Names::of(k.source()))).collect();
    for kernel in kernels() {
        let names = of_kernels.get_mut(kernel.stem).expect("it was listed");
        names.used.retain(|word| !kernel.constants.contains(&word.as_str()));
    }
    let in_kernels: BTreeSet<&String> = of_kernels.values().flat_map(|names| &names.declared).collect();
    let owners = |word: &String| -> Vec<&str> {
        of_parts.iter().filter(|(_, names)| names.declared.contains(word)).map(|(stem, _)| *stem).collect()
    };
    let mut wrong = Vec::new();
    for (stem, names) in of_parts.iter().chain(&of_kernels) {
        let is_part = of_parts.contains_key(stem);
        for word in &names.used {
            // What several parts or a kernel define, a part calls back.
            match owners(word)[..] {
                [owner] if names.needs.contains(owner) || (is_part && in_kernels.contains(word)) => {}
                [owner] => wrong.push(format!("{stem} uses {word} of {owner}")),
                _ => {}
            }
        }
        for need in &names.needs {
            let serves = |words: &BTreeSet<String>| of_parts[need.as_str()].declared.iter().any(|d| words.contains(d));
            // A main, and what a main calls back, are used by no word of the kernel.
            let is_main = of_parts[need.as_str()].declared.contains("main");
            let called_back = names.needs.iter().any(|other| other != need && serves(&of_parts[other.as_str()].used));
            if !serves(&names.used) && !(!is_part && (is_main || called_back)) {
                wrong.push(format!("{stem} does not use {need}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
