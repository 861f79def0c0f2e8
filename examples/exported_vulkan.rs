//! An exported convolution in a program that knows Vulkan and nothing else: no wgpu, no shader compiler. It reads
//! `manifest.json` and the SPIR-V beside it, makes its own device, binds and dispatches what the manifest says, and
//! holds the result against the f64 reference.
//!
//! cargo run --release --features cli -- export --layer resnet50/conv1 --languages spirv --out conv1
//! cargo run --release --features export,reference --example exported_vulkan -- conv1

#[path = "vulkan/mod.rs"]
mod vulkan;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use half::f16;
use vulkan::{Job, Launch, POISON, Result, Shader, Vulkan, random};
use wgconv::export::{Feature, Language, MANIFEST, Manifest, TensorElement};
use wgconv::{Access, Device, Geometry, Inputs, TensorName};

/// Elements of the tensors that were written, contiguous: integers, or the bits of f32.
pub type Written = BTreeMap<TensorName, Vec<u32>>;

fn main() -> Result<()> {
    let folder =
        std::env::args().nth(1).ok_or("usage: exported_vulkan FOLDER, as `wgconv export --out FOLDER` wrote it")?;
    let manifest = load(Path::new(&folder))?;
    let inputs = random(&Geometry::new(&manifest.problem)?);
    let vulkan = open(&manifest)?;
    println!("{} by {} on {}", manifest.operation, manifest.algorithm, vulkan.device_info.name);
    let written = run(&vulkan, Path::new(&folder), &manifest, &inputs)?;
    for (name, worst) in compare(&manifest, &inputs, &written)? {
        println!("{name}: the worst error is {worst:.3} of the allowed one");
    }
    Ok(())
}

/// Reads the manifest of an export.
pub fn load(folder: &Path) -> Result<Manifest> {
    Ok(Manifest::from_json(&fs::read_to_string(folder.join(MANIFEST))?)?)
}

/// The worst error of every written tensor, as a share of what the reference allows; an error beyond that is refused.
pub fn compare(manifest: &Manifest, inputs: &Inputs, written: &Written) -> Result<BTreeMap<TensorName, f64>> {
    vulkan::compare(&manifest.problem, manifest.algorithm, manifest.choices.storage, inputs, written)
}

/// Opens the first device that offers what a manifest requires.
pub fn open(manifest: &Manifest) -> Result<Vulkan> {
    let requirements = &manifest.requirements;
    Vulkan::open(|device: &Device| {
        if !requirements.storage_alignment.is_multiple_of(device.storage_alignment) {
            return Some("storage buffers start at other offsets".into());
        }
        for (limit, offered) in [
            ("max_storage_buffers_per_shader_stage", u64::from(device.max_storage_buffers)),
            ("max_storage_buffer_binding_size", device.max_binding_bytes),
            ("max_compute_invocations_per_workgroup", device.max_invocations_per_workgroup.into()),
            ("max_compute_workgroup_size_x", device.max_invocations_per_workgroup.into()),
            ("max_compute_workgroup_storage_size", device.max_workgroup_bytes.into()),
            ("max_compute_workgroups_per_dimension", device.max_workgroups_per_dimension.into()),
        ] {
            let needed = requirements.limits.get(limit).copied().unwrap_or(0);
            if needed > offered {
                return Some(format!("{limit} = {offered}, it needs {needed}"));
            }
        }
        let subgroups = requirements.subgroup_size.map(|size| [size; 2]);
        let missing = requirements.features.iter().find(|feature| match feature {
            Feature::Subgroups => device.subgroup_sizes != subgroups,
            Feature::F32Atomics => !device.f32_atomics,
            Feature::F16 => !device.f16,
            Feature::CooperativeMatrices => true,
        });
        missing.map(|feature| format!("it does not offer {feature:?}, subgroups of {subgroups:?}"))
    })
}

/// Computes an export: inputs contiguous, results contiguous.
pub fn run(vulkan: &Vulkan, folder: &Path, manifest: &Manifest, inputs: &Inputs) -> Result<Written> {
    // Every memory by its name: tensors, then what else the steps speak of.
    let mut buffers = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let scratch =
        [("workspace", manifest.workspace_bytes), ("packed", manifest.packed_bytes), ("unused", manifest.unused_bytes)];
    let tensors = manifest.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.bytes));
    for (name, bytes) in tensors.chain(scratch).filter(|(_, bytes)| *bytes > 0) {
        places.insert(name, buffers.len());
        buffers.push(vec![POISON; bytes.div_ceil(4) as usize]);
    }
    for tensor in manifest.tensors.iter().filter(|tensor| tensor.access != Access::Write) {
        let words = &mut buffers[places[tensor.name.as_str()]];
        let data = inputs.get(&tensor.name).ok_or_else(|| format!("there is no {}", tensor.name))?;
        if tensor.element == TensorElement::F16 {
            let data: Vec<f16> = data.iter().copied().map(f16::from_f32).collect();
            tensor.layout.scatter(&tensor.shape, &data, bytemuck::cast_slice_mut(words));
        } else {
            tensor.layout.scatter(&tensor.shape, data, bytemuck::cast_slice_mut(words));
        }
    }
    let mut shaders = Vec::new();
    for shader in &manifest.shaders {
        let file = shader.files.get(&Language::Spirv).ok_or_else(|| format!("{} is no SPIR-V", shader.name))?;
        let spirv = ash::util::read_spv(&mut fs::File::open(folder.join(&file.path))?)?;
        // The uniform comes first.
        shaders.push(Shader { spirv, n_storage: file.slots.len() - 1 });
    }
    let mut launches = Vec::new();
    for step in manifest.packing.iter().chain(&manifest.steps) {
        let bindings = step.bindings.iter().map(|range| (places[range.memory.as_str()], range.offset, range.bytes));
        let (shader, params, grid) = (step.shader, step.parameter_bytes()?, step.workgroups);
        launches.push(Launch { shader, bindings: bindings.collect(), params, grid });
    }
    let buffers = vulkan.run(&Job { buffers, shaders, launches })?;
    let mut written = Written::new();
    for tensor in manifest.tensors.iter().filter(|tensor| tensor.access != Access::Read) {
        let words = &buffers[places[tensor.name.as_str()]];
        let values = if tensor.element == TensorElement::F16 {
            let halves: Vec<f16> = tensor.layout.gather(&tensor.shape, bytemuck::cast_slice(words));
            halves.into_iter().map(|half| half.to_f32().to_bits()).collect()
        } else {
            tensor.layout.gather(&tensor.shape, words)
        };
        written.insert(tensor.name, values);
    }
    Ok(written)
}
