//! A WGSL module in every language, through naga.

use std::collections::BTreeMap;

use naga::back::{self, glsl, hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy, GlobalCtx};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ResourceBinding, ScalarKind, ShaderStage, StorageAccess, TypeInner};

use super::Language;
use super::manifest::{Binding, BindingAccess, Block, Feature, Field, File, Slot};
use crate::error::{Error, Result};

/// Name of every kernel's entry point.
const ENTRY_POINT: &str = "main";
/// SPIR-V 1.3 is Vulkan 1.1's, the first one with subgroups.
const SPIRV_VERSION: (u8, u8) = (1, 3);
/// Metal 2.1 is the first one with SIMD-group operations on macOS.
const MSL_VERSION: (u8, u8) = (2, 1);
/// The first one with f32 atomics.
const MSL_VERSION_OF_F32_ATOMICS: (u8, u8) = (3, 0);
/// Register `b` of the workgroup counts, behind the parameters.
const HLSL_WORKGROUP_COUNTS: u32 = 1;

/// A parsed and validated module.
pub(super) struct Parsed {
    source: String,
    module: Module,
    info: ModuleInfo,
    checks: bool,
    /// The module as SPIR-V, which tells what features it needs.
    spirv: Vec<u32>,
}

/// A file and what there is to say about it.
pub(super) struct Written {
    pub bytes: Vec<u8>,
    pub file: File,
}

impl Parsed {
    /// Parses the source of a kernel variant. With `checks` what it is translated to checks bounds and bounds loops.
    pub fn new(label: &str, source: String, checks: bool) -> Result<Parsed> {
        let refused = |reason: String| Error::Unsupported { what: label.into(), reason };
        let module = naga::front::wgsl::parse_str(&source).map_err(|error| refused(error.emit_to_string(&source)))?;
        let info = Validator::new(ValidationFlags::all(), Capabilities::all())
            .validate(&module)
            .map_err(|error| refused(error.emit_to_string(&source)))?;
        let spirv = spirv(&module, &info, checks).map_err(refused)?;
        Ok(Parsed { source, module, info, checks, spirv })
    }

    /// Invocations of a workgroup.
    pub fn workgroup_size(&self) -> [u32; 3] {
        self.module.entry_points.first().map_or([0; 3], |entry| entry.workgroup_size)
    }

    /// Bytes of every variable in workgroup memory that the entry point uses.
    pub fn workgroup_variables(&self) -> Vec<u32> {
        let used = self.info.get_entry_point(0);
        let variables = self.module.global_variables.iter();
        variables
            .filter(|(handle, variable)| variable.space == AddressSpace::WorkGroup && !used[*handle].is_empty())
            .map(|(_, variable)| self.module.types[variable.ty].inner.size(self.ctx()))
            .collect()
    }

    /// What it needs beyond WebGPU's core.
    pub fn features(&self) -> Vec<Feature> {
        let capabilities = instructions(&self.spirv, Opcode::Capability);
        let has = |wanted: &dyn Fn(u32) -> bool| capabilities.iter().any(|operands| wanted(operands[0]));
        let mut features = Vec::new();
        if has(&|capability| SUBGROUP_CAPABILITIES.contains(&capability)) {
            features.push(Feature::Subgroups);
        }
        if has(&|capability| capability == spirv_name::ATOMIC_FLOAT32_ADD) {
            features.push(Feature::F32Atomics);
        }
        if has(&|capability| capability == spirv_name::FLOAT16) {
            features.push(Feature::F16);
        }
        if has(&|capability| capability == spirv_name::COOPERATIVE_MATRIX) {
            features.push(Feature::CooperativeMatrices);
        }
        features
    }

    /// The bindings in the order of their numbers.
    pub fn bindings(&self) -> Vec<Binding> {
        let mut bindings = BTreeMap::new();
        for (_, variable) in self.module.global_variables.iter() {
            let Some(binding) = &variable.binding else { continue };
            let ty = &self.module.types[variable.ty];
            let (access, element) = match (variable.space, &ty.inner) {
                (AddressSpace::Storage { access }, &TypeInner::Array { base, .. }) => {
                    let access = match access.contains(StorageAccess::STORE) {
                        true => BindingAccess::ReadWrite,
                        false => BindingAccess::Read,
                    };
                    (access, self.module.types[base].inner.for_people())
                }
                _ => (BindingAccess::Uniform, ty.name.clone().unwrap_or_default()),
            };
            bindings
                .insert(binding.binding, Binding { name: variable.name.clone().unwrap_or_default(), access, element });
        }
        bindings.into_values().collect()
    }

