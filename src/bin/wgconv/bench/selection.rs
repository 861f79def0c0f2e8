//! What to measure and where: the arguments that `bench` and `tune` share.

use std::collections::BTreeSet;
use std::path::Path;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use wgconv::Geometry;
use wgconv::bench::Pass;

use super::suite::{self, Batch, Suite};
use crate::backend::{self, Adapter, Backend, Kernels, Wanted};
use crate::failure::{Failure, Result};

/// Which layers of those that there are: the arguments that everything with layers shares.
#[derive(Debug, Args)]
pub struct LayerFilter {
    /// Only layers with this in suite/name
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub layer: Option<String>,
    /// Only this operation: conv2d, deform_conv2d and so on; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub operation: Vec<String>,
}

impl LayerFilter {
    /// The operations by the names that problems have; none stand for all.
    pub fn operations(&self) -> Result<BTreeSet<String>> {
        let operations: BTreeSet<String> =
            self.operation.iter().map(|name| name.to_lowercase().replace('-', "_")).collect();
        operations.iter().try_for_each(|operation| suite::known_operation(operation))?;
        Ok(operations)
    }

    /// Whether it takes a layer of such a name.
    pub fn names(&self, suite: &str, layer: &str) -> bool {
        let full = format!("{suite}/{layer}").to_lowercase();
        self.layer.as_ref().is_none_or(|text| full.contains(&text.to_lowercase()))
    }

    /// What names are to contain.
    pub fn text(&self) -> &str {
        self.layer.as_deref().unwrap_or_default()
    }
}

#[derive(Debug, Args)]
pub struct Selection {
    /// all, some of those that `wgconv bench --list` names, or .json files
    #[arg(long, value_name = "NAME", default_value = "all", value_delimiter = ',')]
    suite: Vec<String>,
    #[command(flatten)]
    filter: LayerFilter,
    /// forward, backward (every gradient in one plan), grad_input, grad_weight and so on, or all
    #[arg(long, value_name = "PASS", default_value = "forward,backward", value_delimiter = ',')]
    pass: Vec<String>,
    /// Also the layers that are too much for a software rasteriser
    #[arg(long)]
    large: bool,
    /// Images: a number, `suite` as the suite says, or `gpu` for the number that the suite recommends for GPUs
    #[arg(long, value_name = "N", default_value = "suite")]
    pub batch: Batch,
    /// auto, all, a number or a part of a name (see `wgconv devices`)
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Wanted,
    /// Only adapters of this backend
    #[arg(long, value_name = "BACKEND")]
    backend: Option<BackendName>,
    /// own, gpu or cpu: which class of kernels, whatever the device is
    #[arg(long, value_name = "CLASS", default_value = "own")]
    kernels: Kernels,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BackendName {
    Vulkan,
    Metal,
    Dx12,
    Gl,
    Webgpu,
}

/// A layer of a suite, ready to be measured.
pub struct Layer {
    pub suite: String,
    pub name: String,
    pub geometry: Geometry,
}

impl Layer {
    /// `SUITE/LAYER`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.suite, self.name)
    }
}

