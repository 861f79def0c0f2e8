//! Every compute shader as data: its text and parts, constants, bindings and the bound of its loops.
//!
//! A module is a generated prelude of `const` declarations, the parts that it needs and its own file. Each launcher file of
//! `src/kernels` holds the entry of the shader whose stem it bears.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::{Dispatch, params};
use crate::tensor::Access;

/// A building block of shaders: pure functions under `shaders/lib`, a main that calls back into kernels under `shaders/tiles`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShaderPart {
    /// File name without extension.
    pub stem: &'static str,
    /// Its text.
    pub source: &'static str,
}

/// The text of a kernel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shader {
    pub source: &'static str,
    /// Every part that it needs, each behind those that it needs itself.
    pub parts: &'static [&'static ShaderPart],
}

/// What a device must have for a shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Feature {
    /// Subgroup operations, in subgroups of [`Capabilities::subgroup_size`](crate::Capabilities::subgroup_size) lanes that are all
    /// there.
    Subgroups,
    /// Addition of f32 as an atomic operation on storage buffers.
    F32Atomics,
    /// 16-bit floating point, and storage buffers of it.
    F16,
    /// Cooperative matrices of a subgroup, which wgpu calls experimental.
    CooperativeMatrices,
}

/// Which uniform a kernel reads at binding 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uniform {
    /// [`super::WindowParams`]
    Window,
    /// [`super::GemmParams`]
    Gemm,
    /// [`super::SortParams`]
    Sort,
    /// [`super::PackParams`]
    Pack,
    /// [`super::CopyParams`]
    Copy,
    /// [`super::SumParams`]
    Sum,
}

impl Uniform {
    /// Name of the WGSL struct.
    pub fn struct_name(self) -> &'static str {
        match self {
            Uniform::Window => "WindowParams",
            Uniform::Gemm => "GemmParams",
            Uniform::Sort => "SortParams",
            Uniform::Pack => "PackParams",
            Uniform::Copy => "CopyParams",
            Uniform::Sum => "SumParams",
        }
    }

    /// Size in bytes.
    pub fn size(self) -> usize {
        match self {
            Uniform::Window => size_of::<params::WindowParams>(),
            Uniform::Gemm => size_of::<params::GemmParams>(),
            Uniform::Sort => size_of::<params::SortParams>(),
            Uniform::Pack => size_of::<params::PackParams>(),
            Uniform::Copy => size_of::<params::CopyParams>(),
            Uniform::Sum => size_of::<params::SumParams>(),
        }
    }

    /// Name and byte offset of every field on the host.
    pub fn fields(self) -> Vec<(&'static str, usize)> {
        match self {
            Uniform::Window => params::window_fields(),
            Uniform::Gemm => params::gemm_fields(),
            Uniform::Sort => params::sort_fields(),
            Uniform::Pack => params::pack_fields(),
            Uniform::Copy => params::copy_fields(),
            Uniform::Sum => params::sum_fields(),
        }
    }
}

/// How a binding holds the real numbers that a shader reads as f32 through `load_NAME(i)`, or `component_NAME(i, k)` for one of a
/// vec4, and writes through `store_NAME(i, value)`, which the prelude defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Element {
    /// As they are.
    #[default]
    F32,
    /// `f16`: the device has `SHADER_F16`.
    F16,
    /// Two f16 to a `u32`, for reading on any device.
    F16Pair,
}

/// A storage buffer of a kernel. Binding numbers count from 1 in order; 0 is the uniform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindingSpec {
    /// Name of the WGSL variable.
    pub name: &'static str,
    /// Read or read-write.
    pub access: Access,
}

/// One compute shader.
pub struct Kernel {
    /// File name of the shader, without extension.
    pub stem: &'static str,
    pub(crate) shader: &'static Shader,
    /// The uniform at binding 0.
    pub uniform: Uniform,
    /// The storage buffers from binding 1 on.
    pub bindings: &'static [BindingSpec],
    /// Names of the prelude's constants, without those of the epilogue.
    pub constants: &'static [&'static str],
    /// What the geometry must satisfy, for people; lowering enforces it.
    pub precondition: &'static str,
    /// Most iterations of the loops whose length is not fixed, of one invocation.
    pub(crate) loops: fn(&Dispatch) -> u64,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kernel").field(&self.stem).finish()
    }
}

