//! Every shader: its parts, constants and bindings.
//!
//! A module is a generated prelude of `const` declarations, the parts it lists and its own file. Each launcher file
//! holds the entry of the shader whose stem it bears.

use super::params;
use crate::tensor::Access;

/// A pure-WGSL building block under `shaders/lib`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// File name without extension.
    pub stem: &'static str,
    /// Its text.
    pub source: &'static str,
}

macro_rules! parts {
    ($($constant:ident = $stem:literal;)*) => {
        /// The parts that kernels list.
        pub(crate) mod part {
            use super::Part;
            $(pub(crate) const $constant: Part =
                Part { stem: $stem, source: include_str!(concat!("../../shaders/lib/", $stem, ".wgsl")) };)*
        }
    };
}

parts! {
    VIEW = "view";
    WINDOW_PARAMS = "window_params";
    GEMM_PARAMS = "gemm_params";
    GRID = "grid";
    PADDING = "padding";
    ACTIVATION = "activation";
    WRITE_OUTPUT = "write_output";
    WRITE_ROW = "write_row";
    WRITE_TILE = "write_tile";
    CLASSIFY = "classify";
    BILINEAR = "bilinear";
    SAMPLE_PLANE = "sample_plane";
    PACKED_INPUT = "packed_input";
    SAMPLING_GRADIENTS = "sampling_gradients";
    MAX_RULE = "max_rule";
    LP_NORM = "lp_norm";
    ACTIVATION_DERIVATIVE = "activation_derivative";
    WORKGROUP_SUM = "workgroup_sum";
    WINDOWS_OF = "windows_of";
    SAMPLING_POINT = "sampling_point";
    RADIX = "radix";
    CELLS = "cells";
    OUTER = "outer";
    COOPERATIVE_TILE = "cooperative_tile";
    HALVES = "halves";
    WRITE_COLUMN = "write_column";
    IMPLICIT_TILE = "implicit_tile";
    PANEL_TILE = "panel_tile";
    VEC4_MATRICES = "vec4_matrices";
    TAP_MASK = "tap_mask";
    GEMM_BROADCAST = "gemm_broadcast";
    DEPTHWISE_ROWS = "depthwise_rows";
    ROW_QUADS = "row_quads";
    WIDE_TAPS = "wide_taps";
    PHASE_FRAME = "phase_frame";
    ROW_SCALARS = "row_scalars";
    ROW_VEC4S = "row_vec4s";
    COLUMN_SCALARS = "column_scalars";
    COLUMN_VEC4S = "column_vec4s";
    TAP_RANGE = "tap_range";
    FIRST_TAP = "first_tap";
    PHASE_TAPS = "phase_taps";
    LANE_CHANNELS = "lane_channels";
    LANE_WEIGHTS = "lane_weights";
    WINOGRAD = "winograd";
    WINOGRAD_TILES = "winograd_tiles";
    WINOGRAD_PATCH = "winograd_patch";
    WINOGRAD_POINTS = "winograd_points";
    WINOGRAD_OUTPUTS = "winograd_outputs";
}

/// Which uniform a kernel reads at binding 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uniform {
    /// [`params::WindowParams`]
    Window,
    /// [`params::GemmParams`]
    Gemm,
}

impl Uniform {
    /// Name of the WGSL struct.
    pub fn struct_name(self) -> &'static str {
        match self {
            Uniform::Window => "WindowParams",
            Uniform::Gemm => "GemmParams",
        }
    }

    /// Size in bytes.
    pub fn size(self) -> usize {
        match self {
            Uniform::Window => size_of::<params::WindowParams>(),
            Uniform::Gemm => size_of::<params::GemmParams>(),
        }
    }

    /// Name and byte offset of every field on the host.
    pub fn fields(self) -> Vec<(&'static str, usize)> {
        match self {
            Uniform::Window => params::window_fields(),
            Uniform::Gemm => params::gemm_fields(),
        }
    }
}