    /// The parameter block.
    pub fn block(&self) -> Option<Block> {
        let mut variables = self.module.global_variables.iter();
        let (_, variable) = variables.find(|(_, variable)| variable.space == AddressSpace::Uniform)?;
        let ty = &self.module.types[variable.ty];
        let mut fields = Vec::new();
        self.flatten("", 0, &ty.inner, &mut fields);
        Some(Block { name: ty.name.clone().unwrap_or_default(), bytes: ty.inner.size(self.ctx()), fields })
    }

    fn flatten(&self, name: &str, offset: u32, inner: &TypeInner, fields: &mut Vec<Field>) {
        match inner {
            TypeInner::Struct { members, .. } => {
                for member in members {
                    let own = member.name.as_deref().unwrap_or_default();
                    let name = if name.is_empty() { own.to_string() } else { format!("{name}.{own}") };
                    self.flatten(&name, offset + member.offset, &self.module.types[member.ty].inner, fields);
                }
            }
            TypeInner::Scalar(scalar) => {
                fields.push(Field { name: name.into(), offset, element: scalar_name(*scalar), count: 1 });
            }
            TypeInner::Vector { size, scalar } => {
                let count = *size as u32;
                fields.push(Field { name: name.into(), offset, element: scalar_name(*scalar), count });
            }
            other => debug_assert!(false, "{name}: {other:?} in a parameter block"),
        }
    }

