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

/// Limits and class of a device: [`Capabilities::of`] plain numbers, `gpu::capabilities_of` a device of wgpu, or a
/// [preset](Capabilities::preset).
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
    /// `EXPERIMENTAL_COOPERATIVE_MATRIX` and `SHADER_F16`. In wgpu only its adapter knows: `gpu::capabilities_with_adapter`.
    pub cooperative_side: Option<u32>,
    /// After how many iterations, of all its loops together, the driver ends an invocation's loops without an error.
    /// Mesa's llvmpipe does so (`LP_MAX_TGSI_LOOP_ITERATIONS`); what needs more is refused there.
    pub max_loop_iterations: Option<u32>,
    /// What the models of a GPU's costs know of it. The presets here have that of a big GPU.
    #[cfg_attr(feature = "serde", serde(default))]
    pub machine: Machine,
}

/// What an API says a device is, for [`Device::kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum DeviceKind {
    /// A software rasteriser.
    Cpu,
    /// A GPU that shares the host's memory.
    IntegratedGpu,
    /// Any other GPU, and what the API does not tell.
    Gpu,
}

/// A device in plain numbers, as Vulkan, Metal, DX12 and WebGPU tell them: what [`Capabilities::of`] is made from. Start from
/// [`Device::default`], whose limits every WebGPU device has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Device {
    /// Name of the adapter.
    pub name: String,
    /// Name of its driver, where the API tells.
    pub driver: String,
    /// PCI id of the vendor, zero where the API does not tell.
    pub vendor: u32,
    /// What it is.
    pub kind: DeviceKind,
    /// Workgroups along a dimension of a dispatch.
    pub max_workgroups_per_dimension: u32,
    /// Invocations of a workgroup along its first dimension.
    pub max_invocations_per_workgroup: u32,
    /// Bytes of workgroup memory.
    pub max_workgroup_bytes: u32,
    /// Bytes of a storage binding.
    pub max_binding_bytes: u64,
    /// Bytes of a buffer.
    pub max_buffer_bytes: u64,
    /// Storage buffers of a shader.
    pub max_storage_buffers: u32,
    /// Storage bindings start at multiples of so many bytes.
    pub storage_alignment: u32,
    /// Smallest and largest subgroup, where shaders may use subgroup operations.
    pub subgroup_sizes: Option<[u32; 2]>,
    /// Whether shaders may add to f32 in storage buffers atomically.
    pub f32_atomics: bool,
    /// Whether shaders may use f16, in storage buffers too.
    pub f16: bool,
    /// Side of the largest square matrices of f16 that a subgroup multiplies into f32, of those that the kernels are written for, 16
    /// and 8; `None` where the device was not opened with cooperative matrices.
    pub cooperative_side: Option<u32>,
}

impl Default for Device {
    fn default() -> Self {
        Device {
            name: String::new(),
            driver: String::new(),
            vendor: 0,
            kind: DeviceKind::Gpu,
            max_workgroups_per_dimension: 65_535,
            max_invocations_per_workgroup: 256,
            max_workgroup_bytes: 16 << 10,
            max_binding_bytes: 128 << 20,
            max_buffer_bytes: 256 << 20,
            max_storage_buffers: 8,
            storage_alignment: 256,
            subgroup_sizes: None,
            f32_atomics: false,
            f16: false,
            cooperative_side: None,
        }
    }
}

/// Mesa's `LP_MAX_TGSI_LOOP_ITERATIONS`; measured with 22.3 (`tests/device/driver_limits.rs`).
const LLVMPIPE_LOOP_ITERATIONS: u32 = 65_535;

impl Capabilities {
    /// What a device offers: its limits, the class of kernels that suits what it is, and what tables know of its name. The one rule
    /// for all hosts.
    pub fn of(device: &Device) -> Self {
        let llvmpipe = [&device.name, &device.driver].iter().any(|name| name.to_lowercase().contains("llvmpipe"));
        let one_size = |[smallest, largest]: [u32; 2]| (smallest == largest && smallest > 0).then_some(smallest);
        Capabilities {
            class: if device.kind == DeviceKind::Cpu { KernelClass::Cpu } else { KernelClass::Gpu },
            max_workgroups_per_dimension: device.max_workgroups_per_dimension,
            max_invocations_per_workgroup: device.max_invocations_per_workgroup,
            max_workgroup_bytes: device.max_workgroup_bytes,
            max_binding_bytes: device.max_binding_bytes,
            max_buffer_bytes: device.max_buffer_bytes,
            max_storage_buffers: device.max_storage_buffers,
            // Kernels that read vec4s need bindings that start at one.
            storage_alignment: device.storage_alignment.max(16),
            f32_atomics: device.f32_atomics,
            f16: device.f16,
            subgroup_size: device.subgroup_sizes.and_then(one_size),
            cooperative_side: device.cooperative_side,
            max_loop_iterations: llvmpipe.then_some(LLVMPIPE_LOOP_ITERATIONS),
            machine: Machine::of_adapter(device.vendor, &device.name, device.kind == DeviceKind::IntegratedGpu),
        }
    }

    /// Names of the [presets](Capabilities::preset).
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|preset| preset.name)
    }

    /// A device by name, with the limits that its usual Vulkan or Metal driver reports: for plans, exports and experiments on a machine
    /// that has another one or none. `webgpu` has the limits that every WebGPU device has. `None` for a name that is not among the
    /// [presets](Capabilities::presets).
    pub fn preset(name: &str) -> Option<Self> {
        PRESETS.iter().find(|preset| preset.name == name).map(|preset| Capabilities::of(&preset.device()))
    }

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

