//! `wgconv devices`: the adapters of this machine and what matters of them here.

use clap::Args;
use serde_json::json;
use wgconv::gpu::{Gpu, Select};
use wgconv::{Capabilities, KernelClass};

use crate::backend::{Adapter, no_adapter};
use crate::console::{say, say_json};
use crate::failure::{Failure, Result};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wgconv devices
  wgconv devices --json

`--device` of the other commands takes the number or any part of what this list says in brackets and before them, in \
any case. `--device auto` is number 0 unless the environment variable WGCONV_ADAPTER names another. Cooperative matrices are used \
with WGCONV_EXPERIMENTAL=1 only. Exit code 4 when there is no adapter.")]
pub struct DevicesArgs {
    /// Print the list in JSON
    #[arg(long)]
    json: bool,
}

/// Features that kernels can use, by the names that people know.
const FEATURES: [(&str, wgpu::Features); 5] = [
    ("timestamps", wgpu::Features::TIMESTAMP_QUERY),
    ("f16", wgpu::Features::SHADER_F16),
    ("subgroups", wgpu::Features::SUBGROUP),
    ("f32 atomics", wgpu::Features::SHADER_FLOAT32_ATOMIC),
    ("cooperative matrices", wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
];

pub fn run(args: &DevicesArgs) -> Result<()> {
    let adapters = Gpu::find_adapters()?;
    let rows: Vec<Row> = adapters.iter().enumerate().map(|(index, adapter)| Row::of(index, adapter)).collect();
    if args.json {
        let adapters: Vec<_> = rows.iter().map(Row::json).collect();
        say_json(&json!({"adapters": adapters, "reference": "f64 on the CPU"}));
    } else {
        rows.iter().for_each(Row::say);
        say!("reference  the f64 oracle on the CPU");
    }
    // A script may ask whether there is any.
    if rows.is_empty() { Err(Failure::device(no_adapter())) } else { Ok(()) }
}

/// What the list says of an adapter.
struct Row {
    index: usize,
    info: wgpu::AdapterInfo,
    limits: wgpu::Limits,
    features: wgpu::Features,
    /// Which kernels suit it, or why it cannot be opened: worth a line, not the end of the list.
    class: Result<&'static str>,
}

impl Row {
    fn of(index: usize, adapter: &wgpu::Adapter) -> Row {
        let opened = Adapter::open(&Select::Index(index));
        Row {
            index,
            info: adapter.get_info(),
            limits: adapter.limits(),
            features: adapter.features(),
            class: opened.map(|adapter| class(adapter.gpu.capabilities())),
        }
    }

    /// Names of the features that are there, or are not.
    fn features(&self, there: bool) -> Vec<&'static str> {
        FEATURES.iter().filter(|(_, f)| self.features.contains(*f) == there).map(|(name, _)| *name).collect()
    }

    fn backend(&self) -> String {
        format!("{:?}", self.info.backend).to_lowercase()
    }

    fn say(&self) {
        let Row { index, info, limits, .. } = self;
        say!("{index}  {} [{}]", info.name, self.backend());
        say!("   type       {:?}", info.device_type);
        say!("   driver     {} {}", info.driver, info.driver_info);
        match &self.class {
            Ok(class) => say!("   kernels    {class} class"),
            Err(failure) => say!("   trouble    {failure}"),
        }
        for (label, names) in [("has", self.features(true)), ("lacks", self.features(false))] {
            if !names.is_empty() {
                say!("   {label:<9}  {}", names.join(", "));
            }
        }
        if self.features.contains(wgpu::Features::SUBGROUP) {
            say!("   subgroups  of {} to {}", info.subgroup_min_size, info.subgroup_max_size);
        }
        say!(
            "   bindings   of {}, buffers of {}",
            bytes(limits.max_storage_buffer_binding_size),
            bytes(limits.max_buffer_size)
        );
        say!(
            "   workgroups of {} invocations and {} memory, {} per dimension",
            limits.max_compute_invocations_per_workgroup,
            bytes(limits.max_compute_workgroup_storage_size.into()),
            limits.max_compute_workgroups_per_dimension,
        );
        say!(
            "   storage    {} buffers per stage, offsets in steps of {} bytes",
            limits.max_storage_buffers_per_shader_stage,
            limits.min_storage_buffer_offset_alignment,
        );
    }

    fn json(&self) -> serde_json::Value {
        let Row { info, limits, .. } = self;
        json!({
            "index": self.index,
            "name": info.name,
            "backend": self.backend(),
            "type": format!("{:?}", info.device_type),
            "driver": info.driver,
            "driver_info": info.driver_info,
            "features": self.features(true),
            "subgroup_sizes": [info.subgroup_min_size, info.subgroup_max_size],
            "class": self.class.as_ref().ok(),
            "trouble": self.class.as_ref().err().map(|failure| &failure.message),
            "limits": {
                "max_storage_buffer_binding_size": limits.max_storage_buffer_binding_size,
                "max_buffer_size": limits.max_buffer_size,
                "max_compute_invocations_per_workgroup": limits.max_compute_invocations_per_workgroup,
                "max_compute_workgroup_storage_size": limits.max_compute_workgroup_storage_size,
                "max_compute_workgroups_per_dimension": limits.max_compute_workgroups_per_dimension,
                "max_storage_buffers_per_shader_stage": limits.max_storage_buffers_per_shader_stage,
                "min_storage_buffer_offset_alignment": limits.min_storage_buffer_offset_alignment,
            },
        })
    }
}

/// Which kernels suit a device.
pub fn class(capabilities: &Capabilities) -> &'static str {
    match capabilities.class {
        KernelClass::Gpu => "GPU",
        KernelClass::Cpu => "CPU",
    }
}

/// With a unit that leaves two digits at least.
pub fn bytes(count: u64) -> String {
    match count {
        n if n >= 10 << 30 => format!("{} GiB", n >> 30),
        n if n >= 10 << 20 => format!("{} MiB", n >> 20),
        n if n >= 10 << 10 => format!("{} KiB", n >> 10),
        n => format!("{n} bytes"),
    }
}