    fn ctx(&self) -> GlobalCtx<'_> {
        self.module.to_ctx()
    }

    fn policies(&self) -> BoundsCheckPolicies {
        policies(self.checks)
    }

    /// The module in a language; `Err` says why it cannot be had.
    pub fn write(&self, language: Language, stem: &str) -> std::result::Result<Written, String> {
        if language != Language::Spirv && self.features().contains(&Feature::CooperativeMatrices) {
            return Err("cooperative matrices are exported in SPIR-V alone".into());
        }
        let path = format!("{stem}.{}", language.extension());
        let bindings = self.bindings();
        let slots = bindings.iter().zip(0..).map(|(binding, number)| slot(language, binding.access, number)).collect();
        let file = File {
            path,
            version: String::new(),
            entry_point: ENTRY_POINT.into(),
            slots,
            extensions: Vec::new(),
            workgroup_counts: None,
            buffer_sizes: None,
            threadgroup_bytes: Vec::new(),
        };
        match language {
            Language::Wgsl => Ok(self.wgsl(file)),
            Language::Spirv => Ok(self.spirv(file)),
            Language::Msl => self.msl(file),
            Language::Hlsl => self.hlsl(file),
            // The first one that mixes integers.
            Language::Glsl => self.glsl(file, glsl::Version::Desktop(450)),
            Language::GlslEs => self.glsl(file, glsl::Version::new_gles(310)),
        }
    }

    fn wgsl(&self, file: File) -> Written {
        let mut text = self.source.clone();
        let mut extensions = Vec::new();
        if self.features().contains(&Feature::F16) {
            extensions.push("f16".to_string());
        }
        if self.features().contains(&Feature::Subgroups) {
            extensions.push("subgroups".to_string());
            text.insert_str(0, "enable subgroups;\n");
        }
        // No standard WGSL has such atomics.
        let dialect = if self.features().contains(&Feature::F32Atomics) { "naga" } else { "1" };
        Written { bytes: text.into_bytes(), file: File { version: dialect.into(), extensions, ..file } }
    }

    fn spirv(&self, file: File) -> Written {
        let bytes = self.spirv.iter().flat_map(|word| word.to_le_bytes()).collect();
        let capabilities = instructions(&self.spirv, Opcode::Capability);
        let names = capabilities.iter().map(|operands| spirv_name::capability(operands[0]));
        let extensions = instructions(&self.spirv, Opcode::Extension);
        let extensions = names.chain(extensions.iter().map(|operands| spirv_name::string(operands))).collect();
        let (major, minor) = SPIRV_VERSION;
        Written { bytes, file: File { version: format!("{major}.{minor}"), extensions, ..file } }
    }

    fn msl(&self, mut file: File) -> std::result::Result<Written, String> {
        let atomics = self.features().contains(&Feature::F32Atomics);
        let lang_version = if atomics { MSL_VERSION_OF_F32_ATOMICS } else { MSL_VERSION };
        let bindings = self.bindings();
        let mut resources = BTreeMap::new();
        for ((binding, slot), number) in bindings.iter().zip(&file.slots).zip(0..) {
            let mutable = binding.access == BindingAccess::ReadWrite;
            let target = msl::BindTarget { buffer: Some(slot.index as u8), mutable, ..Default::default() };
            resources.insert(ResourceBinding { group: 0, binding: number }, target);
        }
        // The buffer that tells the sizes of the others comes behind them.
        let sizes = bindings.len() as u8;
        let resources = msl::EntryPointResources { resources, immediates_buffer: None, sizes_buffer: Some(sizes) };
        let options = msl::Options {
            lang_version,
            per_entry_point_map: BTreeMap::from([(ENTRY_POINT.into(), resources)]),
            fake_missing_bindings: false,
            bounds_check_policies: self.policies(),
            zero_initialize_workgroup_memory: self.checks,
            force_loop_bounding: self.checks,
            ..Default::default()
        };
        let pipeline = msl::PipelineOptions {
            entry_point: Some((ShaderStage::Compute, ENTRY_POINT.into())),
            ..Default::default()
        };
        let (text, translation) =
            msl::write_string(&self.module, &self.info, &options, &pipeline).map_err(|error| error.to_string())?;
        file.entry_point = entry_point(translation.entry_point_names)?;
        file.version = format!("{}.{}", lang_version.0, lang_version.1);
        file.buffer_sizes = Some(Slot { space: 0, kind: "buffer".into(), index: sizes.into() });
        // Metal wants multiples of 16.
        file.threadgroup_bytes = self.workgroup_variables().iter().map(|bytes| bytes.next_multiple_of(16)).collect();
        Ok(Written { bytes: text.into_bytes(), file })
    }

    fn hlsl(&self, mut file: File) -> std::result::Result<Written, String> {
        if self.features().contains(&Feature::F32Atomics) {
            return Err("HLSL has no f32 atomics".into());
        }
        let mut binding_map = hlsl::BindingMap::default();
        for (slot, binding) in file.slots.iter().zip(0..) {
            let target = hlsl::BindTarget {
                space: slot.space as u8,
                register: slot.index,
                restrict_indexing: self.checks,
                ..Default::default()
            };
            binding_map.insert(ResourceBinding { group: 0, binding }, target);
        }
        let counts = hlsl::BindTarget { register: HLSL_WORKGROUP_COUNTS, ..Default::default() };
        let shader_model = match self.features().contains(&Feature::F16) {
            true => hlsl::ShaderModel::V6_2,
            false => hlsl::ShaderModel::V6_0,
        };
        let options = hlsl::Options {
            shader_model,
            binding_map,
            fake_missing_bindings: false,
            special_constants_binding: Some(counts),
            zero_initialize_workgroup_memory: self.checks,
            restrict_indexing: self.checks,
            force_loop_bounding: self.checks,
            ..Default::default()
        };
        let pipeline = hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, ENTRY_POINT.into())) };
        let mut text = String::new();
        let reflection = hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(&self.module, &self.info, None)
            .map_err(|error| error.to_string())?;
        file.entry_point = entry_point(reflection.entry_point_names)?;
        file.version = shader_model.to_str().replace('_', ".");
        file.workgroup_counts = Some(Slot { space: 0, kind: "b".into(), index: HLSL_WORKGROUP_COUNTS });
        Ok(Written { bytes: text.into_bytes(), file })
    }

    fn glsl(&self, file: File, version: glsl::Version) -> std::result::Result<Written, String> {
        if self.features().contains(&Feature::F32Atomics) {
            return Err("GLSL has no f32 atomics".into());
        }
        if self.features().contains(&Feature::F16) {
            return Err("GLSL has no f16".into());
        }
        let mut options = glsl::Options {
            version,
            writer_flags: glsl::WriterFlags::empty(),
            zero_initialize_workgroup_memory: self.checks,
            ..Default::default()
        };
        for (slot, binding) in file.slots.iter().zip(0..) {
            options.binding_map.insert(ResourceBinding { group: 0, binding }, slot.index as u8);
        }
        let pipeline = glsl::PipelineOptions {
            shader_stage: ShaderStage::Compute,
            entry_point: ENTRY_POINT.into(),
            multiview: None,
        };
        let mut text = String::new();
        let policies = self.policies();
        glsl::Writer::new(&mut text, &self.module, &self.info, &options, &pipeline, policies)
            .and_then(|mut writer| writer.write())
            .map_err(|error| error.to_string())?;
        Ok(Written { bytes: text.into_bytes(), file: File { version: version.to_string(), ..file } })
    }
}

fn scalar_name(scalar: naga::Scalar) -> String {
    let kind = match scalar.kind {
        ScalarKind::Uint => "u",
        ScalarKind::Sint => "i",
        _ => "f",
    };
    format!("{kind}{}", 8 * u32::from(scalar.width))
}

trait ForPeople {
    /// As WGSL spells it.
    fn for_people(&self) -> String;
}