/// Stems are unique.
impl PartialEq for Kernel {
    fn eq(&self, other: &Kernel) -> bool {
        self.stem == other.stem
    }
}

impl Eq for Kernel {}

/// By its stem.
#[cfg(feature = "serde")]
impl serde::Serialize for Kernel {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.stem)
    }
}

impl Hash for Kernel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.stem.hash(state);
    }
}

/// No kernel binds more buffers than that.
pub(crate) const MOST_BINDINGS: u64 = 15;

/// Constants of the prelude that the parts `write_output` and `write_row` want, behind those of the kernel itself.
pub const EPILOGUE_CONSTANTS: [&str; 4] = ["ACTIVATION", "HAS_BIAS", "HAS_RESIDUAL", "ACCUMULATES"];

impl Kernel {
    /// Its own text.
    pub fn source(&self) -> &'static str {
        self.shader.source
    }

    /// What it is concatenated with, each part behind those that it needs itself.
    pub fn parts(&self) -> &'static [&'static ShaderPart] {
        self.shader.parts
    }

    /// Whether it ends with the epilogue.
    pub fn has_epilogue(&self) -> bool {
        self.parts().iter().any(|part| matches!(part.stem, "write_output" | "write_row"))
    }

    /// Whether it multiplies cooperative matrices, which only Vulkan has.
    pub fn is_cooperative(&self) -> bool {
        self.source().contains("coop_mat")
    }

    /// Whether it reads or writes a binding through the prelude's functions alone, so that any [`Element`] will do.
    pub fn is_accessed(&self, binding: &str) -> bool {
        let names =
            |text: &str| ["load", "component", "store"].iter().any(|verb| text.contains(&format!("{verb}_{binding}(")));
        names(self.source()) || self.parts().iter().any(|part| names(part.source))
    }

    /// Names of the prelude's constants, those of the epilogue last.
    pub fn constant_names(&self) -> impl Iterator<Item = &'static str> {
        let epilogue: &[&str] = if self.has_epilogue() { &EPILOGUE_CONSTANTS } else { &[] };
        self.constants.iter().chain(epilogue).copied()
    }
}

/// A constant of the prelude by its name.
pub(crate) type Named = (&'static str, Constant);

/// Value of a prelude constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(untagged))]
pub enum Constant {
    /// `u32`
    U32(u32),
    /// `bool`
    Bool(bool),
}

impl From<u32> for Constant {
    fn from(value: u32) -> Self {
        Constant::U32(value)
    }
}

impl From<bool> for Constant {
    fn from(value: bool) -> Self {
        Constant::Bool(value)
    }
}

/// A kernel with every constant fixed: what a pipeline is compiled from. Hosts that keep pipelines find them by it, by
/// [`Program::shares_buffers`](super::Program::shares_buffers) and by [`Options::runtime_checks`](crate::Options::runtime_checks).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "super::unchecked::Variant")
)]
pub struct Variant {
    /// The shader.
    pub kernel: &'static Kernel,
    /// Values in the order of [`Kernel::constant_names`].
    pub constants: Vec<Constant>,
    /// How each of [`Kernel::bindings`] holds real numbers.
    pub elements: Vec<Element>,
}

impl Variant {
    /// The whole WGSL module. With `shared_buffers` every storage buffer is declared read-write, so that tensors may be
    /// ranges of one buffer: WebGPU refuses a buffer that one dispatch binds both read-only and read-write.
    pub fn source(&self, shared_buffers: bool) -> String {
        let mut body = String::new();
        for part in self.kernel.parts() {
            body.push_str(part.source);
            body.push('\n');
        }
        body.push_str(self.kernel.source());
        let mut text = String::new();
        if self.elements.contains(&Element::F16) || self.kernel.is_cooperative() {
            text.push_str("enable f16;\n");
        }
        if self.kernel.is_cooperative() {
            text.push_str("enable wgpu_cooperative_matrix;\n");
        }
        for (name, value) in self.kernel.constant_names().zip(&self.constants) {
            match value {
                Constant::U32(value) => text.push_str(&format!("const {name}: u32 = {value}u;\n")),
                Constant::Bool(value) => text.push_str(&format!("const {name}: bool = {value};\n")),
            }
        }
        for (spec, &element) in self.kernel.bindings.iter().zip(&self.elements) {
            let (accessors, declared, stored) = accessors(spec.name, element, &body);
            text.push_str(&accessors);
            body = body.replace(&declared, &stored);
        }
        text.push_str(&body);
        if shared_buffers {
            text = text.replace("var<storage, read> ", "var<storage, read_write> ");
        }
        text
    }

