//! Operations that move elements without arithmetic, and the sum that undoes one of them.

use super::{Axes, setters};

/// Order of the channels that hold the pixels of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub enum ShuffleOrder {
    /// Depth-column-row, ONNX's default: channel `(i·r + j)·C + c`.
    #[cfg_attr(feature = "serde", serde(rename = "DCR"))]
    Dcr,
    /// Column-row-depth, PyTorch's pixel shuffle: channel `(c·r + i)·r + j`.
    #[default]
    #[cfg_attr(feature = "serde", serde(rename = "CRD"))]
    Crd,
}

/// Moves channels into `block` x `block` pixels: (batch, channels, h, w) to (batch, channels/block², h·block, w·block).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct DepthToSpace {
    /// Number of images.
    pub batch: usize,
    /// Channels of the input.
    pub channels: usize,
    /// Height and width of the input.
    pub input: Axes<usize>,
    /// Upscale factor.
    pub block: usize,
    /// Channel order.
    pub order: ShuffleOrder,
}

impl DepthToSpace {
    /// With the channel order of PyTorch's `pixel_shuffle`.
    pub fn new(batch: usize, channels: usize, input: [usize; 2], block: usize) -> Self {
        DepthToSpace { batch, channels, input: input.into(), block, order: ShuffleOrder::Crd }
    }

    /// Sets the channel order.
    #[must_use]
    pub fn order(mut self, order: ShuffleOrder) -> Self {
        self.order = order;
        self
    }
}

/// Moves `block` x `block` pixels into channels: (batch, channels, h, w) to (batch, channels·block², h/block, w/block).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct SpaceToDepth {
    /// Number of images.
    pub batch: usize,
    /// Channels of the input.
    pub channels: usize,
    /// Height and width of the input, multiples of the block.
    pub input: Axes<usize>,
    /// Downscale factor.
    pub block: usize,
    /// Channel order.
    pub order: ShuffleOrder,
}

impl SpaceToDepth {
    /// With the channel order of PyTorch's `pixel_unshuffle`.
    pub fn new(batch: usize, channels: usize, input: [usize; 2], block: usize) -> Self {
        SpaceToDepth { batch, channels, input: input.into(), block, order: ShuffleOrder::Crd }
    }

    /// Sets the channel order.
    #[must_use]
    pub fn order(mut self, order: ShuffleOrder) -> Self {
        self.order = order;
        self
    }
}

/// Windows to columns (PyTorch's `unfold`): (batch, channels, input) to (batch, channels·∏kernel, ∏out), row
/// `(c·kh + i)·kw + j`, columns row-major over the output positions. Padding reads as zero.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Im2col {
    /// Number of images.
    pub batch: usize,
    /// Channels of the input.
    pub channels: usize,
    /// Spatial extents of the input.
    pub input: Axes<usize>,
    /// Window extents.
    pub kernel: Axes<usize>,
    /// Step of the window.
    pub stride: Axes<usize>,
    /// `[begin, end]` of every axis.
    pub padding: Axes<[usize; 2]>,
    /// Distance between taps.
    pub dilation: Axes<usize>,
}

impl Im2col {
    /// Stride 1, no padding, dilation 1.
    pub fn new(batch: usize, channels: usize, input: impl Into<Axes<usize>>, kernel: impl Into<Axes<usize>>) -> Self {
        let kernel = kernel.into();
        let rank = kernel.rank();
        Im2col {
            batch,
            channels,
            input: input.into(),
            kernel,
            stride: Axes::splat(1, rank),
            padding: Axes::splat([0; 2], rank),
            dilation: Axes::splat(1, rank),
        }
    }

    setters!(stride, padding, dilation);
}

/// Columns to a sum of windows (PyTorch's `fold`), the adjoint of [`Im2col`]: (batch, channels·∏kernel, ∏windows) to
/// (batch, channels, output); values that land on one element are added.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Col2im {
    /// Number of images.
    pub batch: usize,
    /// Channels of the output.
    pub channels: usize,
    /// Spatial extents of the output.
    pub output: Axes<usize>,
    /// Window extents.
    pub kernel: Axes<usize>,
    /// Step of the window.
    pub stride: Axes<usize>,
    /// `[begin, end]` of every axis, cropped from the sum.
    pub padding: Axes<[usize; 2]>,
    /// Distance between taps.
    pub dilation: Axes<usize>,
}

impl Col2im {
    /// Stride 1, no padding, dilation 1.
    pub fn new(batch: usize, channels: usize, output: impl Into<Axes<usize>>, kernel: impl Into<Axes<usize>>) -> Self {
        let kernel = kernel.into();
        let rank = kernel.rank();
        Col2im {
            batch,
            channels,
            output: output.into(),
            kernel,
            stride: Axes::splat(1, rank),
            padding: Axes::splat([0; 2], rank),
            dilation: Axes::splat(1, rank),
        }
    }

    setters!(stride, padding, dilation);
}