impl ForPeople for TypeInner {
    fn for_people(&self) -> String {
        match self {
            TypeInner::Scalar(scalar) => scalar_name(*scalar),
            TypeInner::Atomic(scalar) => format!("atomic<{}>", scalar_name(*scalar)),
            TypeInner::Vector { size, scalar } => format!("vec{}<{}>", *size as u32, scalar_name(*scalar)),
            other => format!("{other:?}"),
        }
    }
}

/// Where a language has a binding.
fn slot(language: Language, access: BindingAccess, number: u32) -> Slot {
    let uniform = access == BindingAccess::Uniform;
    let (kind, index) = match language {
        Language::Wgsl | Language::Spirv => ("binding", number),
        Language::Msl => ("buffer", number),
        Language::Hlsl => match access {
            BindingAccess::Uniform => ("b", number),
            BindingAccess::Read => ("t", number),
            BindingAccess::ReadWrite => ("u", number),
        },
        // Uniform and storage buffers count apart, and of the latter a context may have no more than eight.
        Language::Glsl | Language::GlslEs if uniform => ("uniform", number),
        Language::Glsl | Language::GlslEs => ("buffer", number - 1),
    };
    Slot { space: 0, kind: kind.into(), index }
}

fn policies(checks: bool) -> BoundsCheckPolicies {
    let policy = if checks { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    BoundsCheckPolicies { index: policy, buffer: policy, image_load: policy, binding_array: policy }
}

fn entry_point<E: ToString>(names: Vec<std::result::Result<String, E>>) -> std::result::Result<String, String> {
    let first = names.into_iter().next().ok_or("there is no entry point")?;
    first.map_err(|error| error.to_string())
}

fn spirv(module: &Module, info: &ModuleInfo, checks: bool) -> std::result::Result<Vec<u32>, String> {
    let workgroup = match checks {
        true => spv::ZeroInitializeWorkgroupMemoryMode::Polyfill,
        false => spv::ZeroInitializeWorkgroupMemoryMode::None,
    };
    let options = spv::Options {
        lang_version: SPIRV_VERSION,
        // Names, for those who look at it.
        flags: spv::WriterFlags::DEBUG,
        bounds_check_policies: policies(checks),
        zero_initialize_workgroup_memory: workgroup,
        force_loop_bounding: checks,
        use_storage_input_output_16: false,
        ..Default::default()
    };
    let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: ENTRY_POINT.into() };
    back::spv::write_vec(module, info, &options, Some(&pipeline)).map_err(|error| error.to_string())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Opcode {
    Extension = 10,
    Capability = 17,
}

/// Operands of the instructions of a kind.
fn instructions(words: &[u32], opcode: Opcode) -> Vec<Vec<u32>> {
    /// Words of the header.
    const HEADER: usize = 5;
    let mut found = Vec::new();
    let mut rest = words.get(HEADER..).unwrap_or_default();
    while let Some((&first, _)) = rest.split_first() {
        let length = (first >> 16).max(1) as usize;
        let (instruction, after) = rest.split_at(length.min(rest.len()));
        if first & 0xffff == opcode as u32 {
            found.push(instruction[1..].to_vec());
        }
        rest = after;
    }
    found
}

/// GroupNonUniform and its kin.
const SUBGROUP_CAPABILITIES: std::ops::RangeInclusive<u32> = 61..=68;

mod spirv_name {
    pub const FLOAT16: u32 = 9;
    pub const COOPERATIVE_MATRIX: u32 = 6022;
    pub const ATOMIC_FLOAT32_ADD: u32 = 6033;

    /// Name of a capability that naga writes.
    pub fn capability(number: u32) -> String {
        let name = match number {
            0 => "Matrix",
            1 => "Shader",
            FLOAT16 => "Float16",
            22 => "Int16",
            61 => "GroupNonUniform",
            62 => "GroupNonUniformVote",
            63 => "GroupNonUniformArithmetic",
            64 => "GroupNonUniformBallot",
            65 => "GroupNonUniformShuffle",
            66 => "GroupNonUniformShuffleRelative",
            67 => "GroupNonUniformClustered",
            68 => "GroupNonUniformQuad",
            4433 => "StorageBuffer16BitAccess",
            4434 => "UniformAndStorageBuffer16BitAccess",
            4436 => "StorageInputOutput16",
            5345 => "VulkanMemoryModel",
            COOPERATIVE_MATRIX => "CooperativeMatrixKHR",
            ATOMIC_FLOAT32_ADD => "AtomicFloat32AddEXT",
            _ => return number.to_string(),
        };
        name.into()
    }

    /// A literal: bytes up to a zero, the first one lowest.
    pub fn string(words: &[u32]) -> String {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).take_while(|&byte| byte != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
