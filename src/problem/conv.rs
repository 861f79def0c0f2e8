//! The convolutions.

use super::{Axes, Epilogue, PaddingMode, setters};

/// Convolution (cross-correlation) in one, two or three dimensions.
///
/// `output[n,co,o] = epilogue(Σ_{ci,k} input[n, g·c_in/groups + ci, o·stride - padding + k·dilation] · weight[co,ci,k])`
/// with `g = co / (c_out/groups)`.
///
/// Tensors: `input` (batch, c_in, input), `weight` (c_out, c_in/groups, kernel), `output` (batch, c_out, out) where
/// `out = floor((input + padding - dilation·(kernel-1) - 1) / stride) + 1`.
///
/// ```
/// use wgconv::{Conv, Geometry};
/// let stem = Conv::new(1, 3, [224, 224], 64, [7, 7]).stride(2).padding(3).bias(true);
/// assert_eq!(Geometry::new(&stem.into())?.output_shape(), [1, 64, 112, 112]);
/// # Ok::<(), wgconv::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Conv {
    /// Number of images.
    pub batch: usize,
    /// Input channels.
    pub c_in: usize,
    /// Spatial extents of the input.
    pub input: Axes<usize>,
    /// Output channels.
    pub c_out: usize,
    /// Kernel extents.
    pub kernel: Axes<usize>,
    /// Step of the window.
    pub stride: Axes<usize>,
    /// `[begin, end]` of every axis.
    pub padding: Axes<[usize; 2]>,
    /// Distance between taps.
    pub dilation: Axes<usize>,
    /// Channel groups; `c_in` for a depthwise convolution.
    pub groups: usize,
    /// What the padding reads as.
    #[cfg_attr(feature = "serde", serde(default))]
    pub padding_mode: PaddingMode,
    /// Mirror the kernel (textbook convolution).
    #[cfg_attr(feature = "serde", serde(default))]
    pub flip_kernel: bool,
    /// What follows the sum.
    #[cfg_attr(feature = "serde", serde(default))]
    pub epilogue: Epilogue,
}

impl Conv {
    /// Stride 1, no padding, dilation 1, one group, no epilogue. The array lengths choose 1d, 2d or 3d.
    pub fn new(
        batch: usize,
        c_in: usize,
        input: impl Into<Axes<usize>>,
        c_out: usize,
        kernel: impl Into<Axes<usize>>,
    ) -> Self {
        let kernel = kernel.into();
        let rank = kernel.rank();
        Conv {
            batch,
            c_in,
            input: input.into(),
            c_out,
            kernel,
            stride: Axes::splat(1, rank),
            padding: Axes::splat([0; 2], rank),
            dilation: Axes::splat(1, rank),
            groups: 1,
            padding_mode: PaddingMode::Zeros,
            flip_kernel: false,
            epilogue: Epilogue::default(),
        }
    }

    setters!(stride, padding, dilation, groups, padding_mode, flip_kernel, epilogue);
}

/// Transposed convolution in one, two or three dimensions: the adjoint of [`Conv`] with the same weights.
///
/// `output[n,co,i·stride - padding + k·dilation] += input[n,ci,i] · weight[ci, co mod (c_out/groups), k]`, then the
/// epilogue, for the input channels of co's group.
///
/// Tensors: `weight` is (c_in, c_out/groups, kernel). Output extent:
/// `(input-1)·stride - padding + dilation·(kernel-1) + 1 + output_padding`, where `padding` crops both ends and
/// `output_padding`, less than max(stride, dilation), extends the end.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct ConvTranspose {
    /// Number of images.
    pub batch: usize,
    /// Input channels.
    pub c_in: usize,
    /// Spatial extents of the input.
    pub input: Axes<usize>,
    /// Output channels.
    pub c_out: usize,
    /// Kernel extents.
    pub kernel: Axes<usize>,
    /// Distance of neighbouring inputs in the output.
    pub stride: Axes<usize>,
    /// `[begin, end]` cropped from every axis.
    pub padding: Axes<[usize; 2]>,
    /// Positions added at the end of every axis.
    pub output_padding: Axes<usize>,
    /// Distance between taps.
    pub dilation: Axes<usize>,
    /// Channel groups.
    pub groups: usize,
    /// Mirror the kernel.
    #[cfg_attr(feature = "serde", serde(default))]
    pub flip_kernel: bool,
    /// What follows the sum.
    #[cfg_attr(feature = "serde", serde(default))]
    pub epilogue: Epilogue,
}

