//! Shaders for programs without this library: a problem by an algorithm as WGSL, SPIR-V, MSL, HLSL and GLSL, with a
//! manifest of everything that running it takes. Needs no device; `docs/export.md` describes the manifest and how each
//! language finds its bindings.
//!
//! ```
//! use wgconv::export::{Language, Settings, export};
//! use wgconv::{Algorithm, Capabilities, Conv, Options};
//! let layer = Conv::new(1, 64, [56, 56], 128, [3, 3]).padding(1).bias(true).into();
//! let settings = Settings { languages: vec![Language::Spirv], ..Settings::default() };
//! let options = Options::default().algorithm(Algorithm::ImplicitGemm);
//! let bundle = export(&layer, &Capabilities::gpu(), &options, &settings)?;
//! assert_eq!(bundle.manifest.steps.len(), 1);
//! assert!(bundle.files.contains_key("manifest.json"));
//! # Ok::<(), wgconv::Error>(())
//! ```

mod folder;
mod header;
mod manifest;
mod translate;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::algorithm::{Accuracy, Algorithm};
use crate::capabilities::Capabilities;
use crate::choose::choose;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::options::Options;
use crate::problem::Problem;
use crate::program::{self, Dispatch, Memory, Program, Span, iterations};
use crate::tensor::{ElementType, Storage};
pub use folder::{INDEX, INDEX_SCHEMA, expect_folder, write_folder};
pub use manifest::{
    Binding, BindingAccess, Block, Choices, Constant, Exactness, Feature, Field, File, MANIFEST, Manifest, Range,
    Requirements, SCHEMA, Shader, Slot, Step, Tensor, TensorElement,
};
use manifest::{PACKED, UNUSED, WORKSPACE, hexadecimal};
use translate::Parsed;

/// A language that shaders are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// For WebGPU.
    Wgsl,
    /// For Vulkan 1.1 and later.
    Spirv,
    /// For Metal.
    Msl,
    /// For Direct3D 12.
    Hlsl,
    /// For OpenGL 4.5 and later.
    Glsl,
    /// For OpenGL ES 3.1 and later.
    GlslEs,
}

impl Language {
    /// Every language.
    pub const ALL: [Language; 6] =
        [Language::Wgsl, Language::Spirv, Language::Msl, Language::Hlsl, Language::Glsl, Language::GlslEs];

    /// Its name in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Language::Wgsl => "wgsl",
            Language::Spirv => "spirv",
            Language::Msl => "msl",
            Language::Hlsl => "hlsl",
            Language::Glsl => "glsl",
            Language::GlslEs => "glsl-es",
        }
    }

    /// The language of that name.
    pub fn parse(name: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.name() == name)
    }

    /// What its files end with.
    pub fn extension(self) -> &'static str {
        match self {
            Language::Wgsl => "wgsl",
            Language::Spirv => "spv",
            Language::Msl => "metal",
            Language::Hlsl => "hlsl",
            Language::Glsl => "comp",
            Language::GlslEs => "es.comp",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What to write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The languages, each of which must be possible; none stands for all that are.
    pub languages: Vec<Language>,
    /// The name of a C header to write as well: a C identifier, which what it declares begins with.
    pub header: Option<String>,
    /// Also kernels that multiply cooperative matrices, in SPIR-V alone: what wgpu calls experimental, for those who look at
    /// the code. Manifests say so by [`Feature::CooperativeMatrices`].
    pub experimental: bool,
}

/// An export: a manifest and the files that go with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// What it is.
    pub manifest: Manifest,
    /// Every file by its name, the manifest among them.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Exports a problem for a device of such capabilities. The options say how it is computed, as they do for a
