//! What an algorithm of a convolution costs, by a model of each class of device: arithmetic, loads or bytes, and what tiles
//! waste at their edges. Only ratios between algorithms of one problem mean anything.

mod gpu;
mod rasteriser;

use crate::algorithm::Algorithm;
use crate::capabilities::{Capabilities, KernelClass};
use crate::geometry::Window;
use crate::options::Options;

/// The cost of a forward convolution; `None` for algorithms that the model does not know, and where it was not fitted.
pub(crate) fn conv(w: &Window, algorithm: Algorithm, caps: &Capabilities, options: &Options) -> Option<f64> {
    match caps.class {
        KernelClass::Cpu => rasteriser::conv(w, algorithm, options),
        KernelClass::Gpu => gpu::conv(w, algorithm, caps, options),
    }
}

/// Outputs of a Winograd tile along an axis.
fn winograd_tile(algorithm: Algorithm) -> Option<u32> {
    match algorithm {
        Algorithm::WinogradF2 => Some(2),
        Algorithm::WinogradF4 => Some(4),
        _ => None,
    }
}