/// How a binding holds the real numbers that a shader reads as f32 through `load_NAME(i)`, or `component_NAME(i, k)` for one of a
/// vec4, and writes through `store_NAME(i, value)`, which the prelude defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
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
#[derive(Debug, PartialEq, Eq)]
pub struct Kernel {
    /// File name of the shader and of its launcher, without extension.
    pub stem: &'static str,
    /// Its own text.
    pub source: &'static str,
    /// What it is concatenated with.
    pub parts: &'static [Part],
    /// The uniform at binding 0.
    pub uniform: Uniform,
    /// The storage buffers from binding 1 on.
    pub bindings: &'static [BindingSpec],
    /// Names of the prelude's constants, without those of the epilogue.
    pub constants: &'static [&'static str],
    /// What the geometry must satisfy, for people; the chooser enforces it.
    pub precondition: &'static str,
}

/// No kernel binds more buffers than that.
pub(crate) const MOST_BINDINGS: u64 = 15;

/// Constants of the prelude that `shaders/lib/write_output.wgsl` and `write_row.wgsl` want, behind those of the kernel itself.
pub const EPILOGUE_CONSTANTS: [&str; 4] = ["ACTIVATION", "HAS_BIAS", "HAS_RESIDUAL", "ACCUMULATES"];

impl Kernel {
    /// Whether it ends with the epilogue.
    pub fn has_epilogue(&self) -> bool {
        self.parts.contains(&part::WRITE_OUTPUT) || self.parts.contains(&part::WRITE_ROW)
    }

    /// Whether it multiplies cooperative matrices, which only Vulkan has.
    pub fn is_cooperative(&self) -> bool {
        self.source.contains("coop_mat")
    }

    /// Whether it reads or writes a binding through the prelude's functions alone, so that any [`Element`] will do.
    pub fn is_accessed(&self, binding: &str) -> bool {
        let names =
            |text: &str| ["load", "component", "store"].iter().any(|verb| text.contains(&format!("{verb}_{binding}(")));
        names(self.source) || self.parts.iter().any(|part| names(part.source))
    }

    /// Names of the prelude's constants, those of the epilogue last.
    pub fn constant_names(&self) -> impl Iterator<Item = &'static str> {
        let epilogue: &[&str] = if self.has_epilogue() { &EPILOGUE_CONSTANTS } else { &[] };
        self.constants.iter().chain(epilogue).copied()
    }
}

macro_rules! kernel {
    (
        $stem:literal, $uniform:ident,
        parts: [$($part:ident),*],
        read: [$($read:literal),*],
        write: [$($write:literal),*],
        constants: [$($constant:literal),*],
        precondition: $precondition:literal $(,)?
    ) => {
        /// The catalog entry.
        pub(crate) static KERNEL: $crate::gpu::catalog::Kernel = $crate::gpu::catalog::Kernel {
            stem: $stem,
            source: include_str!(concat!("../../shaders/", $stem, ".wgsl")),
            parts: &[$($crate::gpu::catalog::part::$part),*],
            uniform: $crate::gpu::catalog::Uniform::$uniform,
            bindings: &[
                $($crate::gpu::catalog::BindingSpec { name: $read, access: $crate::tensor::Access::Read },)*
                $($crate::gpu::catalog::BindingSpec { name: $write, access: $crate::tensor::Access::Write },)*
            ],
            constants: &[$($constant),*],
            precondition: $precondition,
        };
    };
}
pub(super) use kernel;

/// Value of a prelude constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// A kernel with every constant fixed: what a pipeline is compiled from.
#[derive(Debug, Clone, PartialEq)]
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
        for part in self.kernel.parts {
            body.push_str(part.source);
            body.push('\n');
        }
        body.push_str(self.kernel.source);
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