/// [`Plan`](crate::gpu::Plan); with [`Options::runtime_checks`] the shaders check bounds. Everything is in memory: the texts of
/// all languages, a few hundred KB, and nothing of the tensors.
///
/// Fails as [`Geometry::new`] and [`choose`] do, and with [`Error::Unsupported`] where a language that was asked for cannot
/// express a kernel and where a kernel multiplies cooperative matrices, unless [`Settings::experimental`] allows them; [`Error::Invalid`] is a header's name that is no
/// identifier in small letters.
pub fn export(
    problem: &Problem,
    capabilities: &Capabilities,
    options: &Options,
    settings: &Settings,
) -> Result<Bundle> {
    let geometry = Geometry::new(problem)?;
    let choice = choose(&geometry, capabilities, options)?;
    let program = &choice.program;
    let mut writer = Writer {
        program,
        capabilities,
        languages: &settings.languages,
        experimental: settings.experimental,
        shaders: Vec::new(),
        known: BTreeMap::new(),
        blocks: BTreeMap::new(),
        files: BTreeMap::new(),
    };
    let packing = writer.steps(&program.packing_steps(capabilities)?)?;
    let steps = writer.steps(&program.steps(capabilities)?)?;
    let mut manifest = writer.manifest(&choice.reason, packing, steps);
    let mut files = writer.files;
    if let Some(name) = &settings.header {
        let text = header::header(name, &manifest)?;
        let path = format!("{name}.h");
        files.insert(path.clone(), text.into_bytes());
        manifest.header = Some(path);
    }
    files.insert(MANIFEST.into(), manifest.to_json()?.into_bytes());
    Ok(Bundle { manifest, files })
}

