//! Benchmark suites: layers of known networks, as data files beside the benchmarks.

use serde::Deserialize;
use serde_json::Value;
use wgconv::{Error, Geometry, Inputs, TensorName};

use crate::attributes::Attributes;
use crate::failure::{Failure, Result};
use crate::operation::{Kind, Op};
use crate::request::{Request, Shapes};

const FILES: [&str; 5] = [
    include_str!("../../../benches/shapes/alexnet.json"),
    include_str!("../../../benches/shapes/resnet50.json"),
    include_str!("../../../benches/shapes/mobilenetv2.json"),
    include_str!("../../../benches/shapes/dcnv2.json"),
    include_str!("../../../benches/shapes/decoder.json"),
];

/// A network.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    pub name: String,
    /// Where the shapes come from.
    pub source: String,
    pub layers: Vec<Layer>,
}

/// One layer, in the words of case files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    pub name: String,
    op: String,
    input: Vec<usize>,
    weight: Option<Vec<usize>>,
    #[serde(default)]
    attrs: serde_json::Map<String, Value>,
    /// Optional tensors that take part.
    #[serde(default)]
    with: Vec<TensorName>,
    /// Too much for a software rasteriser.
    #[serde(default)]
    pub large: bool,
}

impl Layer {
    pub fn geometry(&self) -> Result<Geometry> {
        let op = Op::parse(&self.op).ok_or_else(|| Failure::invalid(format!("op = {:?}: unknown", self.op)))?;
        let attributes = Attributes::from_json(&self.attrs, op.attributes(), &op.name())?;
        let mut shapes: Shapes = self.with.iter().map(|&tensor| (tensor, None)).collect();
        shapes.insert(TensorName::Input, Some(self.input.clone()));
        if let Some(weight) = &self.weight {
            shapes.insert(TensorName::Weight, Some(weight.clone()));
        }
        if op.kind == Kind::DeformConv {
            shapes.insert(TensorName::Offset, None);
        }
        Ok(Request { op, attributes: &attributes, shapes: &shapes, indices: false }.check()?.geometry)
    }
}

/// The built-in suites.
pub fn all() -> Result<Vec<Suite>> {
    let parse = |text: &&str| {
        serde_json::from_str(text)
            .map_err(|error| Failure::from(Error::invalid("suite", "a built-in file", error.to_string())))
    };
    FILES.iter().map(parse).collect()
}

/// The same numbers on every run and machine: offsets of up to two pixels in steps of 1/1024, masks from 0 to 1,
/// everything else from -1 to 1.
pub fn data(geometry: &Geometry) -> Inputs {
    let inputs = geometry.tensors().iter().filter(|spec| spec.access == wgconv::Access::Read);
    inputs
        .enumerate()
        .map(|(i, spec)| {
            let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (i as u64 + 1));
            let value = |_| match spec.name {
                TensorName::Offset => f32::from(random.bits(12) as i16 - 2048) / 1024.0,
                TensorName::Mask => random.bits(16) as f32 / 65536.0,
                _ => random.bits(16) as f32 / 32768.0 - 1.0,
            };
            (spec.name, (0..spec.len()).map(value).collect())
        })
        .collect()
}

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    /// The upper bits are the better ones.
    fn bits(&mut self, count: u32) -> u16 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> (64 - count)) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_has_a_geometry() {
        for suite in all().unwrap() {
            assert!(suite.layers.iter().any(|layer| !layer.large), "{}", suite.name);
            assert!(!suite.source.is_empty());
            for layer in &suite.layers {
                let geometry =
                    layer.geometry().unwrap_or_else(|error| panic!("{}/{}: {error}", suite.name, layer.name));
                let gflop = 2e-9 * geometry.macs() as f64;
                assert_eq!(layer.large, gflop > 1.0, "{}/{} has {gflop} GFLOP", suite.name, layer.name);
            }
        }
    }

    #[test]
    fn data_stays_in_range_and_repeats() {
        let suites = all().unwrap();
        let layer = suites.iter().flat_map(|suite| &suite.layers).find(|layer| layer.name == "c5_224").unwrap();
        let geometry = layer.geometry().unwrap();
        let inputs = data(&geometry);
        assert_eq!(inputs, data(&geometry));
        let within = |name: TensorName, low: f32, high: f32| inputs[&name].iter().all(|x| (low..=high).contains(x));
        assert!(within(TensorName::Offset, -2.0, 2.0) && within(TensorName::Mask, 0.0, 1.0));
        assert!(within(TensorName::Input, -1.0, 1.0));
        assert!(
            inputs[&TensorName::Offset].iter().any(|&x| x < -1.9)
                && inputs[&TensorName::Offset].iter().any(|&x| x > 1.9)
        );
    }
}
