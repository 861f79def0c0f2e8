//! What an export says of itself: `manifest.json`, described in `docs/export.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Language;
use crate::algorithm::{Accuracy, Algorithm};
use crate::capabilities::Capabilities;
use crate::error::{Error, Result};
use crate::problem::Problem;
pub use crate::program::Feature;
use crate::tensor::{Access, Layout, Storage, TensorName};
use crate::tile::Tile;

/// Name and version of the format. A change that old readers would misread gets a new number.
pub const SCHEMA: &str = "wgconv-export/1";

/// One problem by one algorithm: everything that a program of its own needs to run it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// What wrote it: this library and its version.
    pub generator: String,
    /// The operation's name.
    pub operation: String,
    /// The problem.
    pub problem: Problem,
    /// How it is computed.
    pub algorithm: Algorithm,
    /// Why so.
    pub reason: String,
    /// What was asked for beside the problem.
    pub choices: Choices,
    /// The device that it was exported for.
    pub capabilities: Capabilities,
    /// How large errors may be.
    pub accuracy: Exactness,
    /// What a device must offer.
    pub requirements: Requirements,
    /// What must hold for the results to be right, in words.
    pub preconditions: Vec<String>,
    /// The tensors of the problem.
    pub tensors: Vec<Tensor>,
    /// Bytes of workspace; its contents before and after do not matter.
    pub workspace_bytes: u64,
    /// Bytes of packed weights, which the steps of `packing` write.
    pub packed_bytes: u64,
    /// Bytes of the dummies for tensors that a shader declares and the problem lacks: 0 where there are none.
    pub unused_bytes: u64,
    /// The parameter blocks of the shaders.
    pub blocks: Vec<Block>,
    /// The shaders.
    pub shaders: Vec<Shader>,
    /// Path of the C header, relative to the manifest, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Run before the first run of `steps`, and again when the weights have changed.
    pub packing: Vec<Step>,
    /// Run in this order; each reads what those before it wrote.
    pub steps: Vec<Step>,
}

/// What was asked for beside the problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choices {
    /// How large rounding errors may be.
    pub accuracy: Accuracy,
    /// How the tensors lie in their memories.
    pub storage: Storage,
    /// Tile of the matrix products that have a choice of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile: Option<Tile>,
    /// Whether weights are packed by steps of their own.
    pub pack_weights: bool,
    /// Whether the shaders check bounds and bound their loops.
    pub runtime_checks: bool,
    /// Whether read and written tensors may be ranges of one buffer where the API asks to know.
    pub shared_buffers: bool,
    /// Most bytes of workspace.
    pub workspace_limit: Option<u64>,
}

/// How large the errors of the algorithm may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exactness {
    /// The class of the algorithm.
    pub class: Accuracy,
    /// What that class promises before results are stored.
    pub bound: String,
    /// What storing them adds, where they are not f32.
    pub stored: Option<String>,
    /// Whether one device computes the same bits every time.
    pub deterministic: bool,
}

/// What a device must offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// Features beyond WebGPU's core.
    pub features: Vec<Feature>,
    /// Lanes of every subgroup, where `features` has subgroups.
    pub subgroup_size: Option<u32>,
    /// Least values of limits, by WebGPU's names.
    pub limits: BTreeMap<String, u64>,
    /// The device's storage alignment must divide it; buffers of tensors, workspace and packed weights start at
    /// multiples of it.
    pub storage_alignment: u32,
    /// Most iterations of the loops of one invocation, where they are counted: some software rasterisers end loops
    /// early.
    pub loop_iterations: Option<u64>,
}

/// A tensor of the problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    /// Its role, and the name of its memory in steps.
    pub name: TensorName,
    /// Its extents, outermost first.
    pub shape: Vec<usize>,
    /// Its element type.
    pub element: TensorElement,
    /// Read or written.
    pub access: Access,
    /// Where its elements lie in its memory, counted in elements.
    pub layout: Layout,
    /// Bytes of its memory, a multiple of four.
    pub bytes: u64,
}

/// What a tensor's memory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TensorElement {
    /// IEEE binary32.
    F32,
    /// IEEE binary16.
    F16,
    /// Unsigned 32-bit integers.
    U32,
}

/// A parameter block: a structure in a uniform buffer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Its name, to which shaders refer.
    pub name: String,
    /// Its size.
    pub bytes: u32,
    /// Its scalars and vectors; those of structures within it have the structure's name and a dot in front.
    pub fields: Vec<Field>,
}

/// A field of a parameter block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Byte offset in the block.
    pub offset: u32,
    /// `u32`, `i32` or `f32`.
    pub element: String,
    /// Elements that lie side by side: 1, or 2 to 4 for a vector.
    pub count: u32,
}