    /// What a device must have for it, in order.
    pub fn features(&self) -> Vec<Feature> {
        let texts = || self.kernel.parts().iter().map(|part| part.source).chain([self.kernel.source()]);
        let has = |word| texts().any(|text| text.contains(word));
        let cooperative = self.kernel.is_cooperative();
        let features = [
            (["subgroupBroadcast(", "subgroupMax(", "@builtin(subgroup"].into_iter().any(has), Feature::Subgroups),
            (has("atomic<f32>"), Feature::F32Atomics),
            (cooperative || self.elements.contains(&Element::F16), Feature::F16),
            (cooperative, Feature::CooperativeMatrices),
        ];
        features.into_iter().filter(|(needed, _)| *needed).map(|(_, feature)| feature).collect()
    }

    /// A short name for labels: the stem and the constants.
    pub fn label(&self) -> String {
        let values: Vec<String> = self
            .kernel
            .constant_names()
            .zip(&self.constants)
            .map(|(name, value)| match value {
                Constant::U32(value) => format!("{name}={value}"),
                Constant::Bool(value) => format!("{name}={value}"),
            })
            .collect();
        let narrow = self.kernel.bindings.iter().zip(&self.elements).filter(|(_, element)| **element != Element::F32);
        let narrow: Vec<String> = narrow.map(|(spec, element)| format!(" {}: {element:?}", spec.name)).collect();
        format!("{}({}){}", self.kernel.stem, values.join(","), narrow.join(""))
    }
}

/// The functions through which a text that uses them reads and writes a binding, the binding's declaration in that text, and
/// what stands for it.
fn accessors(name: &str, element: Element, text: &str) -> (String, String, String) {
    let vec4 = format!("> {name}: array<vec4<f32>>;");
    let declared = if text.contains(&vec4) { vec4 } else { format!("> {name}: array<f32>;") };
    let (value, stored, load, store) = match (declared.contains("vec4"), element) {
        (false, Element::F32) => ("f32", "f32", "held[i]", "value"),
        (false, Element::F16) => ("f32", "f16", "f32(held[i])", "f16(value)"),
        (false, Element::F16Pair) => ("f32", "u32", "unpack2x16float(held[i >> 1u] >> ((i & 1u) << 4u)).x", ""),
        (true, Element::F32) => ("vec4<f32>", "vec4<f32>", "held[i]", "value"),
        (true, Element::F16) => ("vec4<f32>", "vec4<f16>", "vec4<f32>(held[i])", "vec4<f16>(value)"),
        (true, Element::F16Pair) => {
            ("vec4<f32>", "vec2<u32>", "vec4<f32>(unpack2x16float(held[i].x), unpack2x16float(held[i].y))", "")
        }
    };
    let mut functions = String::new();
    if text.contains(&format!("load_{name}(")) {
        let load = load.replace("held", name);
        functions.push_str(&format!("fn load_{name}(i: u32) -> {value} {{ return {load}; }}\n"));
    }
    if text.contains(&format!("component_{name}(")) {
        let component = match element {
            Element::F32 => format!("{name}[i][k]"),
            Element::F16 => format!("f32({name}[i][k])"),
            Element::F16Pair => format!("unpack2x16float({name}[i][k >> 1u] >> ((k & 1u) << 4u)).x"),
        };
        functions.push_str(&format!("fn component_{name}(i: u32, k: u32) -> f32 {{ return {component}; }}\n"));
    }
    if text.contains(&format!("store_{name}(")) {
        functions.push_str(&format!("fn store_{name}(i: u32, value: {value}) {{ {name}[i] = {store}; }}\n"));
    }
    (functions, declared, format!("> {name}: array<{stored}>;"))
}
