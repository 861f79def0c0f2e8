//! The thin host: plans compiled on the caller's device and recorded into the caller's encoder.
//!
//! [`Context`] wraps the caller's device once and caches pipelines. [`Plan`] is made once per problem and shared;
//! [`Bound`] is a plan with buffers attached, whose `encode` allocates nothing, submits nothing and waits for nothing.
//! [`Gpu`] is a convenience on top for tests, tools and small programs.

mod bound;
mod context;
mod open;
mod plan;
#[cfg(any(feature = "bench", feature = "lab"))]
pub(crate) mod shaders;
mod signal;

/// The version that this host is for: an application may name its types by this path.
pub use wgpu;

pub use bound::{Bindings, Bound};
#[cfg(feature = "bench")]
pub(crate) use context::empty_pipeline_cache;
pub use context::{
    Context, capabilities_of, capabilities_with_adapter, experimental_features, optional_features, required_features,
    required_limits,
};
#[cfg(any(feature = "bench", feature = "tune"))]
pub(crate) use open::Prepared;
pub use open::{Gpu, Outputs, Select};
pub use plan::Plan;