/// A compute shader in several languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shader {
    /// Stem of its files.
    pub name: String,
    /// The kernel that it is a variant of.
    pub kernel: String,
    /// The constants that make it this variant.
    pub constants: BTreeMap<String, Constant>,
    /// What its kernel wants.
    pub precondition: String,
    /// Invocations of a workgroup.
    pub workgroup_size: [u32; 3],
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Features that it needs.
    pub features: Vec<Feature>,
    /// Name of its parameter block.
    pub block: String,
    /// Its bindings, the parameter block first. The place of a binding in this list is its number.
    pub bindings: Vec<Binding>,
    /// The languages that it was written in.
    pub files: BTreeMap<Language, File>,
    /// The languages that it cannot be written in, and why.
    pub unavailable: BTreeMap<Language, String>,
}

/// Value of a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Constant {
    /// `bool`
    Bool(bool),
    /// `u32`
    U32(u32),
}

/// A binding of a shader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// Name of the WGSL variable.
    pub name: String,
    /// What the shader declares.
    pub access: BindingAccess,
    /// Elements of a storage buffer as WGSL spells them, as `f32` or `vec4<f16>`; a shader that reads two f16 from
    /// each word has `u32`. For the parameters the name of the block.
    pub element: String,
}

/// How a shader declares a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BindingAccess {
    /// A uniform buffer.
    Uniform,
    /// A storage buffer that is only read.
    Read,
    /// A storage buffer.
    ReadWrite,
}

/// A shader in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Path relative to the manifest.
    pub path: String,
    /// Version of the language.
    pub version: String,
    /// Name of the entry point.
    pub entry_point: String,
    /// Where the language has the bindings, in their order. What a variant does not touch may be missing in the text.
    pub slots: Vec<Slot>,
    /// Extensions that the file declares: SPIR-V capabilities and extensions, WGSL's `enable` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
    /// HLSL: constants of three u32 that hold the step's workgroup counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workgroup_counts: Option<Slot>,
    /// MSL: a buffer of u32, the bytes that are bound at each storage binding in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer_sizes: Option<Slot>,
    /// MSL: bytes of threadgroup memory to set at index 0, 1 and so on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threadgroup_bytes: Vec<u32>,
}

/// Where a language has a binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// WGSL: group. SPIR-V: descriptor set. HLSL: register space. Otherwise 0.
    pub space: u32,
    /// What is numbered. WGSL, SPIR-V: `binding`. MSL: `buffer`. HLSL: the register class `b`, `t` or `u`. GLSL:
    /// `uniform` or `buffer`, which count apart.
    pub kind: String,
    /// The number.
    pub index: u32,
}

/// One dispatch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Place of its shader in `shaders`.
    pub shader: usize,
    /// First image of the part of the batch that it computes.
    pub first_image: usize,
    /// Images of that part.
    pub images: usize,
    /// Workgroups in x, y and z.
    pub workgroups: [u32; 3],
    /// Contents of the parameter block, two hexadecimal digits for each byte.
    pub parameters: String,
    /// What is bound at binding 1 and on: the shader's storage buffers in their order.
    pub bindings: Vec<Range>,
}

/// A range of a memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Name of a tensor, `workspace`, `packed`, or `unused` for a dummy that is not touched.
    pub memory: String,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub bytes: u64,
}

/// Memories that are no tensors.
pub(super) const WORKSPACE: &str = "workspace";
pub(super) const PACKED: &str = "packed";
pub(super) const UNUSED: &str = "unused";

impl Manifest {
    /// The manifest as JSON.
    pub fn to_json(&self) -> Result<String> {
        let wrong = |error: serde_json::Error| Error::File { path: MANIFEST.into(), reason: error.to_string() };
        Ok(serde_json::to_string_pretty(self).map_err(wrong)? + "\n")
    }

    /// A manifest of this version from JSON.
    pub fn from_json(text: &str) -> Result<Manifest> {
        let wrong = |reason: String| Error::File { path: MANIFEST.into(), reason };
        // Some editors put a byte order mark in front.
        let text = text.trim_start_matches('\u{feff}');
        // The version is looked at first: another one may well have other fields.
        let value: serde_json::Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        match value.get("schema").and_then(serde_json::Value::as_str) {
            Some(SCHEMA) => serde_json::from_value(value).map_err(|error| wrong(error.to_string())),
            Some(other) => Err(wrong(format!("schema = {other:?}: this version reads {SCHEMA:?}"))),
            None => Err(wrong(format!("schema = nothing: this version reads {SCHEMA:?}"))),
        }
    }
}

impl Step {
    /// The parameter block's bytes.
    pub fn parameter_bytes(&self) -> Result<Vec<u8>> {
        let text = self.parameters.as_bytes();
        let wrong =
            || Error::invalid("parameters", &self.parameters, "it must be an even number of hexadecimal digits");
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8).ok_or_else(wrong);
        if !text.len().is_multiple_of(2) {
            return Err(wrong());
        }
        text.chunks_exact(2).map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
    }
}

/// Two hexadecimal digits for each byte.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Name of the file.
pub const MANIFEST: &str = "manifest.json";