/// What the drivers of a family report alike.
#[derive(Clone, Copy)]
enum Family {
    /// Nothing beyond WebGPU's guarantees.
    WebGpu,
    /// NVIDIA's driver.
    Nvidia,
    /// Mesa's RADV and AMD's driver; subgroups of 32 or 64, as the driver likes.
    Amd,
    /// Mesa's ANV; subgroups of 8 to 32.
    Intel,
    /// Metal.
    Apple,
    /// Qualcomm's driver; subgroups of 64 or 128.
    Adreno,
    /// Arm's driver.
    Mali,
    /// Mesa's software rasteriser.
    Lavapipe,
}

struct Preset {
    name: &'static str,
    adapter: &'static str,
    family: Family,
    integrated: bool,
}

const fn preset(name: &'static str, adapter: &'static str, family: Family, integrated: bool) -> Preset {
    Preset { name, adapter, family, integrated }
}

const PRESETS: [Preset; 17] = [
    preset("webgpu", "", Family::WebGpu, false),
    preset("h100", "NVIDIA H100", Family::Nvidia, false),
    preset("a100", "NVIDIA A100", Family::Nvidia, false),
    preset("rtx-4090", "NVIDIA GeForce RTX 4090", Family::Nvidia, false),
    preset("rtx-3060", "NVIDIA GeForce RTX 3060", Family::Nvidia, false),
    preset("rx-9070-xt", "AMD Radeon RX 9070 XT", Family::Amd, false),
    preset("rx-7900-xtx", "AMD Radeon RX 7900 XTX", Family::Amd, false),
    preset("rx-6700-xt", "AMD Radeon RX 6700 XT", Family::Amd, false),
    preset("radeon-780m", "AMD Radeon 780M Graphics", Family::Amd, true),
    preset("arc-b580", "Intel Arc B580 Graphics", Family::Intel, false),
    preset("arc-a770", "Intel Arc A770 Graphics", Family::Intel, false),
    preset("iris-xe", "Intel Iris Xe Graphics", Family::Intel, true),
    preset("m2", "Apple M2", Family::Apple, true),
    preset("m3-max", "Apple M3 Max", Family::Apple, true),
    preset("adreno-740", "Adreno (TM) 740", Family::Adreno, true),
    preset("mali-g715", "Mali-G715", Family::Mali, true),
    preset("lavapipe", "llvmpipe (LLVM 15.0.6, 256 bits)", Family::Lavapipe, false),
];

impl Preset {
    fn device(&self) -> Device {
        let kind = if self.integrated { DeviceKind::IntegratedGpu } else { DeviceKind::Gpu };
        let desktop = Device {
            name: self.adapter.into(),
            kind,
            max_invocations_per_workgroup: 1024,
            max_workgroup_bytes: 32 << 10,
            // What wgpu and WebGPU count in are u32 bytes less one.
            max_binding_bytes: (1 << 31) - 4,
            max_buffer_bytes: 1 << 32,
            max_storage_buffers: 16,
            storage_alignment: 16,
            f16: true,
            ..Device::default()
        };
        match self.family {
            Family::WebGpu => Device { name: self.adapter.into(), kind, ..Device::default() },
            Family::Nvidia => {
                Device { max_workgroup_bytes: 48 << 10, subgroup_sizes: Some([32, 32]), f32_atomics: true, ..desktop }
            }
            Family::Amd => {
                Device { max_workgroup_bytes: 64 << 10, subgroup_sizes: Some([32, 64]), f32_atomics: true, ..desktop }
            }
            Family::Intel => {
                Device { max_workgroup_bytes: 64 << 10, subgroup_sizes: Some([8, 32]), f32_atomics: true, ..desktop }
            }
            Family::Apple => {
                Device { subgroup_sizes: Some([32, 32]), storage_alignment: 32, f32_atomics: true, ..desktop }
            }
            Family::Adreno => Device {
                subgroup_sizes: Some([64, 128]),
                storage_alignment: 64,
                max_binding_bytes: 128 << 20,
                max_buffer_bytes: 1 << 30,
                ..desktop
            },
            Family::Mali => Device {
                subgroup_sizes: Some([16, 16]),
                storage_alignment: 64,
                max_binding_bytes: 128 << 20,
                max_buffer_bytes: 1 << 30,
                ..desktop
            },
            Family::Lavapipe => Device {
                kind: DeviceKind::Cpu,
                driver: "llvmpipe".into(),
                subgroup_sizes: Some([8, 8]),
                max_binding_bytes: 128 << 20,
                max_buffer_bytes: 1 << 30,
                max_storage_buffers: 32,
                f32_atomics: true,
                ..desktop
            },
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_told_apart_and_known() {
        for name in Capabilities::presets() {
            let capabilities = Capabilities::preset(name).expect("it is listed");
            let device = PRESETS.iter().find(|preset| preset.name == name).expect("it is listed").device();
            let known = Machine::known(device.vendor, &device.name, device.kind == DeviceKind::IntegratedGpu);
            assert_eq!(known.is_some(), !matches!(name, "webgpu" | "lavapipe"), "{name}");
            assert_eq!(capabilities.class == KernelClass::Cpu, name == "lavapipe");
        }
        assert_eq!(Capabilities::preset("webgpu").map(|caps| caps.max_invocations_per_workgroup), Some(256));
        assert_eq!(Capabilities::preset("rtx-4090").map(|caps| caps.machine.multiprocessors), Some(128));
        assert_eq!(Capabilities::preset("rx-7900-xtx").and_then(|caps| caps.subgroup_size), None);
        assert_eq!(Capabilities::preset("lavapipe").and_then(|caps| caps.max_loop_iterations), Some(65_535));
        assert_eq!(Capabilities::preset("unknown"), None);
    }
}
