//! What a structured convolution costs beside a plain one.

use super::Geometry;
use crate::error::{Error, Result};
use crate::problem::{Conv, DeformConv2d, DepthwiseSeparable2d};

/// Multiply-adds and learned values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-adds.
    pub macs: u64,
    /// Weights and biases.
    pub parameters: u64,
}

impl Cost {
    fn of(geometry: &Geometry) -> Cost {
        Cost { macs: geometry.macs(), parameters: geometry.parameters() }
    }
}

/// A depthwise separable convolution beside the plain convolution with the same extents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeparableCost {
    /// Of the two stages.
    pub separable: Cost,
    /// Of the plain convolution.
    pub plain: Cost,
}

impl SeparableCost {
    /// Multiply-adds of the separable one per multiply-add of the plain one: `multiplier·(1/c_out + 1/(kh·kw))`.
    pub fn macs_ratio(&self) -> f64 {
        self.separable.macs as f64 / self.plain.macs as f64
    }

    /// Likewise for the learned values.
    pub fn parameters_ratio(&self) -> f64 {
        self.separable.parameters as f64 / self.plain.parameters as f64
    }
}

/// Compares a depthwise separable convolution with a plain one.
pub fn separable_cost(problem: &DepthwiseSeparable2d) -> Result<SeparableCost> {
    let p = problem;
    let separable = Geometry::new(&p.clone().into())?;
    let plain = Conv::new(p.batch, p.c_in, p.input, p.c_out, p.kernel)
        .stride(p.stride)
        .padding(p.padding)
        .dilation(p.dilation)
        .padding_mode(p.padding_mode);
    let plain = Geometry::new(&Conv { epilogue: p.epilogue, ..plain }.into())?;
    Ok(SeparableCost { separable: Cost::of(&separable), plain: Cost::of(&plain) })
}

/// A deformable convolution beside the plain one, with the convolution that predicts its offsets and masks from the
/// same input: same window, a bias, and as many output channels as there are offsets and masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeformCost {
    /// Of the convolution itself, which is what a plain one costs.
    pub plain: Cost,
    /// Offset channels: two per tap and offset group.
    pub offset_channels: usize,
    /// Mask channels: one per tap and offset group; none without a mask.
    pub mask_channels: usize,
    /// Of the branch that predicts offsets and masks.
    pub branch: Cost,
    /// Multiply-adds of the sampling, each (image, channel, tap, position) once: four, with a mask five.
    pub sampling_macs: u64,
}

impl DeformCost {
    /// Everything together.
    pub fn total_macs(&self) -> u64 {
        self.plain.macs.saturating_add(self.branch.macs).saturating_add(self.sampling_macs)
    }

    /// Multiply-adds per multiply-add of the plain convolution.
    pub fn macs_ratio(&self) -> f64 {
        self.total_macs() as f64 / self.plain.macs as f64
    }
}

/// Compares a deformable convolution with a plain one.
pub fn deform_cost(problem: &DeformConv2d) -> Result<DeformCost> {
    let p = problem;
    let geometry = Geometry::new(&p.clone().into())?;
    let offset_channels = offset_channels([p.kernel[0], p.kernel[1]], p.offset_groups)?;
    let mask_channels = if p.mask { offset_channels / 2 } else { 0 };
    let branch = Conv::new(p.batch, p.c_in, p.input, offset_channels + mask_channels, p.kernel)
        .stride(p.stride)
        .padding(p.padding)
        .dilation(p.dilation)
        .bias(true);
    let branch = Geometry::new(&branch.into())?;
    Ok(DeformCost {
        plain: Cost::of(&geometry),
        offset_channels,
        mask_channels,
        branch: Cost::of(&branch),
        sampling_macs: geometry.sampling_macs(),
    })
}

/// Channels of a deformable convolution's offset: `2·offset_groups·kh·kw`.
pub fn offset_channels(kernel: [usize; 2], offset_groups: usize) -> Result<usize> {
    let channels = kernel.iter().try_fold(2_usize, |n, &k| n.checked_mul(k)).and_then(|n| n.checked_mul(offset_groups));
    channels
        .filter(|&n| n <= i32::MAX as usize)
        .ok_or_else(|| Error::invalid("offset_groups", offset_groups, "2 * offset_groups * kh * kw must be below 2^31"))
}
