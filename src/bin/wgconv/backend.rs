//! Where things are computed: an adapter, or the oracle on the CPU.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use wgconv::gpu::{Gpu, Select};

use wgconv::{
    Access, Accuracy, Algorithm, Candidate, Capabilities, Geometry, Inputs, KernelClass, Options, Storage, TensorName,
    TensorSpec, Tile, candidates, memory, reference,
};

use crate::console::tell;
use crate::failure::{Failure, Result};

/// What `--device` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Auto,
    Reference,
    All,
    One(Select),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(match text.to_lowercase().as_str() {
            // A part of every name.
            blank if blank.trim().is_empty() => return Err("it must not be empty".into()),
            "auto" => Wanted::Auto,
            "reference" => Wanted::Reference,
            "all" => Wanted::All,
            _ => Wanted::One(text.parse().map_or_else(|_| Select::Name(text.into()), Select::Index)),
        })
    }
}

/// What `--algorithm` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Auto,
    All,
    One(Algorithm),
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.to_lowercase().replace('_', "-").as_str() {
            "auto" => Ok(Method::Auto),
            "all" => Ok(Method::All),
            name => Algorithm::parse(name).map(Method::One).ok_or_else(|| {
                let names: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
                format!("it must be auto, all, {}", names.join(", "))
            }),
        }
    }
}

/// What `--accuracy` asks for.
pub fn accuracy(text: &str) -> std::result::Result<Accuracy, String> {
    let names = Accuracy::ALL.map(Accuracy::name).join(", ");
    Accuracy::parse(&text.to_lowercase()).ok_or_else(|| format!("it must be one of {names}"))
}

/// What `--storage` asks for.
pub fn storage(text: &str) -> std::result::Result<Storage, String> {
    let names = Storage::ALL.map(Storage::name).join(", ");
    Storage::parse(&text.to_lowercase()).ok_or_else(|| format!("it must be one of {names}"))
}

/// How numbers are rounded on the way.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Numbers {
    /// strict, standard, relaxed or half: how large rounding errors may be (docs/numerics.md)
    #[arg(long, value_name = "CLASS", default_value = "standard", value_parser = accuracy)]
    pub accuracy: Accuracy,
    /// f32 or f16: how tensors lie in device memory; sums are f32
    #[arg(long, value_name = "TYPE", default_value = "f32", value_parser = storage)]
    pub storage: Storage,
    /// Tile of matrix products on GPUs, as in 16x16-8x8-k8 (docs/algorithms.md)
    #[arg(long, value_name = "TILE")]
    pub tile: Option<Tile>,
}

impl Numbers {
    pub fn options(self) -> Options {
        Options { tile: self.tile, ..Options::default().accuracy(self.accuracy).storage(self.storage) }
    }
}

/// Which class of kernels runs on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Kernels {
    /// Those that suit the device
    #[default]
    Own,
    /// Those for GPUs
    Gpu,
    /// Those for software rasterisers
    Cpu,
}

/// Most outputs that the oracle, which keeps some 70 bytes for each, is asked for.
const MOST_REFERENCE_OUTPUTS: usize = 1 << 26;

/// The sentence for a machine without adapters, or without those that the environment allows.
pub fn no_adapter() -> String {
    const ADVICE: &str = "there is no adapter that runs compute shaders; on Debian install the packages mesa-vulkan-drivers and \
                          libvulkan1";
    match std::env::var_os("WGPU_BACKEND").filter(|list| !list.is_empty()) {
        Some(list) => format!("{ADVICE}; WGPU_BACKEND = {} leaves out all other backends", list.to_string_lossy()),
        None => ADVICE.into(),
    }
}

pub enum Backend {
    Reference,
    Adapter(Box<Adapter>),
}

/// An opened adapter.
pub struct Adapter {
    pub gpu: Gpu,
    /// What `--device` calls it.
    selector: String,
}

/// Results as they are written to files.
pub struct Computed {
    pub output: Vec<f32>,
    pub indices: Option<Vec<u32>>,
    /// How: an algorithm's name, or `reference`.
    pub algorithm: String,
}

impl Adapter {
    /// The same adapter with kernels of a class.
    pub fn with_kernels(mut self, kernels: Kernels) -> Adapter {
        let class = match kernels {
            Kernels::Own => return self,
            Kernels::Gpu => KernelClass::Gpu,
            Kernels::Cpu => KernelClass::Cpu,
        };
        let capabilities = Capabilities { class, ..*self.gpu.capabilities() };
        self.gpu = self.gpu.with_capabilities(capabilities);
        self
    }

    pub fn open(select: &Select) -> Result<Adapter> {
        let gpu = Gpu::open(select)?;
        let selector = match select {
            Select::Auto => "auto".into(),
            Select::Index(index) => index.to_string(),
            Select::Name(name) => name.clone(),
        };
        Ok(Adapter { gpu, selector })
    }
}

impl Backend {
    /// The same device with kernels of a class; the reference has none.
    pub fn with_kernels(self, kernels: Kernels) -> Backend {
        match self {
            Backend::Reference => Backend::Reference,
            Backend::Adapter(adapter) => Backend::Adapter(Box::new(adapter.with_kernels(kernels))),
        }
    }