/// Every kernel, in the order of the files.
pub fn kernels() -> Vec<&'static Kernel> {
    use super::*;
    vec![
        &activation_grad::KERNEL,
        &avg_pool::KERNEL,
        &avg_pool_grad_input::KERNEL,
        &col2im::KERNEL,
        &conv2d_depthwise::KERNEL,
        &conv2d_depthwise_grad_weight::KERNEL,
        &conv2d_depthwise_rows::KERNEL,
        &conv2d_depthwise_rows_vec4::KERNEL,
        &conv2d_dilated::KERNEL,
        &conv2d_winograd::KERNEL,
        &conv_coop_gemm::KERNEL,
        &conv_coop_gemm_8x8::KERNEL,
        &conv_coop_packed::KERNEL,
        &conv_direct::KERNEL,
        &conv_grad_weight::KERNEL,
        &conv_grad_weight_subgroup::KERNEL,
        &conv_implicit_gemm::KERNEL,
        &conv_implicit_grad_weight::KERNEL,
        &conv_packed_gemm::KERNEL,
        &conv_regtile::KERNEL,
        &conv_subgroup::KERNEL,
        &conv_subgroup_wide::KERNEL,
        &conv_subgroup_wide_vec4::KERNEL,
        &conv_sum_slices::KERNEL,
        &conv_taps_subgroup::KERNEL,
        &conv_transpose2d_depthwise::KERNEL,
        &conv_transpose_gather::KERNEL,
        &conv_transpose_implicit_gemm::KERNEL,
        &conv_transpose_phases::KERNEL,
        &conv_transpose_subgroup::KERNEL,
        &coop_pack_input::KERNEL,
        &coop_pack_weight::KERNEL,
        &coop_peaks::KERNEL,
        &deform_conv2d_cell_lists::KERNEL,
        &deform_conv2d_cell_order::KERNEL,
        &deform_conv2d_cell_scan::KERNEL,
        &deform_conv2d_cell_starts::KERNEL,
        &deform_conv2d_cell_sums::KERNEL,
        &deform_conv2d_cell_totals::KERNEL,
        &deform_conv2d_cells::KERNEL,
        &deform_conv2d_direct::KERNEL,
        &deform_conv2d_grad_input::KERNEL,
        &deform_conv2d_grad_sampling::KERNEL,
        &deform_conv2d_grad_sampling_vec4::KERNEL,
        &deform_conv2d_im2col::KERNEL,
        &deform_conv2d_im2col_vec4::KERNEL,
        &deform_conv2d_implicit_gemm::KERNEL,
        &deform_conv2d_pack_input::KERNEL,
        &deform_conv2d_scatter::KERNEL,
        &deform_conv2d_subgroup::KERNEL,
        &depth_to_space::KERNEL,
        &gemm_regtile::KERNEL,
        &gemm_regtile_vec4::KERNEL,
        &gemm_subgroup::KERNEL,
        &gemm_subgroup_vec4_a::KERNEL,
        &gemm_subgroup_vec4_ab::KERNEL,
        &gemm_subgroup_vec4_b::KERNEL,
        &gemm_tiled::KERNEL,
        &gemm_vec4::KERNEL,
        &gemm_vec4_rows::KERNEL,
        &grad_bias::KERNEL,
        &im2col::KERNEL,
        &locally_connected2d_direct::KERNEL,
        &locally_connected2d_grad_input::KERNEL,
        &locally_connected2d_grad_weight::KERNEL,
        &lp_pool::KERNEL,
        &lp_pool_grad_input::KERNEL,
        &max_pool::KERNEL,
        &max_pool_grad_input::KERNEL,
        &narrow::KERNEL,
        &pack_phases::KERNEL,
        &pack_rows::KERNEL,
        &padding_grad::KERNEL,
        &pool_reduce::KERNEL,
        &radix_histogram::KERNEL,
        &radix_scan::KERNEL,
        &radix_scatter::KERNEL,
        &scale::KERNEL,
        &space_to_depth::KERNEL,
        &spatial_separable2d_direct::KERNEL,
        &sum_slices::KERNEL,
        &widen::KERNEL,
        &winograd_input::KERNEL,
        &winograd_output::KERNEL,
        &winograd_weight::KERNEL,
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_kernel_binds_more_than_most() {
        assert!(super::kernels().iter().all(|kernel| kernel.bindings.len() as u64 <= super::MOST_BINDINGS));
    }
}