struct Writer<'a> {
    program: &'a Program,
    capabilities: &'a Capabilities,
    languages: &'a [Language],
    experimental: bool,
    shaders: Vec<Shader>,
    /// Place of the shader of a variant's label, with buffers shared or not.
    known: BTreeMap<(String, bool), usize>,
    blocks: BTreeMap<String, Block>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Writer<'_> {
    fn steps(&mut self, steps: &[program::Step]) -> Result<Vec<Step>> {
        let launches: Vec<&Dispatch> = self.program.launches().collect();
        steps.iter().map(|step| self.step(launches[step.launch], step)).collect()
    }

    fn step(&mut self, dispatch: &Dispatch, step: &program::Step) -> Result<Step> {
        let range = |span: &Span| {
            let memory = match span.memory {
                Memory::Tensor(name) => name.as_str(),
                Memory::Workspace => WORKSPACE,
                Memory::Packed => PACKED,
                Memory::Unused => UNUSED,
            };
            Range { memory: memory.into(), offset: span.offset, bytes: span.bytes }
        };
        Ok(Step {
            shader: self.shader(dispatch)?,
            first_image: step.first_image,
            images: step.images,
            workgroups: step.grid,
            parameters: hexadecimal(step.params.bytes()),
            bindings: step.spans.iter().map(range).collect(),
        })
    }

    /// The place of a variant's shader; the first time it is written.
    fn shader(&mut self, dispatch: &Dispatch) -> Result<usize> {
        let variant = &dispatch.variant;
        let key = (variant.label(), self.program.shares_buffers(dispatch));
        if let Some(&place) = self.known.get(&key) {
            return Ok(place);
        }
        let kernel = variant.kernel;
        if kernel.is_cooperative() && !self.experimental {
            return Err(Error::Unsupported {
                what: format!("export of {}", kernel.stem),
                reason: "cooperative matrices are an experiment of one backend: take another algorithm".into(),
            });
        }
        let same = self.shaders.iter().filter(|shader| shader.kernel == kernel.stem).count();
        let name = if same == 0 { kernel.stem.to_string() } else { format!("{}_{}", kernel.stem, same + 1) };
        let parsed = Parsed::new(&key.0, self.program.source(dispatch), self.program.options.runtime_checks)?;
        let (mut files, mut unavailable) = (BTreeMap::new(), BTreeMap::new());
        let wanted = if self.languages.is_empty() { &Language::ALL[..] } else { self.languages };
        for &language in wanted {
            match parsed.write(language, &name) {
                Ok(written) => {
                    self.files.insert(written.file.path.clone(), written.bytes);
                    files.insert(language, written.file);
                }
                Err(reason) if self.languages.is_empty() || kernel.is_cooperative() => {
                    unavailable.insert(language, reason);
                }
                Err(reason) => {
                    return Err(Error::Unsupported { what: format!("{} in {language}", kernel.stem), reason });
                }
            }
        }
        let mut block_name = String::new();
        if let Some(block) = parsed.block() {
            block_name.clone_from(&block.name);
            self.blocks.insert(block.name.clone(), block);
        }
        let constants = kernel.constant_names().zip(&variant.constants);
        let shader = Shader {
            name,
            kernel: kernel.stem.into(),
            constants: constants.map(|(name, value)| (name.into(), constant(*value))).collect(),
            precondition: kernel.precondition.into(),
            workgroup_size: parsed.workgroup_size(),
            workgroup_bytes: parsed.workgroup_variables().iter().sum(),
            features: parsed.features(),
            block: block_name,
            bindings: parsed.bindings(),
            files,
            unavailable,
        };
        self.shaders.push(shader);
        self.known.insert(key, self.shaders.len() - 1);
        Ok(self.shaders.len() - 1)
    }

    fn manifest(&mut self, reason: &str, packing: Vec<Step>, steps: Vec<Step>) -> Manifest {
        let Program { geometry, options, algorithm, .. } = self.program;
        let algorithm = *algorithm;
        let ranges = packing.iter().chain(&steps).flat_map(|step| &step.bindings);
        let unused_bytes =
            ranges.filter(|range| range.memory == UNUSED).map(|range| range.offset + range.bytes).max().unwrap_or(0);
        let tensors: Vec<Tensor> = geometry
            .tensors()
            .iter()
            .map(|spec| {
                let layout = options.layout_of(spec);
                let bytes = self.program.tensor_bytes(spec);
                let element = match (spec.element, options.storage) {
                    (ElementType::U32, _) => TensorElement::U32,
                    (ElementType::Real, Storage::F32) => TensorElement::F32,
                    (ElementType::Real, Storage::F16) => TensorElement::F16,
                };
                let (name, access) = (spec.name, spec.access);
                Tensor { name, shape: spec.shape.clone(), element, access, layout, bytes }
            })
            .collect();
        let mut manifest = Manifest {
            schema: SCHEMA.into(),
            generator: concat!("wgconv ", env!("CARGO_PKG_VERSION")).into(),
            operation: geometry.problem().op_name(),
            problem: geometry.problem().clone(),
            algorithm,
            reason: reason.into(),
            choices: Choices {
                accuracy: options.accuracy,
                storage: options.storage,
                tile: options.tile,
                pack_weights: options.pack_weights,
                runtime_checks: options.runtime_checks,
                shared_buffers: options.shared_buffers,
                workspace_limit: options.workspace_limit,
            },
            capabilities: *self.capabilities,
            accuracy: Exactness {
                class: algorithm.accuracy(),
                bound: bound(algorithm).into(),
                stored: stored(options.storage).map(Into::into),
                deterministic: algorithm.is_deterministic(),
            },
            requirements: Requirements {
                features: Vec::new(),
                subgroup_size: None,
                limits: BTreeMap::new(),
                storage_alignment: self.capabilities.storage_alignment,
                loop_iterations: self.program.launches().map(iterations).max(),
            },
            preconditions: preconditions(),
            tensors,
            workspace_bytes: self.program.workspace_bytes,
            packed_bytes: self.program.packed_bytes,
            unused_bytes,
            blocks: std::mem::take(&mut self.blocks).into_values().collect(),
            shaders: std::mem::take(&mut self.shaders),
            header: None,
            packing,
            steps,
        };
        let features: BTreeSet<Feature> =
            manifest.shaders.iter().flat_map(|shader| shader.features.iter().copied()).collect();
        if features.contains(&Feature::Subgroups) || features.contains(&Feature::CooperativeMatrices) {
            manifest.requirements.subgroup_size = self.capabilities.subgroup_size;
        }
        manifest.requirements.features = features.into_iter().collect();
        manifest.requirements.limits = limits(&manifest);
        manifest
    }
}

fn constant(value: program::Constant) -> Constant {
    match value {
        program::Constant::U32(value) => Constant::U32(value),
        program::Constant::Bool(value) => Constant::Bool(value),
    }
}