    /// Name, backend and driver.
    pub fn description(&self) -> String {
        match self {
            Backend::Reference => "reference".into(),
            Backend::Adapter(adapter) => adapter.gpu.description(),
        }
    }

    /// What to give to `--device` to get it again.
    pub fn selector(&self) -> &str {
        match self {
            Backend::Reference => "reference",
            Backend::Adapter(adapter) => &adapter.selector,
        }
    }

    /// The algorithms of a problem's operation; none on the reference, which has but one way.
    pub fn candidates(&self, geometry: &Geometry, options: &Options) -> Vec<Candidate> {
        match self {
            Backend::Reference => Vec::new(),
            Backend::Adapter(adapter) => candidates(geometry, adapter.gpu.capabilities(), options),
        }
    }

    pub fn run(&self, geometry: &Geometry, options: &Options, inputs: &Inputs) -> Result<Computed> {
        match self {
            Backend::Reference => {
                let storage = options.storage;
                let outcome = run_reference(geometry, &storage.round_all(inputs))?;
                let rounded = outcome.output.iter().map(|&value| storage.round(value as f32));
                Ok(Computed {
                    output: memory::collect("the output", rounded)?,
                    indices: outcome.indices,
                    algorithm: "reference".into(),
                })
            }
            Backend::Adapter(adapter) => {
                let outputs = adapter.gpu.run(geometry.problem(), options, inputs)?;
                Ok(Computed {
                    output: outputs.output,
                    indices: outputs.indices,
                    algorithm: outputs.algorithm.to_string(),
                })
            }
        }
    }
}

/// Refuses what the oracle would fill the memory with: a result, or what its gradients start from.
pub fn expect_reference(geometry: &Geometry) -> Result<()> {
    let is_kept = |spec: &&TensorSpec| spec.access != Access::Read || spec.name == TensorName::GradOutput;
    match geometry.tensors().iter().filter(is_kept).find(|spec| spec.len() > MOST_REFERENCE_OUTPUTS) {
        Some(spec) => Err(Failure::unsupported(format!(
            "{} shape = {:?}: the reference computes at most {MOST_REFERENCE_OUTPUTS} elements",
            spec.name, spec.shape
        ))),
        None => Ok(()),
    }
}

/// The oracle, unless it would fill the memory.
pub fn run_reference(geometry: &Geometry, inputs: &Inputs) -> Result<reference::Outcome> {
    expect_reference(geometry)?;
    Ok(reference::run(geometry.problem(), inputs)?)
}

/// One device for a command that can do with the reference: says loudly when it must.
pub fn open_or_fall_back(wanted: &Wanted) -> Result<Backend> {
    match wanted {
        Wanted::Reference => Ok(Backend::Reference),
        Wanted::All => Err(Failure::invalid("--device = all: this command takes one device")),
        Wanted::One(select) => Ok(Backend::Adapter(Box::new(Adapter::open(select)?))),
        Wanted::Auto => match Adapter::open(&Select::Auto) {
            Ok(adapter) => Ok(Backend::Adapter(Box::new(adapter))),
            Err(_) if Gpu::find_adapters()?.is_empty() => {
                tell!("WARNING: {}. COMPUTING ON THE CPU REFERENCE INSTEAD, which is slow.", no_adapter());
                Ok(Backend::Reference)
            }
            Err(failure) => Err(failure),
        },
    }
}

/// The devices for a command that is about adapters; without any it is refused.
pub fn open_all(wanted: &Wanted) -> Result<Vec<Backend>> {
    let adapter = |select: &Select| Ok(Backend::Adapter(Box::new(Adapter::open(select)?)));
    match wanted {
        Wanted::Reference => Ok(vec![Backend::Reference]),
        Wanted::Auto => match adapter(&Select::Auto) {
            Err(_) if Gpu::find_adapters()?.is_empty() => Err(Failure::device(no_adapter())),
            opened => Ok(vec![opened?]),
        },
        Wanted::One(select) => match adapter(select) {
            Err(_) if Gpu::find_adapters()?.is_empty() => Err(Failure::device(no_adapter())),
            opened => Ok(vec![opened?]),
        },
        Wanted::All => {
            let count = Gpu::find_adapters()?.len();
            if count == 0 {
                return Err(Failure::device(no_adapter()));
            }
            (0..count).map(|index| adapter(&Select::Index(index))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_in_words_numbers_and_parts_of_names() {
        let parse = |text: &str| text.parse::<Wanted>().unwrap();
        assert_eq!(parse("AUTO"), Wanted::Auto);
        assert_eq!(parse("reference"), Wanted::Reference);
        assert_eq!(parse("1"), Wanted::One(Select::Index(1)));
        assert_eq!(parse("-1"), Wanted::One(Select::Name("-1".into())));
        assert_eq!(parse("Radeon"), Wanted::One(Select::Name("Radeon".into())));
        assert!(["", " "].iter().all(|blank| blank.parse::<Wanted>().is_err()));
    }

    #[test]
    fn algorithms_are_named_as_the_library_names_them() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(Method::One(algorithm)));
        }
        assert!("fastest".parse::<Method>().unwrap_err().contains("direct"));
    }
}
