//! What is asked for beside a problem.

use std::collections::BTreeMap;

use crate::algorithm::{Accuracy, Algorithm};
use crate::tensor::{Layout, Storage, TensorName, TensorSpec};
use crate::tile::Tile;

/// What a plan is to do beside its problem.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Options {
    /// Use this algorithm or fail; `None` lets [`choose`](crate::choose) decide.
    pub algorithm: Option<Algorithm>,
    /// How large the rounding errors may be.
    pub accuracy: Accuracy,
    /// How the tensors lie in their buffers.
    pub storage: Storage,
    /// What an algorithm derives from the weights alone (filters of Winograd's algorithm; on CPU adapters weights in the order in
    /// which lanes load them) is kept in a buffer of the caller's
    /// ([`Plan::packed_size`](crate::gpu::Plan::packed_size)) and made by a step of its own
    /// ([`Bound::encode_packing`](crate::gpu::Bound::encode_packing)), which is to be repeated when the weights change. Off,
    /// every `encode` derives it anew.
    pub pack_weights: bool,
    /// Compile the shaders with wgpu's bounds checks and loop bounding. Off by default: sizes are validated when
    /// binding and data-dependent indices are clamped in the shader.
    pub runtime_checks: bool,
    /// Strides and starts of tensors that are not contiguous.
    pub layouts: BTreeMap<TensorName, Layout>,
    /// Read and written tensors may be ranges of one buffer. Costs the compiler the knowledge that inputs are constant.
    pub shared_buffers: bool,
    /// Tile of the matrix products on GPUs that have a choice of them, packed weights, stored columns and Winograd's algorithm;
    /// `None` lets a model decide. Other kernels have tiles of their own.
    pub tile: Option<Tile>,
    /// Most bytes of workspace; a larger batch is computed in parts, an algorithm that cannot comply does not apply.
    /// Weights that would be packed there beyond it are read as they are.
    pub workspace_limit: Option<u64>,
}

impl Options {
    /// With a forced algorithm.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// With rounding errors of a class.
    #[must_use]
    pub fn accuracy(mut self, accuracy: Accuracy) -> Self {
        self.accuracy = accuracy;
        self
    }

    /// With a tile of matrix products on GPUs.
    #[must_use]
    pub fn tile(mut self, tile: Tile) -> Self {
        self.tile = Some(tile);
        self
    }

    /// With tensors in a storage of their own.
    #[must_use]
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// With weights that are packed by a step of their own.
    #[must_use]
    pub fn pack_weights(mut self) -> Self {
        self.pack_weights = true;
        self
    }

    /// Where the elements of a tensor lie: as [`Options::layouts`] says, else contiguous.
    pub fn layout_of(&self, spec: &TensorSpec) -> Layout {
        self.layouts.get(&spec.name).cloned().unwrap_or_else(|| Layout::contiguous(&spec.shape))
    }

    /// With the layout of one tensor.
    #[must_use]
    pub fn layout(mut self, tensor: TensorName, layout: Layout) -> Self {
        self.layouts.insert(tensor, layout);
        self
    }
}
