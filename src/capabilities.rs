//! What a device offers, as far as the choice of kernels depends on it.

use std::fmt;

use crate::machine::Machine;

/// The two classes of machine that want differently built kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum KernelClass {
    /// Many cores behind a memory that wants coalescing: tiles in workgroup memory and registers.
    Gpu,
    /// A software rasteriser on a CPU: register tiles without barriers, lane = column.
    Cpu,
}

/// Limits and class of a device. `Capabilities::of` in [`gpu`](crate::gpu) reads them off a device; the constructors
/// here serve where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Capabilities {
    /// Which kernels suit it.
    pub class: KernelClass,
    /// `max_compute_workgroups_per_dimension`
    pub max_workgroups_per_dimension: u32,
    /// `max_compute_invocations_per_workgroup`
    pub max_invocations_per_workgroup: u32,
    /// `max_compute_workgroup_storage_size`, bytes
    pub max_workgroup_bytes: u32,
    /// `max_storage_buffer_binding_size`, bytes
    pub max_binding_bytes: u64,
    /// `max_buffer_size`, bytes
    pub max_buffer_bytes: u64,
    /// `max_storage_buffers_per_shader_stage`
    pub max_storage_buffers: u32,
    /// `min_storage_buffer_offset_alignment`, at least the 16 bytes of a vec4
    pub storage_alignment: u32,
    /// Whether the device has `SHADER_FLOAT32_ATOMIC`
    pub f32_atomics: bool,
    /// Whether the device has `SHADER_F16`: without it f16 tensors are read through `unpack2x16float` and written by way of
    /// the workspace.
    pub f16: bool,
    /// Lanes of a subgroup, where the device has `SUBGROUP` and they are always as many. Kernels of the CPU class use it.
    pub subgroup_size: Option<u32>,
    /// Side of the square matrices of f16 that a subgroup multiplies into f32, 16 or 8, where the device has
    /// `EXPERIMENTAL_COOPERATIVE_MATRIX` and `SHADER_F16`. Only its adapter knows: `gpu::capabilities_with_adapter`.
    pub cooperative_side: Option<u32>,
    /// After how many iterations, of all its loops together, the driver ends an invocation's loops without an error.
    /// Mesa's llvmpipe does so (`LP_MAX_TGSI_LOOP_ITERATIONS`); what needs more is refused there.
    pub max_loop_iterations: Option<u32>,
    /// What the models of a GPU's costs know of it. The presets here have that of a big GPU.
    #[cfg_attr(feature = "serde", serde(default))]
    pub machine: Machine,
}

impl Capabilities {
    /// A GPU with the limits that WebGPU guarantees.
    pub fn gpu() -> Self {
        Capabilities {
            class: KernelClass::Gpu,
            max_workgroups_per_dimension: 65_535,
            max_invocations_per_workgroup: 256,
            max_workgroup_bytes: 16 << 10,
            max_binding_bytes: 128 << 20,
            max_buffer_bytes: 256 << 20,
            max_storage_buffers: 8,
            storage_alignment: 256,
            f32_atomics: false,
            f16: false,
            subgroup_size: None,
            cooperative_side: None,
            max_loop_iterations: None,
            machine: Machine { multiprocessors: 132, resident: 512, sums: 64, fmas_per_byte: 7 },
        }
    }

    /// A software rasteriser with the limits that WebGPU guarantees.
    pub fn cpu() -> Self {
        Capabilities { class: KernelClass::Cpu, ..Capabilities::gpu() }
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.class {
            KernelClass::Gpu => "GPU",
            KernelClass::Cpu => "CPU",
        };
        write!(
            f,
            "{class} class, {} workgroups per dimension, {} invocations per workgroup, {} MiB bindings",
            self.max_workgroups_per_dimension,
            self.max_invocations_per_workgroup,
            self.max_binding_bytes >> 20
        )
    }
}
