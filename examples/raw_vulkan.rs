//! Convolutions on Vulkan without wgpu: the core chooses a program, naga makes SPIR-V of its WGSL, ash runs it. Every result is held
//! against the f64 reference. docs/hosts.md explains the steps.
//!
//! cargo run --release --features reference --example raw_vulkan

#[path = "vulkan/mod.rs"]
mod vulkan;

use std::collections::BTreeMap;

use half::f16;
use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities as Wanted, ValidationFlags, Validator};
pub use vulkan::Vulkan;
use vulkan::{Job, Launch, POISON, Result, Shader, compare, random};
use wgconv::program::{BufferRange, Buffers, DUMMY_BYTES, Program, Step};
use wgconv::{
    Access, Activation, Capabilities, Conv, ElementType, Geometry, Gradient, Inputs, Options, Problem, Storage,
    TensorName, TensorSpec, choose,
};

fn main() -> Result<()> {
    let vulkan = Vulkan::open(|_| None)?;
    println!("{}", vulkan.device_info.name);
    let layer = Conv::new(3, 8, [30, 26], 16, [3, 3]).padding(1).bias(true).activation(Activation::Silu);
    let backward = Gradient::all(layer.clone());
    for problem in [layer.into(), backward.into()] {
        println!("{}", check(&vulkan, &problem, &Options::default().pack_weights())?);
    }
    Ok(())
}

/// Computes a problem and holds it against the reference. Returns what was checked.
pub fn check(vulkan: &Vulkan, problem: &Problem, options: &Options) -> Result<String> {
    // Everything up to the program knows no GPU API.
    let capabilities = Capabilities::of(&vulkan.device_info);
    let geometry = Geometry::new(problem)?;
    let choice = choose(&geometry, &capabilities, options)?;
    let program = &choice.program;
    let inputs = random(&geometry);
    let written = run(vulkan, program, &capabilities, &inputs)?;
    let worst = compare(problem, choice.algorithm, options.storage, &inputs, &written)?;
    let mut text = format!("{} by {} ({})", problem.op_name(), choice.algorithm, choice.reason);
    text += &format!(": {} launches", program.packing.len() + program.dispatch_count());
    for (name, worst) in worst {
        let n_values = written[&name].len();
        text += &format!("\n  {name}: {n_values} values, the worst error is {worst:.3} of the allowed one");
    }
    Ok(text)
}

/// Runs a program on contiguous inputs. Results are contiguous: integers, or the bits of f32.
fn run(
    vulkan: &Vulkan,
    program: &Program,
    capabilities: &Capabilities,
    inputs: &Inputs,
) -> Result<BTreeMap<TensorName, Vec<u32>>> {
    // The tensors first, in their order; ranges know buffers by their index.
    let mut contents: Vec<Vec<u32>> = Vec::new();
    let mut ranges = Buffers::default();
    let mut range = |words: Vec<u32>| {
        let size = words.len() as u64 * 4;
        contents.push(words);
        BufferRange { id: contents.len() - 1, offset: 0, size }
    };
    let poison = |bytes: u64| vec![POISON; bytes.div_ceil(4) as usize];
    for spec in program.geometry.tensors() {
        let mut words = poison(program.tensor_bytes(spec));
        if spec.access != Access::Write {
            upload(program, spec, inputs.get(&spec.name).ok_or("an input is missing")?, &mut words);
        }
        ranges.tensors.insert(spec.name, range(words));
    }
    ranges.workspace = (program.workspace_bytes > 0).then(|| range(poison(program.workspace_bytes)));
    ranges.packed = (program.packed_bytes > 0).then(|| range(poison(program.packed_bytes)));
    // Vulkan does not mind a buffer that is bound twice.
    let dummy = range(poison(DUMMY_BYTES));
    program.check_buffers(&ranges, capabilities.storage_alignment)?;

    let checks = program.options.runtime_checks;
    let shader = |(source, n_storage): (String, usize)| Ok(Shader { spirv: spirv(&source, checks)?, n_storage });
    let launches = program.launches().map(|launch| (program.source(launch), launch.variant.kernel.bindings.len()));
    let shaders = launches.map(shader).collect::<Result<Vec<_>>>()?;
    // Weights are packed once; this runs everything once.
    let steps = [program.packing_steps(capabilities)?, program.steps(capabilities)?].concat();
    let launch = |step: Step| Launch {
        shader: step.launch,
        bindings: step
            .spans
            .iter()
            .map(|span| {
                let range = ranges.get(span.memory).unwrap_or(&dummy);
                (range.id, range.offset + span.offset, span.bytes)
            })
            .collect(),
        params: step.params.bytes().to_vec(),
        grid: step.grid,
    };
    let launches = steps.into_iter().map(launch).collect();
    let contents = vulkan.run(&Job { buffers: contents, shaders, launches })?;
    let written = program.geometry.tensors().iter().zip(&contents).filter(|(spec, _)| spec.access != Access::Read);
    Ok(written.map(|(spec, words)| (spec.name, download(program, spec, words))).collect())
}

/// WGSL as SPIR-V 1.3, Vulkan 1.1's. Without `checks` nothing is checked when it runs: the core has seen to it.
fn spirv(source: &str, checks: bool) -> Result<Vec<u32>> {
    let module = naga::front::wgsl::parse_str(source).map_err(|error| error.emit_to_string(source))?;
    let info = Validator::new(ValidationFlags::all(), Wanted::all())
        .validate(&module)
        .map_err(|error| error.emit_to_string(source))?;
    let policy = if checks { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    let options = spv::Options {
        lang_version: (1, 3),
        flags: spv::WriterFlags::empty(),
        bounds_check_policies: BoundsCheckPolicies {
            index: policy,
            buffer: policy,
            image_load: policy,
            binding_array: policy,
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: checks,
        use_storage_input_output_16: false,
        ..Default::default()
    };
    let pipeline = spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: "main".into() };
    Ok(spv::write_vec(&module, &info, &options, Some(&pipeline))?)
}

/// Puts a contiguous tensor where its layout says, as its storage holds it.
fn upload(program: &Program, spec: &TensorSpec, values: &[f32], words: &mut [u32]) {
    let layout = program.options.layout_of(spec);
    match program.options.storage {
        Storage::F32 => layout.scatter(&spec.shape, values, bytemuck::cast_slice_mut(words)),
        Storage::F16 => {
            let halves: Vec<f16> = values.iter().copied().map(f16::from_f32).collect();
            layout.scatter(&spec.shape, &halves, bytemuck::cast_slice_mut(words));
        }
    }
}

fn download(program: &Program, spec: &TensorSpec, words: &[u32]) -> Vec<u32> {
    let layout = program.options.layout_of(spec);
    if spec.element == ElementType::Real && program.options.storage == Storage::F16 {
        let halves: Vec<f16> = layout.gather(&spec.shape, bytemuck::cast_slice(words));
        return halves.into_iter().map(|half| half.to_f32().to_bits()).collect();
    }
    layout.gather(&spec.shape, words)
}
