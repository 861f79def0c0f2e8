#![doc = include_str!("../README.md")]
#![deny(missing_docs)]
#![deny(unsafe_code)]

mod algorithm;
#[cfg(feature = "bench")]
pub mod bench;
mod capabilities;
#[cfg(feature = "cases")]
pub mod cases;
mod choose;
mod cost;
mod error;
#[cfg(feature = "export")]
pub mod export;
mod geometry;
#[cfg(feature = "wgpu")]
pub mod gpu;
pub mod kernels;
#[cfg(feature = "lab")]
pub mod lab;
mod lower;
mod machine;
#[doc(hidden)]
pub mod memory;
mod options;
mod preference;
mod problem;
pub mod program;
#[cfg(feature = "reference")]
pub mod reference;
#[cfg(any(feature = "bench", feature = "tune"))]
mod sample;
mod tensor;
mod tile;
#[cfg(any(feature = "bench", feature = "tune"))]
mod timing;
#[cfg(all(feature = "tune", not(target_arch = "wasm32")))]
pub mod tune;

pub use algorithm::{Accuracy, Algorithm};
pub use capabilities::{Capabilities, Device, DeviceKind, KernelClass};
pub use choose::{Candidate, Choice, candidates, choose};
pub use error::{Error, ErrorKind, Result};
pub use geometry::{
    Cost, DeformCost, Geometry, LayerShape, MAX_MATRIX_LEN, Matrix, OverlapCounts, ReceptiveField, SeparableCost,
    SeparableFactors, Window, convolution_matrix, deform_cost, factor_separable, offset_channels, overlap_counts,
    receptive_field, receptive_interval, separable_cost,
};
pub use lower::lower;
pub use machine::Machine;
pub use options::Options;
pub use problem::{
    Activation, Axes, Col2im, Conv, ConvTranspose, DeformConv2d, DepthToSpace, DepthwiseSeparable2d, Epilogue,
    Gradient, Im2col, LocallyConnected2d, PaddingMode, PerAxis, Pool, PoolMode, Problem, ShuffleOrder, SpaceToDepth,
    SpatialSeparable2d,
};
pub use tensor::{Access, ElementType, Inputs, Layout, Storage, TensorName, TensorSpec};
pub use tile::Tile;

/// Its examples are compiled with the tests.
#[cfg(all(doctest, feature = "lab"))]
#[doc = include_str!("../docs/laboratory.md")]
mod laboratory_page {}

/// Its examples are compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/theory/separability.md")]
mod separability_page {}

/// Its examples are compiled with the tests.
#[cfg(all(doctest, feature = "reference"))]
#[doc = include_str!("../docs/start.md")]
mod start_page {}

/// Its examples are compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/embedding.md")]
mod embedding_page {}

/// Likewise.
#[cfg(doctest)]
#[doc = include_str!("../docs/hosts.md")]
mod hosts_page {}
