//! Pooling.

use super::{Axes, setters};

/// What a pooling window computes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
pub enum PoolMode {
    /// The maximum; of equal ones the first in scan order. NaN wins over every number, the first NaN over later ones.
    Max {
        /// Value of the declared padding; `None` is minus infinity, which never wins but where a dilated window meets no
        /// element. Overhang of `ceil_mode` beyond the
        /// padding takes no part either way.
        pad_value: Option<f32>,
        /// Also write `indices`.
        indices: bool,
    },
    /// The mean.
    Average {
        /// Whether positions in the declared padding count in the divisor. Overhang of `ceil_mode` never does.
        count_include_pad: bool,
        /// Divide by this instead.
        divisor_override: Option<usize>,
    },
    /// `(Σ |x|^p)^(1/p)`.
    Lp {
        /// The exponent, positive and finite.
        p: f32,
    },
}

impl PoolMode {
    pub(crate) fn stem(&self) -> &'static str {
        match self {
            PoolMode::Max { .. } => "max_pool",
            PoolMode::Average { .. } => "avg_pool",
            PoolMode::Lp { .. } => "lp_pool",
        }
    }
}

/// Max, average or lp pooling in one, two or three dimensions.
///
/// Tensors: `input` (batch, channels, input), `output` (batch, channels, out), `indices` like the output when asked
/// for. Output extents are [`Conv`](super::Conv)'s, with `ceil_mode` rounded up instead of down, less a last window
/// that would start at or beyond `input + padding_begin`: windows may reach beyond the end by less than the stride, also
/// the first one. The stride defaults to the kernel.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Pool {
    /// Number of images.
    pub batch: usize,
    /// Channels.
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
    /// Round the output extent up.
    pub ceil_mode: bool,
    /// What to compute.
    pub mode: PoolMode,
}

impl Pool {
    fn new(
        batch: usize,
        channels: usize,
        input: impl Into<Axes<usize>>,
        kernel: impl Into<Axes<usize>>,
        mode: PoolMode,
    ) -> Self {
        let kernel = kernel.into();
        Pool {
            batch,
            channels,
            input: input.into(),
            kernel,
            stride: kernel,
            padding: Axes::splat([0; 2], kernel.rank()),
            dilation: Axes::splat(1, kernel.rank()),
            ceil_mode: false,
            mode,
        }
    }

    /// Max pooling without indices, padded with minus infinity.
    pub fn max(batch: usize, channels: usize, input: impl Into<Axes<usize>>, kernel: impl Into<Axes<usize>>) -> Self {
        Pool::new(batch, channels, input, kernel, PoolMode::Max { pad_value: None, indices: false })
    }

    /// Average pooling that counts the padding, PyTorch's default.
    pub fn average(
        batch: usize,
        channels: usize,
        input: impl Into<Axes<usize>>,
        kernel: impl Into<Axes<usize>>,
    ) -> Self {
        Pool::new(batch, channels, input, kernel, PoolMode::Average { count_include_pad: true, divisor_override: None })
    }

    /// Lp pooling with exponent `p`.
    pub fn lp(
        batch: usize,
        channels: usize,
        input: impl Into<Axes<usize>>,
        kernel: impl Into<Axes<usize>>,
        p: f32,
    ) -> Self {
        Pool::new(batch, channels, input, kernel, PoolMode::Lp { p })
    }

    /// One window over the whole input: global pooling.
    pub fn global(batch: usize, channels: usize, input: impl Into<Axes<usize>>, mode: PoolMode) -> Self {
        let input = input.into();
        Pool::new(batch, channels, input, input, mode)
    }

    setters!(stride, padding, dilation);

    /// Rounds the output extent up.
    #[must_use]
    pub fn ceil_mode(mut self, ceil_mode: bool) -> Self {
        self.ceil_mode = ceil_mode;
        self
    }

    /// Replaces the mode with all its options.
    #[must_use]
    pub fn mode(mut self, mode: PoolMode) -> Self {
        self.mode = mode;
        self
    }
}
