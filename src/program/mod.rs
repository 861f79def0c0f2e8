//! What computes a problem, as plain data: WGSL text, bindings, parameters and sizes of launches. No device is involved, so
//! that any host can run a program, and tests check every program that the chooser can produce.
//!
//! [`lower`](crate::lower()) makes a [`Program`], [`choose`](crate::choose()) the one that suits a device best. A host
//! compiles the [`Variant`] of every dispatch once, has buffers for the tensors, the workspace and the packed weights,
//! [checks](Program::check_buffers) them, and records [`Program::steps`]. docs/hosts.md shows how.

mod buffers;
mod dispatch;
mod kernel;
pub(crate) mod loops;
mod params;
mod placement;
#[cfg(feature = "serde")]
mod unchecked;

use std::collections::BTreeSet;
use std::fmt::Write;

#[cfg(feature = "wgpu")]
pub(crate) use buffers::binding_error;
pub use buffers::{BufferRange, Buffers};
pub use dispatch::{Dispatch, Operand, Params};
#[cfg(test)]
pub(crate) use kernel::MOST_BINDINGS;
pub use kernel::{BindingSpec, Constant, EPILOGUE_CONSTANTS, Element, Feature, Kernel, ShaderPart, Uniform, Variant};
pub(crate) use kernel::{Named, Shader};
pub use loops::iterations;
pub use params::{
    CopyParams, GemmParams, PackParams, SortParams, SumParams, View, WindowParams, copy_fields, gemm_fields,
    pack_fields, sort_fields, sum_fields, view_fields, window_fields,
};
pub use placement::{DUMMY_BYTES, Memory, Span, Step, UNUSED_BYTES};

use crate::algorithm::Algorithm;
use crate::geometry::Geometry;
use crate::options::Options;

/// The launches that compute a problem, in order, and the memory that they need.
///
/// A batch that the limits of a device do not allow at once is cut into parts that run one after the other, each over its own
/// images of the tensors.
///
/// With the feature `serde` a program can be stored. What is read back is checked for its form alone: a file of somebody else's may
/// say anything of the buffers, and is run with the trust that code of theirs would be run with.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Program {
    /// The problem and its tensors.
    pub geometry: Geometry,
    /// How it is computed.
    pub algorithm: Algorithm,
    /// What was asked for: storage, layouts and sharing of buffers among it.
    pub options: Options,
    /// The launches that pack the weights: once, and again when the weights have changed. Every part reads what they write.
    pub packing: Vec<Dispatch>,
    /// The parts of the batch, in order.
    pub parts: Vec<Part>,
    /// Bytes of workspace, which the parts share one after the other.
    pub workspace_bytes: u64,
    /// Bytes of packed weights.
    pub packed_bytes: u64,
}

/// A number of images, and the launches that compute them; it is run `count` times.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Part {
    /// Images of a run.
    pub images: usize,
    /// Runs, each with the images that follow those of the run before.
    pub count: usize,
    /// The launches of a run.
    pub dispatches: Vec<Dispatch>,
}

impl Program {
    /// Every launch once: those that pack the weights, then those of each part. [`Step::launch`] counts in this order.
    pub fn launches(&self) -> impl Iterator<Item = &Dispatch> {
        self.packing.iter().chain(self.parts.iter().flat_map(|part| &part.dispatches))
    }

    /// Number of launches of one run over the whole batch, without those that pack the weights.
    pub fn dispatch_count(&self) -> usize {
        self.parts.iter().map(|part| part.count * part.dispatches.len()).sum()
    }

    /// Images of a whole part.
    pub fn images_at_once(&self) -> usize {
        self.parts.first().map_or(0, |part| part.images)
    }

    /// Whether the batch is computed in more than one run.
    pub fn is_split(&self) -> bool {
        self.parts.iter().map(|part| part.count).sum::<usize>() > 1
    }

    /// What a device must have for its kernels.
    pub fn features(&self) -> BTreeSet<Feature> {
        self.launches().flat_map(|dispatch| dispatch.variant.features()).collect()
    }

    /// Whether all storage bindings of a dispatch are declared read-write: where [`Options::shared_buffers`] wants it, and where
    /// it reads one range of the workspace and writes another, which one dispatch could not bind both ways.
    pub fn shares_buffers(&self, dispatch: &Dispatch) -> bool {
        self.options.shared_buffers || dispatch.reads_and_writes_workspace()
    }

    /// The WGSL text of a dispatch of this program, whose entry point is `main`: a string of some ten KB, made anew by every call.
    pub fn source(&self, dispatch: &Dispatch) -> String {
        dispatch.variant.source(self.shares_buffers(dispatch))
    }

    /// The kernels in order, the packed weights, the workspace and the parts, as a sentence fragment.
    pub fn describe(&self) -> String {
        let labels = |dispatches: &[Dispatch]| {
            dispatches.iter().map(|dispatch| dispatch.variant.label()).collect::<Vec<_>>().join(" then ")
        };
        let mut text = self.parts.first().map_or_else(String::new, |part| labels(&part.dispatches));
        // Writing to a string cannot fail.
        if self.packed_bytes > 0 {
            let _ = write!(text, ", {} bytes of weights packed by {}", self.packed_bytes, labels(&self.packing));
        }
        if self.workspace_bytes > 0 {
            let _ = write!(text, ", {} bytes of workspace", self.workspace_bytes);
        }
        if self.is_split() {
            let _ = write!(text, ", in parts of {} images", self.images_at_once());
        }
        text
    }
}
