//! The products behind a sliding window, listed.

use crate::error::Result;
use crate::memory;
use crate::problem::PaddingMode;
use crate::reference::parallel;
use crate::reference::window::{Axis, element, indices, kernel_tap};

/// One product of a sum: in window `window`, tap `tap` of the stored kernel meets element `element` of the plane.
pub(super) struct Link {
    pub window: usize,
    pub element: usize,
    pub tap: usize,
}

/// Every link of `windows` windows over a plane. Taps that read zero have none.
pub(super) fn links(window: &[Axis; 3], windows: [usize; 3], mode: PaddingMode, flip: bool) -> Result<Vec<Link>> {
    let kernel = window.map(|axis| axis.kernel);
    let of_window = |(flat, o): (usize, [usize; 3])| {
        indices(kernel).filter_map(move |tap| {
            let element = element(window, o, tap, mode)?;
            Some(Link { window: flat, element, tap: kernel_tap(tap, kernel, flip) })
        })
    };
    let most = [windows, kernel].iter().flatten().fold(1_usize, |most, &extent| most.saturating_mul(extent));
    let mut links = memory::with_room(parallel::WHAT, most)?;
    links.extend(indices(windows).enumerate().flat_map(of_window));
    Ok(links)
}
