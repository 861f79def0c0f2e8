//! The products behind a sliding window, listed.

use crate::problem::PaddingMode;
use crate::reference::window::{Axis, element, indices, kernel_tap};

/// One product of a sum: in window `window`, tap `tap` of the stored kernel meets element `element` of the plane.
pub(super) struct Link {
    pub window: usize,
    pub element: usize,
    pub tap: usize,
}

/// Every link of `windows` windows over a plane. Taps that read zero have none.
pub(super) fn links(window: &[Axis; 3], windows: [usize; 3], mode: PaddingMode, flip: bool) -> Vec<Link> {
    let kernel = window.map(|axis| axis.kernel);
    let of_window = |(flat, o): (usize, [usize; 3])| {
        indices(kernel).filter_map(move |tap| {
            let element = element(window, o, tap, mode)?;
            Some(Link { window: flat, element, tap: kernel_tap(tap, kernel, flip) })
        })
    };
    indices(windows).enumerate().flat_map(of_window).collect()
}
