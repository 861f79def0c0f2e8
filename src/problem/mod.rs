//! What the user asks for: one plain struct per operation, with named fields and a builder.
//!
//! A problem is data. It may describe something impossible; [`Geometry::new`](crate::Geometry::new) is the one place
//! that judges it.

mod axes;
mod conv;
mod epilogue;
mod gradient;
mod pool;
mod rearrange;

pub use axes::{Axes, PerAxis};
pub use conv::{Conv, ConvTranspose, DeformConv2d, DepthwiseSeparable2d, LocallyConnected2d, SpatialSeparable2d};
pub use epilogue::{Activation, Epilogue};
pub use gradient::Gradient;
pub use pool::{Pool, PoolMode};
pub use rearrange::{Col2im, DepthToSpace, Im2col, ShuffleOrder, SpaceToDepth};

/// What a position outside the input reads as. The names and the arithmetic are PyTorch's `padding_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum PaddingMode {
    /// Zero.
    #[default]
    Zeros,
    /// Mirrored without repeating the edge: `-1` reads `1`. Needs padding < extent.
    Reflect,
    /// The nearest edge element.
    Replicate,
    /// Wrapped around: `-1` reads the last element. Needs padding <= extent.
    Circular,
}

/// Any operation of this crate.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "op", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Problem {
    /// Convolution in one to three dimensions.
    Conv(Conv),
    /// Transposed convolution in one to three dimensions.
    ConvTranspose(ConvTranspose),
    /// Deformable convolution, version 1 (no mask) or 2 (mask).
    DeformConv2d(DeformConv2d),
    /// Convolution with its own weights at every output position.
    LocallyConnected2d(LocallyConnected2d),
    /// Depthwise convolution with a rank-one kernel per channel.
    SpatialSeparable2d(SpatialSeparable2d),
    /// Depthwise then pointwise convolution.
    DepthwiseSeparable2d(DepthwiseSeparable2d),
    /// Max, average or lp pooling.
    Pool(Pool),
    /// Channels to pixels (pixel shuffle).
    DepthToSpace(DepthToSpace),
    /// Pixels to channels (pixel unshuffle).
    SpaceToDepth(SpaceToDepth),
    /// Windows to columns (unfold).
    Im2col(Im2col),
    /// Columns to a sum of windows (fold).
    Col2im(Col2im),
    /// The backward pass of one of the others.
    Gradient(Gradient),
}

impl Problem {
    /// Name of the operation with its dimension, as case files spell it: `conv2d`, `max_pool1d`, `im2col3d`. A backward
    /// pass is named after its operation: `conv2d_gradient`.
    pub fn op_name(&self) -> String {
        let ranked = |stem: &str, rank: usize| format!("{stem}{rank}d");
        match self {
            Problem::Conv(p) => ranked("conv", p.input.rank()),
            Problem::ConvTranspose(p) => ranked("conv_transpose", p.input.rank()),
            Problem::DeformConv2d(_) => "deform_conv2d".into(),
            Problem::LocallyConnected2d(_) => "locally_connected2d".into(),
            Problem::SpatialSeparable2d(_) => "spatial_separable_conv2d".into(),
            Problem::DepthwiseSeparable2d(_) => "depthwise_separable_conv2d".into(),
            Problem::Pool(p) => ranked(p.mode.stem(), p.input.rank()),
            Problem::DepthToSpace(_) => "depth_to_space".into(),
            Problem::SpaceToDepth(_) => "space_to_depth".into(),
            Problem::Im2col(p) => ranked("im2col", p.input.rank()),
            Problem::Col2im(p) => ranked("col2im", p.output.rank()),
            Problem::Gradient(p) => format!("{}_gradient", p.of.op_name()),
        }
    }

    /// What follows the accumulation; `None` for operations that have no epilogue.
    pub fn epilogue(&self) -> Option<&Epilogue> {
        match self {
            Problem::Conv(p) => Some(&p.epilogue),
            Problem::ConvTranspose(p) => Some(&p.epilogue),
            Problem::DeformConv2d(p) => Some(&p.epilogue),
            Problem::LocallyConnected2d(p) => Some(&p.epilogue),
            Problem::SpatialSeparable2d(p) => Some(&p.epilogue),
            Problem::DepthwiseSeparable2d(p) => Some(&p.epilogue),
            _ => None,
        }
    }

