//! The suites and layers that the command line names, and data for them.

use std::path::Path;

use wgconv::bench::sample_inputs;
pub use wgconv::cases::suite::{Batch, Layer, Suite, layer_of, parse, with_batch};
use wgconv::cases::suite::{all, from_bytes};
use wgconv::{Geometry, Inputs};

use crate::document::did_you_mean;
use crate::failure::{Failure, Result};
use crate::files;
use crate::operation::Op;

/// Refuses what no operation is called.
pub fn known_operation(name: &str) -> Result<()> {
    if Op::parse(name).is_some() {
        return Ok(());
    }
    let hint = Op::hint(name);
    Err(Failure::invalid(format!("--operation = {name}: there is no such operation, see `wgconv --help`{hint}")))
}

/// Whether the name of a suite is that of a file.
pub fn is_file(name: &str) -> bool {
    name == "-" || name.to_lowercase().ends_with(".json")
}

/// The suites of that name: all that are built in, one of them, or the one in a .json file.
pub fn named(name: &str) -> Result<Vec<Suite>> {
    if is_file(name) {
        return Ok(vec![from_bytes(Path::new(name), &files::read(Path::new(name))?)?]);
    }
    let mut suites = all()?;
    if name != "all" {
        let names: Vec<String> = suites.iter().map(|suite| suite.name.clone()).collect();
        suites.retain(|suite| suite.name == name);
        if suites.is_empty() {
            let hint = did_you_mean(name, names.iter().map(String::as_str));
            let rule = format!("--suite = {name}: it must be all, {} or a .json file{hint}", names.join(", "));
            return Err(Failure::invalid(rule));
        }
    }
    Ok(suites)
}

/// The geometry of the one built-in layer that is called `SUITE/LAYER`.
pub fn layer(name: &str) -> Result<Geometry> {
    let unknown = || Failure::invalid(format!("--layer = {name}: `wgconv bench --list` names them, as resnet50/conv1"));
    layer_of(name, Batch::Suite)?.ok_or_else(unknown)
}

/// Most input elements of a layer; together they take a GiB.
const MOST_ELEMENTS: u64 = 1 << 28;

/// Numbers for a layer, unless they would fill the memory.
pub fn data(geometry: &Geometry) -> Result<Inputs> {
    expect_memory(geometry)?;
    Ok(sample_inputs(geometry))
}

/// Refuses layers whose data would fill the memory.
pub fn expect_memory(geometry: &Geometry) -> Result<()> {
    let inputs = geometry.tensors().iter().filter(|spec| spec.access != wgconv::Access::Write);
    let elements: u64 = inputs.map(|spec| spec.len() as u64).sum();
    if elements > MOST_ELEMENTS {
        let rule = format!("inputs = {elements} elements: at most {MOST_ELEMENTS} are measured");
        return Err(Failure::unsupported(rule));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wgconv::TensorName;

    use super::*;

    #[test]
    fn data_stays_in_range_and_repeats() {
        let geometry = layer("dcnv2/c5_224").unwrap();
        let inputs = data(&geometry).unwrap();
        assert_eq!(inputs, data(&geometry).unwrap());
        let within = |name: TensorName, low: f32, high: f32| inputs[&name].iter().all(|x| (low..=high).contains(x));
        assert!(within(TensorName::Offset, -2.0, 2.0) && within(TensorName::Mask, 0.0, 1.0));
        assert!(within(TensorName::Input, -1.0, 1.0));
        assert!(
            inputs[&TensorName::Offset].iter().any(|&x| x < -1.9)
                && inputs[&TensorName::Offset].iter().any(|&x| x > 1.9)
        );
    }
}
