//! Benchmark suites: layers of known networks, as data files whose format benches/shapes/README.md describes.

use std::collections::BTreeSet;
use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::Value;

use super::attributes::Attributes;
use super::operation::{Kind, Op};
use super::request::{Request, Shapes};
use super::{document, files};
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::problem::Problem;
use crate::tensor::TensorName;

const FILES: [&str; 18] = [
    include_str!("../../benches/shapes/alexnet.json"),
    include_str!("../../benches/shapes/vgg16.json"),
    include_str!("../../benches/shapes/resnet50.json"),
    include_str!("../../benches/shapes/resnext50.json"),
    include_str!("../../benches/shapes/googlenet.json"),
    include_str!("../../benches/shapes/inception_v3.json"),
    include_str!("../../benches/shapes/mobilenetv2.json"),
    include_str!("../../benches/shapes/efficientnet_b0.json"),
    include_str!("../../benches/shapes/convnext_t.json"),
    include_str!("../../benches/shapes/unet.json"),
    include_str!("../../benches/shapes/deeplab_aspp.json"),
    include_str!("../../benches/shapes/decoder.json"),
    include_str!("../../benches/shapes/dcnv2.json"),
    include_str!("../../benches/shapes/text_cnn.json"),
    include_str!("../../benches/shapes/wavenet.json"),
    include_str!("../../benches/shapes/causal_conv1d.json"),
    include_str!("../../benches/shapes/deepspeech.json"),
    include_str!("../../benches/shapes/subpixel_sr.json"),
];

/// A network.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// Where the shapes come from.
    pub source: String,
    /// Its layers, no two of one name.
    pub layers: Vec<Layer>,
}

/// One layer: an operation in the words of case files, or a problem as the library serialises it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Its name within the suite.
    pub name: String,
    problem: Option<Problem>,
    op: Option<String>,
    input: Option<Vec<usize>>,
    weight: Option<Vec<usize>>,
    #[serde(default)]
    attrs: serde_json::Map<String, Value>,
    /// Optional tensors that take part.
    #[serde(default)]
    with: Vec<TensorName>,
    /// Too much for a software rasteriser.
    #[serde(default)]
    pub large: bool,
    /// Images that fill a large GPU.
    #[serde(default)]
    pub gpu_batch: Option<usize>,
}

/// How many images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// As the suite says.
    Suite,
    /// What the suite recommends for GPUs.
    Gpu,
    /// So many.
    Images(usize),
}

impl FromStr for Batch {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text {
            "suite" => Ok(Batch::Suite),
            "gpu" => Ok(Batch::Gpu),
            number => match number.parse() {
                Ok(images) if images > 0 => Ok(Batch::Images(images)),
                _ => Err("it must be suite, gpu or a number of images".into()),
            },
        }
    }
}

impl Layer {
    /// The operation, as `--operation` names it.
    pub fn operation(&self) -> Result<String> {
        Ok(self.geometry(Batch::Suite)?.problem().op_name())
    }

    /// The problem, checked, with so many images.
    pub fn geometry(&self, batch: Batch) -> Result<Geometry> {
        let images = match batch {
            Batch::Suite => None,
            Batch::Gpu => self.gpu_batch,
            Batch::Images(images) => Some(images),
        };
        let Layer { op, input, weight, attrs, with, .. } = self;
        match (&self.problem, op, input) {
            (Some(problem), None, None) if weight.is_none() && attrs.is_empty() && with.is_empty() => {
                Geometry::new(&with_batch(problem, images)?)
            }
            (None, Some(op), Some(input)) => {
                let mut input = input.clone();
                if let (Some(first), Some(images)) = (input.first_mut(), images) {
                    *first = images;
                }
                self.request(op, &input)
            }
            _ => {
                let rule = "it needs either a problem, or an op and an input with what belongs to them";
                Err(Error::invalid("layer", format!("{:?}", self.name), rule))
            }
        }
    }

