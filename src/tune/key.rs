//! What a timing depends on.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::algorithm::{Accuracy, Algorithm};
use crate::capabilities::Capabilities;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::gpu::Context;
use crate::kernels::kernels;
use crate::options::Options;
use crate::problem::Problem;
use crate::tensor::{Layout, Storage, TensorName};
use crate::tile::Tile;

/// Everything that the fastest algorithm depends on. Two problems share an entry of the cache where their keys are equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Name of the operation, for people: [`Problem::op_name`].
    pub operation: String,
    /// The problem: pass, every extent, epilogue, the wanted gradients and what accumulates.
    pub problem: Problem,
    /// [`Options::storage`].
    pub storage: Storage,
    /// Layouts that are not contiguous.
    pub layouts: BTreeMap<TensorName, Layout>,
    /// [`Options::accuracy`].
    pub accuracy: Accuracy,
    /// [`Options::tile`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile: Option<Tile>,
    /// [`Options::pack_weights`].
    pub pack_weights: bool,
    /// [`Options::shared_buffers`].
    pub shared_buffers: bool,
    /// [`Options::runtime_checks`].
    pub runtime_checks: bool,
    /// [`Options::workspace_limit`], bytes.
    pub workspace_limit: Option<u64>,
    /// Whether algorithms took part whose bits differ from run to run. Of operations that have none: no.
    pub nondeterministic: bool,
    /// The device.
    pub device: DeviceKey,
    /// Version of this crate.
    pub wgconv: String,
    /// [`shader_hash`].
    pub shaders: String,
}

/// A device as timings know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceKey {
    /// Name of the adapter.
    pub name: String,
    /// PCI id of its maker, zero where the backend does not tell.
    pub vendor: u32,
    /// PCI id of its model, zero where the backend does not tell.
    pub device: u32,
    /// `vulkan`, `metal`, `dx12`, `gl`, `webgpu`.
    pub backend: String,
    /// Name of the driver.
    pub driver: String,
    /// Its version.
    pub driver_info: String,
    /// Class of kernels, limits and features that the choice depends on.
    pub capabilities: Capabilities,
}

impl DeviceKey {
    /// That of a context.
    pub fn of(context: &Context) -> DeviceKey {
        let info = context.device().adapter_info();
        DeviceKey {
            name: info.name,
            vendor: info.vendor,
            device: info.device,
            backend: info.backend.to_string(),
            driver: info.driver,
            driver_info: info.driver_info,
            capabilities: *context.capabilities(),
        }
    }
}

impl Key {
    /// Of a checked problem on a device. A forced algorithm plays no part, nor does a layout that is contiguous anyway.
    pub(super) fn of(context: &Context, geometry: &Geometry, options: &Options, nondeterministic: bool) -> Key {
        let problem = geometry.problem();
        let contiguous = |name: TensorName, layout: &Layout| {
            geometry
                .tensor(name)
                .is_some_and(|spec| layout.strides.len() == spec.shape.len() && layout.is_contiguous(&spec.shape))
        };
        let layouts = options.layouts.iter().filter(|&(&name, layout)| !contiguous(name, layout));
        Key {
            operation: problem.op_name(),
            problem: problem.clone(),
            storage: options.storage,
            layouts: layouts.map(|(&name, layout)| (name, layout.clone())).collect(),
            accuracy: options.accuracy,
            tile: options.tile,
            pack_weights: options.pack_weights,
            shared_buffers: options.shared_buffers,
            runtime_checks: options.runtime_checks,
            workspace_limit: options.workspace_limit,
            nondeterministic: nondeterministic && Algorithm::of(problem).iter().any(|a| !a.is_deterministic()),
            device: DeviceKey::of(context),
            wgconv: env!("CARGO_PKG_VERSION").into(),
            shaders: shader_hash().into(),
        }
    }

    /// The same text for equal keys.
    pub(super) fn text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::invalid("problem", &self.operation, error.to_string()))
    }

    /// Whether this build of the library has the kernels that were timed.
    pub fn is_current(&self) -> bool {
        self.shaders == shader_hash() && self.wgconv == env!("CARGO_PKG_VERSION")
    }
}

/// Sixteen hexadecimal digits over the text of every shader of the catalog: a timing is of these kernels and no others.
/// The same on every machine.
pub fn shader_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let kernels = kernels();
        let texts = kernels.iter().flat_map(|kernel| {
            let parts = kernel.parts().iter().flat_map(|part| [part.stem, part.source]);
            [kernel.stem, kernel.source()].into_iter().chain(parts)
        });
        format!("{:016x}", fnv1a(texts))
    })
}

/// The 64-bit FNV-1a hash (G. Fowler, L. C. Noll, K.-P. Vo) of some texts, each ended by a byte that no text contains.
fn fnv1a<'a>(texts: impl Iterator<Item = &'a str>) -> u64 {
    let bytes = texts.flat_map(|text| text.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a_and_knows_where_a_text_ends() {
        // The published value of "foobar", one step further by the byte that ends it.
        let foobar = 0x8594_4171_f739_67e8_u64;
        assert_eq!(fnv1a(["foobar"].into_iter()), (foobar ^ 0xff).wrapping_mul(0x0100_0000_01b3));
        assert_ne!(fnv1a(["ab", "c"].into_iter()), fnv1a(["a", "bc"].into_iter()));
        assert_eq!(shader_hash().len(), 16);
    }
}
