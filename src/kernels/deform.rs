//! What the kernels of the backward pass of a deformable convolution share.

use crate::geometry::Window;
use crate::kernels::deform_conv2d_direct::Sampling;
use crate::program::{Params, WindowParams};

/// What the kernels of this pass share.
pub(crate) struct DeformTask<'a> {
    pub window: &'a Window,
    pub sampling: Sampling,
    pub beta: f32,
}

/// Points of a sorted list that one partial sum takes, as in `shaders/lib/cells.wgsl`.
pub(crate) const CHUNK: usize = 256;
/// Cells that a workgroup scans, and places of a list that one brings into order, likewise.
pub(crate) const CELL_BLOCK: usize = 1024;
pub(crate) const LIST_RUN: usize = 256;

impl DeformTask<'_> {
    /// Sampling points of an image and offset group.
    pub fn points(&self) -> usize {
        self.window.kernel_len() * self.window.output_len()
    }

    /// Images times offset groups.
    pub fn sequences(&self) -> usize {
        self.window.batch * self.sampling.offset_groups
    }

    /// Bilinear cells of an image, those half outside included.
    pub fn cells(&self) -> usize {
        (self.window.input[1] + 1) * (self.window.input[2] + 1)
    }

    /// Parts of the cells of an image that are scanned side by side.
    pub fn cell_blocks(&self) -> usize {
        self.cells().div_ceil(CELL_BLOCK)
    }

    /// Partial sums of a channel of an image.
    pub fn slots(&self) -> usize {
        self.cells() + self.points().div_ceil(CHUNK)
    }

    /// The uniform, with the views that a kernel adds.
    pub fn params(&self, views: impl FnOnce(&mut WindowParams)) -> Params {
        let mut params = WindowParams {
            offset: self.sampling.offset.view,
            mask: self.sampling.mask_slot().view,
            offset_groups: self.sampling.offset_groups as u32,
            beta: self.beta,
            ..WindowParams::new(self.window)
        };
        views(&mut params);
        Params::Window(Box::new(params))
    }
}