/// What an algorithm's accuracy class promises of it, in a sentence.
fn bound(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::WinogradF2 | Algorithm::WinogradF2Fused => {
            "Winograd F(2x2, 3x3): |computed - exact| <= g(C + 32) |A|^T (sum |G||g||G|^T * |B|^T|d||B|) |A| over the \
             C input channels of a group, g(n) = n u / (1 - n u), u = 2^-24; on data of one scale no more than a plain \
             sum"
        }
        Algorithm::WinogradF4 => {
            "Winograd F(4x4, 3x3): |computed - exact| <= g(C + 32) |A|^T (sum |G||g||G|^T * |B|^T|d||B|) |A| over the \
             C input channels of a group, g(n) = n u / (1 - n u), u = 2^-24; on data of one scale a few times a plain \
             sum's"
        }
        Algorithm::CooperativeGemm => {
            "|computed - exact| <= (g(max(K, 2P) + 40) + 8 u) sum |a||b| + 2^-39 (A sum |b| + B sum |a|) over the K \
             products of an output in P panels, A and B the largest magnitudes of input and weight, g(n) = n u / (1 - n u), \
             u = 2^-24"
        }
        Algorithm::CooperativeGemmF16 | Algorithm::CooperativePackedF16 => {
            "|computed - exact| <= (g(2 K + 40) + 2^-10) sum |a||b| + 2^-28 (A sum |b| + B sum |a|) over the K products of \
             an output, A and B the largest magnitudes of input and weight, g(n) = n u / (1 - n u), u = 2^-24"
        }
        _ => {
            debug_assert_eq!(algorithm.accuracy(), Accuracy::Strict, "{algorithm} has a bound of its own");
            "|computed - exact| <= g(K + 2) sum |a||b| over the K products of an output, g(n) = n u / (1 - n u), \
             u = 2^-24"
        }
    }
}

/// What storing a result adds to its error, in a sentence.
fn stored(storage: Storage) -> Option<&'static str> {
    match storage {
        Storage::F32 => None,
        Storage::F16 => Some(
            "with e the bound of the sum, another 2^-10 (|exact| + e) + 2^-14: rounded up or down, subnormals may be \
             zero; beyond 65504 infinite",
        ),
    }
}

/// What holds for every export.
fn preconditions() -> Vec<String> {
    let rules = [
        "the device offers what `requirements` lists",
        "every tensor has a memory of at least its `bytes`, and so have workspace, packed weights and dummies",
        "every memory starts at a multiple of `storage_alignment`",
        "memories of tensors that are written, the workspace and the packed weights overlap no other memory",
        "steps run in their order, and each sees what those before it wrote: a barrier between any two",
        "the parameters of a step hold its bytes, the first one lowest",
    ];
    rules.map(Into::into).to_vec()
}

/// The least values of limits.
fn limits(manifest: &Manifest) -> BTreeMap<String, u64> {
    let mut limits: BTreeMap<&str, u64> = BTreeMap::new();
    let mut need = |name: &'static str, value: u64| {
        let most = limits.entry(name).or_default();
        *most = value.max(*most);
    };
    for step in manifest.packing.iter().chain(&manifest.steps) {
        need("max_storage_buffers_per_shader_stage", step.bindings.len() as u64);
        for range in &step.bindings {
            need("max_storage_buffer_binding_size", range.bytes);
        }
        for workgroups in step.workgroups {
            need("max_compute_workgroups_per_dimension", workgroups.into());
        }
    }
    for shader in &manifest.shaders {
        let [x, y, z] = shader.workgroup_size;
        need("max_compute_workgroup_size_x", x.into());
        need("max_compute_workgroup_size_y", y.into());
        need("max_compute_workgroup_size_z", z.into());
        need("max_compute_invocations_per_workgroup", [x, y, z].iter().copied().map(u64::from).product());
        need("max_compute_workgroup_storage_size", shader.workgroup_bytes.into());
    }
    for block in &manifest.blocks {
        need("max_uniform_buffer_binding_size", block.bytes.into());
    }
    let scratch = [manifest.workspace_bytes, manifest.packed_bytes, manifest.unused_bytes];
    for bytes in manifest.tensors.iter().map(|tensor| tensor.bytes).chain(scratch) {
        need("max_buffer_size", bytes);
    }
    limits.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}