impl ConvTranspose {
    /// Stride 1, no cropping, no output padding, dilation 1, one group, no epilogue.
    pub fn new(
        batch: usize,
        c_in: usize,
        input: impl Into<Axes<usize>>,
        c_out: usize,
        kernel: impl Into<Axes<usize>>,
    ) -> Self {
        let kernel = kernel.into();
        let rank = kernel.rank();
        ConvTranspose {
            batch,
            c_in,
            input: input.into(),
            c_out,
            kernel,
            stride: Axes::splat(1, rank),
            padding: Axes::splat([0; 2], rank),
            output_padding: Axes::splat(0, rank),
            dilation: Axes::splat(1, rank),
            groups: 1,
            flip_kernel: false,
            epilogue: Epilogue::default(),
        }
    }

    setters!(stride, padding, dilation, groups, flip_kernel, epilogue);

    /// Positions added at the end of every axis: one value for all axes or one for each.
    #[must_use]
    pub fn output_padding(mut self, output_padding: impl super::PerAxis<usize>) -> Self {
        self.output_padding = output_padding.per_axis(self.kernel.rank());
        self
    }
}

/// Deformable convolution, version 1 (Dai et al. 2017, arXiv:1703.06211) or, with a mask, version 2 (Zhu et al. 2019,
/// arXiv:1811.11168), with torchvision's conventions.
///
/// Tap (i, j) of output (oy, ox) samples the input at `y = oy·stride - padding + i·dilation + offset_y`, likewise x, by
/// zero-extended bilinear interpolation: a corner outside the image counts as zero. The sample is multiplied by the
/// mask and by the weight. A sampling point that is NaN or infinite contributes nothing.
///
/// Tensors: `offset` (batch, 2·offset_groups·kh·kw, ho, wo), channel `((og·kh + i)·kw + j)·2 + {0: y, 1: x}`; `mask`
/// (batch, offset_groups·kh·kw, ho, wo). Input channel c belongs to offset group `c / (c_in/offset_groups)` and, apart
/// from that, to weight group `c / (c_in/groups)`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct DeformConv2d {
    /// Number of images.
    pub batch: usize,
    /// Input channels.
    pub c_in: usize,
    /// Height and width of the input.
    pub input: Axes<usize>,
    /// Output channels.
    pub c_out: usize,
    /// Kernel extents.
    pub kernel: Axes<usize>,
    /// Step of the window.
    pub stride: Axes<usize>,
    /// `[begin, end]` of every axis.
    pub padding: Axes<[usize; 2]>,
    /// Distance between taps.
    pub dilation: Axes<usize>,
    /// Channel groups of the weight.
    pub groups: usize,
    /// Channel groups of the offset and the mask.
    pub offset_groups: usize,
    /// Whether there is a mask (version 2).
    pub mask: bool,
    /// What follows the sum.
    #[cfg_attr(feature = "serde", serde(default))]
    pub epilogue: Epilogue,
}

impl DeformConv2d {
    /// Stride 1, no padding, dilation 1, one group of each kind, no mask, no epilogue.
    pub fn new(batch: usize, c_in: usize, input: [usize; 2], c_out: usize, kernel: [usize; 2]) -> Self {
        DeformConv2d {
            batch,
            c_in,
            input: input.into(),
            c_out,
            kernel: kernel.into(),
            stride: [1; 2].into(),
            padding: [[0; 2]; 2].into(),
            dilation: [1; 2].into(),
            groups: 1,
            offset_groups: 1,
            mask: false,
            epilogue: Epilogue::default(),
        }
    }

    setters!(stride, padding, dilation, groups, epilogue);

    /// Channel groups of the offset and the mask.
    #[must_use]
    pub fn offset_groups(mut self, offset_groups: usize) -> Self {
        self.offset_groups = offset_groups;
        self
    }

    /// Whether samples are modulated by a mask.
    #[must_use]
    pub fn mask(mut self, mask: bool) -> Self {
        self.mask = mask;
        self
    }
}

/// Locally connected (unshared) 2d convolution: every output position has weights of its own.
///
/// Tensors: `weight` (ho, wo, c_out, c_in/groups, kh, kw), `bias` (c_out, ho, wo).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct LocallyConnected2d {
    /// Number of images.
    pub batch: usize,
    /// Input channels.
    pub c_in: usize,
    /// Height and width of the input.
    pub input: Axes<usize>,
    /// Output channels.
    pub c_out: usize,
    /// Kernel extents.
    pub kernel: Axes<usize>,
    /// Step of the window.
    pub stride: Axes<usize>,
    /// `[begin, end]` of every axis.
    pub padding: Axes<[usize; 2]>,
    /// Distance between taps.
    pub dilation: Axes<usize>,
    /// Channel groups.
    pub groups: usize,
    /// What follows the sum.
    #[cfg_attr(feature = "serde", serde(default))]
    pub epilogue: Epilogue,
}