    fn request(&self, op: &str, input: &[usize]) -> Result<Geometry> {
        let op = Op::parse(op).ok_or_else(|| {
            Error::invalid("op", format!("{op:?}"), format!("there is no such operation{}", Op::hint(op)))
        })?;
        let attributes = Attributes::from_json(&self.attrs, op.attributes(), &op.name())?;
        let mut shapes: Shapes = self.with.iter().map(|&tensor| (tensor, None)).collect();
        shapes.insert(TensorName::Input, Some(input.to_vec()));
        if let Some(weight) = &self.weight {
            shapes.insert(TensorName::Weight, Some(weight.clone()));
        }
        if op.kind == Kind::DeformConv {
            shapes.insert(TensorName::Offset, None);
        }
        Ok(Request { op, attributes: &attributes, shapes: &shapes, indices: false }.check()?.geometry)
    }
}

/// Every problem is serialised with its batch.
pub fn with_batch(problem: &Problem, images: Option<usize>) -> Result<Problem> {
    let Some(images) = images else { return Ok(problem.clone()) };
    let wrong = |error: serde_json::Error| Error::invalid("batch", images, error.to_string());
    let mut value = serde_json::to_value(problem).map_err(wrong)?;
    value["batch"] = images.into();
    serde_json::from_value(value).map_err(wrong)
}

/// Somebody's own suite.
pub fn load(path: &Path) -> Result<Suite> {
    from_bytes(path, &files::read(path)?)
}

/// Likewise from the bytes of a file.
pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Suite> {
    let wrong = |reason: String| Error::File { path: path.display().to_string(), reason };
    let suite: Suite = document::parse(bytes).map_err(wrong)?;
    suite.check().map_err(wrong)?;
    Ok(suite)
}

/// The geometry of the one built-in layer that is called `SUITE/LAYER`, with so many images; none where no layer is called so.
pub fn layer_of(name: &str, batch: Batch) -> Result<Option<Geometry>> {
    let suites = all()?;
    let mut layers =
        suites.iter().flat_map(|suite| suite.layers.iter().map(move |layer| (suite.full_name(layer), layer)));
    let wanted = name.to_lowercase();
    layers.find(|(full, _)| full.to_lowercase() == wanted).map(|(_, layer)| layer.geometry(batch)).transpose()
}

impl Suite {
    /// What the types do not say.
    fn check(&self) -> std::result::Result<(), String> {
        if self.layers.is_empty() {
            return Err("layers = []: a suite has at least one".into());
        }
        let mut names = BTreeSet::new();
        for (i, layer) in self.layers.iter().enumerate() {
            if !names.insert(&layer.name) {
                return Err(format!("layers[{i}].name = {:?}: another layer has this name", layer.name));
            }
        }
        Ok(())
    }

    /// `SUITE/LAYER`.
    pub fn full_name(&self, layer: &Layer) -> String {
        format!("{}/{}", self.name, layer.name)
    }
}

/// The built-in suites.
pub fn all() -> Result<Vec<Suite>> {
    FILES.iter().map(|text| parse(text)).collect()
}

/// A built-in suite.
pub fn parse(text: &str) -> Result<Suite> {
    document::parse(text.as_bytes()).map_err(|rule| Error::invalid("suite", "a built-in file", rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_has_a_geometry() {
        for suite in all().unwrap() {
            assert!(suite.layers.iter().any(|layer| !layer.large), "{}", suite.name);
            assert!(!suite.source.is_empty());
            suite.check().unwrap();
            for layer in &suite.layers {
                let geometry = layer
                    .geometry(Batch::Suite)
                    .unwrap_or_else(|error| panic!("{}/{}: {error}", suite.name, layer.name));
                let gflop = 2e-9 * geometry.macs() as f64;
                assert_eq!(layer.large, gflop > 1.0, "{}/{} has {gflop} GFLOP", suite.name, layer.name);
            }
        }
    }
}
