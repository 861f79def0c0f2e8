//! Lowers every compute entry point of a WGSL file to SPIR-V and MSL, with the options that wgconv's exports have.
//!
//!     lower_wgsl [--checks] FILE.wgsl OUT_DIR [CONSTANT=VALUE ...]
//!
//! `--checks` makes what wgpu makes by default: bounds checks, bounded loops, workgroup memory that starts at zero.
//! Prints one line of JSON for each entry point.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use naga::back::{PipelineConstants, msl, pipeline_constants::process_overrides, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let checks = arguments.first().is_some_and(|first| first == "--checks");
    if checks {
        arguments.remove(0);
    }
    let [file, out, constants @ ..] = &arguments[..] else {
        return Err("lower_wgsl [--checks] FILE.wgsl OUT_DIR [CONSTANT=VALUE ...]".into());
    };
    let mut values = PipelineConstants::default();
    for constant in constants {
        let (name, value) = constant.split_once('=').ok_or_else(|| format!("{constant}: NAME=VALUE is wanted"))?;
        values.insert(name.into(), value.parse().map_err(|_| format!("{constant}: not a number"))?);
    }

    let source = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let mut options = naga::front::wgsl::Options::new();
    options.capabilities = Capabilities::all();
    let mut frontend = naga::front::wgsl::Frontend::new_with_options(options);
    let module = frontend.parse(&source).map_err(|error| error.emit_to_string_with_path(&source, file))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::all())
        .validate(&module)
        .map_err(|error| error.emit_to_string_with_path(&source, file))?;

    let entry_points = module.entry_points.iter().filter(|entry| entry.stage == ShaderStage::Compute);
    for name in entry_points.map(|entry| entry.name.as_str()) {
        let (module, info) = process_overrides(&module, &info, Some((ShaderStage::Compute, name)), &values)?;
        let lowered = Lowered { module: &module, info: &info, name, checks };
        println!("{}", lowered.write(Path::new(out))?);
    }
    Ok(())
}

struct Lowered<'a> {
    module: &'a Module,
    info: &'a ModuleInfo,
    name: &'a str,
    checks: bool,
}

impl Lowered<'_> {
    /// Writes NAME.spv and NAME.metal and says what is in them.
    fn write(&self, out: &Path) -> Result<serde_json::Value> {
        let place = self.module.entry_points.iter().position(|entry| entry.name == self.name);
        let place = place.ok_or_else(|| format!("{} is gone", self.name))?;
        fs::write(out.join(format!("{}.spv", self.name)), self.spirv()?)?;
        let (msl_entry, refused) = match self.msl() {
            Ok((text, entry)) => {
                fs::write(out.join(format!("{}.metal", self.name)), text)?;
                (Some(entry), None)
            }
            Err(error) => (None, Some(error.to_string())),
        };
        let (sets, workgroup_bytes) = self.globals(place)?;
        Ok(json!({
            "name": self.name, "workgroup_size": self.module.entry_points[place].workgroup_size,
            "workgroup_bytes": workgroup_bytes, "sets": sets, "msl_entry": msl_entry, "no_msl": refused,
        }))
    }

    fn policies(&self) -> BoundsCheckPolicies {
        let policy = if self.checks { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
        BoundsCheckPolicies { index: policy, buffer: policy, image_load: policy, binding_array: policy }
    }

    fn spirv(&self) -> Result<Vec<u8>> {
        let zeroes = match self.checks {
            true => spv::ZeroInitializeWorkgroupMemoryMode::Polyfill,
            false => spv::ZeroInitializeWorkgroupMemoryMode::None,
        };
        let options = spv::Options {
            lang_version: (1, 3),
            flags: spv::WriterFlags::empty(),
            bounds_check_policies: self.policies(),
            zero_initialize_workgroup_memory: zeroes,
            force_loop_bounding: self.checks,
            use_storage_input_output_16: false,
            ..spv::Options::default()
        };
        let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: self.name.into() };
        let words = spv::write_vec(self.module, self.info, &options, Some(&pipeline))?;
        Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
    }

    /// The text and what its entry point is called.
    fn msl(&self) -> Result<(String, String)> {
        let options = msl::Options {
            lang_version: (3, 0),
            fake_missing_bindings: true,
            bounds_check_policies: self.policies(),
            zero_initialize_workgroup_memory: self.checks,
            force_loop_bounding: self.checks,
            ..msl::Options::default()
        };
        let entry_point = Some((ShaderStage::Compute, self.name.to_string()));
        let pipeline = msl::PipelineOptions { entry_point, ..msl::PipelineOptions::default() };
        let (text, translation) = msl::write_string(self.module, self.info, &options, &pipeline)?;
        let entry = translation.entry_point_names.into_iter().next().ok_or("MSL without an entry point")?;
        Ok((text, entry?))
    }

    /// The kinds of the bindings, a letter each, with '/' between descriptor sets; bytes of workgroup memory.
    fn globals(&self, place: usize) -> Result<(String, u32)> {
        let used = self.info.get_entry_point(place);
        let mut letters: BTreeMap<(u32, u32), char> = BTreeMap::new();
        let mut workgroup_bytes = 0;
        for (handle, variable) in self.module.global_variables.iter() {
            if used[handle].is_empty() {
                continue;
            }
            let letter = match variable.space {
                AddressSpace::WorkGroup => {
                    workgroup_bytes += self.module.types[variable.ty].inner.size(self.module.to_ctx());
                    continue;
                }
                AddressSpace::Private => continue,
                AddressSpace::Uniform => 'u',
                AddressSpace::Storage { .. } => 's',
                other => return Err(format!("{other:?}: only uniform and storage buffers are supported").into()),
            };
            let binding = variable.binding.ok_or("a buffer without @group and @binding")?;
            letters.insert((binding.group, binding.binding), letter);
        }
        let n_sets = letters.keys().map(|(group, _)| group + 1).max().unwrap_or(0);
        let set = |group| {
            let n_bindings = letters.keys().filter(|key| key.0 == group).map(|key| key.1 + 1).max().unwrap_or(0);
            (0..n_bindings).map(|binding| letters.get(&(group, binding)).copied().unwrap_or('-')).collect::<String>()
        };
        Ok(((0..n_sets).map(set).collect::<Vec<_>>().join("/"), workgroup_bytes))
    }
}