    /// Number of images.
    pub fn batch(&self) -> usize {
        match self {
            Problem::Conv(p) => p.batch,
            Problem::ConvTranspose(p) => p.batch,
            Problem::DeformConv2d(p) => p.batch,
            Problem::LocallyConnected2d(p) => p.batch,
            Problem::SpatialSeparable2d(p) => p.batch,
            Problem::DepthwiseSeparable2d(p) => p.batch,
            Problem::Pool(p) => p.batch,
            Problem::DepthToSpace(p) => p.batch,
            Problem::SpaceToDepth(p) => p.batch,
            Problem::Im2col(p) => p.batch,
            Problem::Col2im(p) => p.batch,
            Problem::Gradient(p) => p.of.batch(),
        }
    }

    /// The same problem for another number of images.
    #[must_use]
    pub fn with_batch(mut self, batch: usize) -> Self {
        match &mut self {
            Problem::Conv(p) => p.batch = batch,
            Problem::ConvTranspose(p) => p.batch = batch,
            Problem::DeformConv2d(p) => p.batch = batch,
            Problem::LocallyConnected2d(p) => p.batch = batch,
            Problem::SpatialSeparable2d(p) => p.batch = batch,
            Problem::DepthwiseSeparable2d(p) => p.batch = batch,
            Problem::Pool(p) => p.batch = batch,
            Problem::DepthToSpace(p) => p.batch = batch,
            Problem::SpaceToDepth(p) => p.batch = batch,
            Problem::Im2col(p) => p.batch = batch,
            Problem::Col2im(p) => p.batch = batch,
            Problem::Gradient(p) => *p.of = (*p.of).clone().with_batch(batch),
        }
        self
    }
}

macro_rules! problem_from {
    ($($variant:ident),*) => {$(
        impl From<$variant> for Problem {
            fn from(problem: $variant) -> Self {
                Problem::$variant(problem)
            }
        }
    )*};
}
problem_from!(
    Conv,
    ConvTranspose,
    DeformConv2d,
    LocallyConnected2d,
    SpatialSeparable2d,
    DepthwiseSeparable2d,
    Pool,
    DepthToSpace,
    SpaceToDepth,
    Im2col,
    Col2im,
    Gradient
);

/// Builder methods that several operations share; each takes one value for all axes or one per axis.
macro_rules! setters {
    ($($name:ident),*) => {$( setters!(@ $name); )*};
    (@ stride) => {
        /// Step of the window per axis: one value for all axes or one for each.
        #[must_use]
        pub fn stride(mut self, stride: impl $crate::problem::PerAxis<usize>) -> Self {
            self.stride = stride.per_axis(self.kernel.rank());
            self
        }
    };
    (@ padding) => {
        /// Padding per axis: one value for all sides, one per axis, or `[begin, end]` per axis.
        #[must_use]
        pub fn padding(mut self, padding: impl $crate::problem::PerAxis<[usize; 2]>) -> Self {
            self.padding = padding.per_axis(self.kernel.rank());
            self
        }
    };
    (@ dilation) => {
        /// Distance between kernel taps per axis: one value for all axes or one for each.
        #[must_use]
        pub fn dilation(mut self, dilation: impl $crate::problem::PerAxis<usize>) -> Self {
            self.dilation = dilation.per_axis(self.kernel.rank());
            self
        }
    };
    (@ groups) => {
        /// Number of channel groups; output channels of a group see the input channels of that group only.
        #[must_use]
        pub fn groups(mut self, groups: usize) -> Self {
            self.groups = groups;
            self
        }
    };
    (@ padding_mode) => {
        /// What positions outside the input read as.
        #[must_use]
        pub fn padding_mode(mut self, mode: $crate::problem::PaddingMode) -> Self {
            self.padding_mode = mode;
            self
        }
    };
    (@ flip_kernel) => {
        /// Mirrors the kernel along every spatial axis: the textbook convolution instead of a cross-correlation.
        #[must_use]
        pub fn flip_kernel(mut self, flip: bool) -> Self {
            self.flip_kernel = flip;
            self
        }
    };
    (@ epilogue) => {
        /// Adds a bias per output channel.
        #[must_use]
        pub fn bias(mut self, bias: bool) -> Self {
            self.epilogue.bias = bias;
            self
        }
        /// Adds a tensor of the output's shape before the activation.
        #[must_use]
        pub fn residual(mut self, residual: bool) -> Self {
            self.epilogue.residual = residual;
            self
        }
        /// Applies an activation last.
        #[must_use]
        pub fn activation(mut self, activation: $crate::problem::Activation) -> Self {
            self.epilogue.activation = activation;
            self
        }
    };
}
pub(crate) use setters;