impl Selection {
    /// The files that are read, with what they are.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.suite.iter().filter(|name| suite::is_file(name)).map(|name| ("that of --suite", Path::new(name)))
    }

    /// The suites and layers that the arguments name; the large ones too where everything is to be listed.
    pub fn suites(&self, everything: bool) -> Result<Vec<Suite>> {
        let mut suites = Vec::new();
        for name in &self.suite {
            suites.extend(suite::named(name)?);
        }
        // What is called SUITE/LAYER is one layer.
        let mut names = BTreeSet::new();
        if let Some(twice) = suites.iter().find(|suite| !names.insert(suite.name.clone())) {
            let rule = format!("{:?} is there twice", twice.name);
            return Err(Failure::invalid(format!("--suite = {}: {rule}", self.suite.join(","))));
        }
        let operations = self.filter.operations()?;
        for suite in &mut suites {
            let name = suite.name.clone();
            let mut kept = Vec::new();
            for layer in std::mem::take(&mut suite.layers) {
                let of_operation = operations.is_empty() || operations.contains(&layer.operation()?);
                let of_size = self.large || everything || !layer.large;
                if of_operation && of_size && self.filter.names(&name, &layer.name) {
                    kept.push(layer);
                }
            }
            suite.layers = kept;
        }
        suites.retain(|suite| !suite.layers.is_empty());
        if suites.is_empty() {
            let hint = if self.large { "" } else { " (large ones are left out without --large)" };
            let text = self.filter.text();
            return Err(Failure::invalid(format!("--layer = {text}: no layer has this in its name{hint}")));
        }
        Ok(suites)
    }

    /// The passes.
    pub fn passes(&self) -> Result<Vec<Pass>> {
        passes(&self.pass)
    }

    /// Their geometries: every layer is judged before the first one is measured.
    pub fn layers(&self, suites: &[Suite]) -> Result<Vec<Layer>> {
        let mut layers: Vec<Layer> = Vec::new();
        for suite in suites {
            for layer in &suite.layers {
                let geometry =
                    layer.geometry(self.batch).map_err(|error| Failure::from(error).of(suite.full_name(layer)))?;
                layers.push(Layer { suite: suite.name.clone(), name: layer.name.clone(), geometry });
            }
        }
        Ok(layers)
    }

    /// The opened adapters; where there is none, or the reference is asked for, a refusal.
    pub fn adapters(&self) -> Result<Vec<Adapter>> {
        if self.device == Wanted::Reference {
            return Err(Failure::invalid("--device = reference: only adapters are measured"));
        }
        // A backend alone picks among all adapters.
        let wanted = match (&self.device, self.backend) {
            (Wanted::Auto, Some(_)) => &Wanted::All,
            (device, _) => device,
        };
        let mut adapters: Vec<Adapter> = backend::open_all(wanted)?
            .into_iter()
            .filter_map(|device| match device {
                Backend::Adapter(adapter) => Some(adapter.with_kernels(self.kernels)),
                Backend::Reference => None,
            })
            .collect();
        if let Some(name) = self.backend {
            let backend = match name {
                BackendName::Vulkan => wgpu::Backend::Vulkan,
                BackendName::Metal => wgpu::Backend::Metal,
                BackendName::Dx12 => wgpu::Backend::Dx12,
                BackendName::Gl => wgpu::Backend::Gl,
                BackendName::Webgpu => wgpu::Backend::BrowserWebGpu,
            };
            let all: Vec<String> = adapters.iter().map(|adapter| adapter.gpu.description()).collect();
            adapters.retain(|adapter| adapter.gpu.info().backend == backend);
            if adapters.is_empty() {
                let rule = format!("--backend = {backend}: there are {}", all.join("; "));
                return Err(Failure::device(rule));
            }
            if self.device == Wanted::Auto {
                adapters.truncate(1);
            }
        }
        Ok(adapters)
    }
}

/// Every layer of the suites of a name, the large ones too.
pub fn every_layer(suite: &str) -> Result<Vec<Layer>> {
    ready(&suite::named(suite)?, |_| true)
}

/// Likewise without those that are too much for a software rasteriser.
pub fn small_layers(suite: &str) -> Result<Vec<Layer>> {
    ready(&suite::named(suite)?, |layer| !layer.large)
}

/// The layers of a suite that the program has as text.
pub fn layers_of(suite: &str) -> Result<Vec<Layer>> {
    ready(&[suite::parse(suite)?], |_| true)
}

fn ready(suites: &[Suite], keeps: impl Fn(&suite::Layer) -> bool) -> Result<Vec<Layer>> {
    let mut layers = Vec::new();
    for suite in suites {
        for layer in suite.layers.iter().filter(|layer| keeps(layer)) {
            let geometry =
                layer.geometry(Batch::Suite).map_err(|error| Failure::from(error).of(suite.full_name(layer)))?;
            layers.push(Layer { suite: suite.name.clone(), name: layer.name.clone(), geometry });
        }
    }
    Ok(layers)
}

/// Those of these names; `all` names every one.
pub fn passes(names: &[String]) -> Result<Vec<Pass>> {
    if names.iter().any(|name| name == "all") {
        let gradients = wgconv::TensorName::ALL.into_iter().map(Pass::Gradient);
        return Ok([Pass::Forward, Pass::Backward].into_iter().chain(gradients).collect());
    }
    let parse = |name: &String| {
        let rule = || {
            Failure::invalid(format!(
                "--pass = {name}: it must be forward, backward, all, or grad_ and the name of a tensor, as in grad_weight"
            ))
        };
        Pass::parse(&name.to_lowercase().replace('-', "_")).ok_or_else(rule)
    };
    let passes: Vec<Pass> = names.iter().map(parse).collect::<Result<_>>()?;
    let mut seen = BTreeSet::new();
    match passes.iter().find(|pass| !seen.insert(pass.as_str())) {
        Some(twice) => {
            Err(Failure::invalid(format!("--pass = {}: {} is there twice", names.join(","), twice.as_str())))
        }
        None => Ok(passes),
    }
}