impl LocallyConnected2d {
    /// Stride 1, no padding, dilation 1, one group, no epilogue.
    pub fn new(batch: usize, c_in: usize, input: [usize; 2], c_out: usize, kernel: [usize; 2]) -> Self {
        LocallyConnected2d {
            batch,
            c_in,
            input: input.into(),
            c_out,
            kernel: kernel.into(),
            stride: [1; 2].into(),
            padding: [[0; 2]; 2].into(),
            dilation: [1; 2].into(),
            groups: 1,
            epilogue: Epilogue::default(),
        }
    }

    setters!(stride, padding, dilation, groups, epilogue);
}

/// Spatially separable 2d convolution: per channel a column filter, then a row filter.
///
/// Equals a depthwise convolution with the outer product `weight_v[c] ⊗ weight_h[c]`. Tensors: `weight_v` (channels,
/// kh), `weight_h` (channels, kw).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct SpatialSeparable2d {
    /// Number of images.
    pub batch: usize,
    /// Channels of input and output.
    pub channels: usize,
    /// Height and width of the input.
    pub input: Axes<usize>,
    /// Kernel extents.
    pub kernel: Axes<usize>,
    /// Step of the window.
    pub stride: Axes<usize>,
    /// `[begin, end]` of every axis.
    pub padding: Axes<[usize; 2]>,
    /// Distance between taps.
    pub dilation: Axes<usize>,
    /// What the padding reads as.
    #[cfg_attr(feature = "serde", serde(default))]
    pub padding_mode: PaddingMode,
    /// What follows the sum.
    #[cfg_attr(feature = "serde", serde(default))]
    pub epilogue: Epilogue,
}

impl SpatialSeparable2d {
    /// Stride 1, no padding, dilation 1, no epilogue.
    pub fn new(batch: usize, channels: usize, input: [usize; 2], kernel: [usize; 2]) -> Self {
        SpatialSeparable2d {
            batch,
            channels,
            input: input.into(),
            kernel: kernel.into(),
            stride: [1; 2].into(),
            padding: [[0; 2]; 2].into(),
            dilation: [1; 2].into(),
            padding_mode: PaddingMode::Zeros,
            epilogue: Epilogue::default(),
        }
    }

    setters!(stride, padding, dilation, padding_mode, epilogue);
}

/// Depthwise separable 2d convolution: a depthwise convolution with `multiplier` outputs per channel, then a pointwise
/// one. Window parameters belong to the depthwise stage, which has no epilogue; the epilogue follows the pointwise one.
///
/// Tensors: `weight_dw` (c_in·multiplier, 1, kh, kw), `weight_pw` (c_out, c_in·multiplier, 1, 1).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct DepthwiseSeparable2d {
    /// Number of images.
    pub batch: usize,
    /// Input channels.
    pub c_in: usize,
    /// Height and width of the input.
    pub input: Axes<usize>,
    /// Depthwise outputs per input channel.
    pub multiplier: usize,
    /// Output channels.
    pub c_out: usize,
    /// Kernel extents of the depthwise stage.
    pub kernel: Axes<usize>,
    /// Step of the window.
    pub stride: Axes<usize>,
    /// `[begin, end]` of every axis.
    pub padding: Axes<[usize; 2]>,
    /// Distance between taps.
    pub dilation: Axes<usize>,
    /// What the padding reads as.
    #[cfg_attr(feature = "serde", serde(default))]
    pub padding_mode: PaddingMode,
    /// What follows the sum.
    #[cfg_attr(feature = "serde", serde(default))]
    pub epilogue: Epilogue,
}

impl DepthwiseSeparable2d {
    /// Multiplier 1, stride 1, no padding, dilation 1, no epilogue.
    pub fn new(batch: usize, c_in: usize, input: [usize; 2], c_out: usize, kernel: [usize; 2]) -> Self {
        DepthwiseSeparable2d {
            batch,
            c_in,
            input: input.into(),
            multiplier: 1,
            c_out,
            kernel: kernel.into(),
            stride: [1; 2].into(),
            padding: [[0; 2]; 2].into(),
            dilation: [1; 2].into(),
            padding_mode: PaddingMode::Zeros,
            epilogue: Epilogue::default(),
        }
    }

    setters!(stride, padding, dilation, padding_mode, epilogue);

    /// Depthwise outputs per input channel.
    #[must_use]
    pub fn multiplier(mut self, multiplier: usize) -> Self {
        self.multiplier = multiplier;
        self
    }
}
