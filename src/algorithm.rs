//! The ways to compute an operation, and the classes of their rounding errors.

use std::fmt;

use crate::problem::Problem;

/// How an operation is computed. Which ones an operation has, [`Algorithm::of`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Algorithm {
    /// The equation as it stands: the always-correct kernel of every operation.
    Direct,
    /// The direct sum with a tile of output channels and positions in registers, without barriers.
    RegisterTiled,
    /// One input channel per group, or one output channel of a transposed convolution: rows slide through registers.
    Depthwise,
    /// Outputs of one residue modulo the dilation share a dense tile.
    Dilated,
    /// Columns in the workspace, then a matrix product.
    Im2colGemm,
    /// A matrix product whose columns are gathered as they are staged: no workspace but for the partial sums of grad_weight.
    ImplicitGemm,
    /// Likewise over weights that are packed four output channels to a vec4 and summed tap by tap. For GPUs.
    PackedGemm,
    /// Likewise by cooperative matrices, each factor the sum of two f16: needs a device that was opened with such.
    CooperativeGemm,
    /// Likewise, each factor rounded to one f16.
    CooperativeGemmF16,
    /// Likewise, both factors packed as f16 beforehand. It has not run on a device yet: it is taken by name, or by the tuner, which
    /// compares results.
    CooperativePackedF16,
    /// A 1x1 convolution is a matrix product; no workspace but for weights that are packed.
    PointwiseGemm,
    /// Winograd's minimal filtering F(2x2, 3x3): 16 products instead of 36 for four outputs.
    WinogradF2,
    /// Likewise in one pass, without workspace for patches and products. For GPUs.
    WinogradF2Fused,
    /// F(4x4, 3x3): 36 products instead of 144 for sixteen outputs, at a larger error.
    WinogradF4,
    /// Transposed: one dense convolution per residue modulo the stride.
    Phases,
    /// Transposed: a matrix product into columns, then their sum.
    GemmCol2im,
    /// Spatially separable: a vertical and a horizontal depthwise convolution.
    TwoPass,
    /// Depthwise separable: the depthwise kernel, then a matrix product.
    DepthwiseGemm,
    /// Global pooling: a workgroup reduces each plane by a tree.
    TreeReduce,
    /// A matrix product whose sums are cut into slices that are added in a fixed order: of a convolution with few outputs and
    /// long sums, gathered as it is staged; of grad_weight alone, over columns.
    SplitKGemm,
    /// Gradients of a deformable convolution: sampling points sorted by the cell they fall in, then a gather.
    SortedGather,
    /// Likewise with f32 atomics: needs a device that has them, and is not the same bits every time.
    AtomicScatter,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Algorithm; 22] = [
        Algorithm::Direct,
        Algorithm::RegisterTiled,
        Algorithm::Depthwise,
        Algorithm::Dilated,
        Algorithm::Im2colGemm,
        Algorithm::ImplicitGemm,
        Algorithm::PackedGemm,
        Algorithm::CooperativeGemm,
        Algorithm::CooperativeGemmF16,
        Algorithm::CooperativePackedF16,
        Algorithm::PointwiseGemm,
        Algorithm::WinogradF2,
        Algorithm::WinogradF2Fused,
        Algorithm::WinogradF4,
        Algorithm::Phases,
        Algorithm::GemmCol2im,
        Algorithm::TwoPass,
        Algorithm::DepthwiseGemm,
        Algorithm::TreeReduce,
        Algorithm::SplitKGemm,
        Algorithm::SortedGather,
        Algorithm::AtomicScatter,
    ];

    /// Its name in kebab-case.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Direct => "direct",
            Algorithm::RegisterTiled => "register-tiled",
            Algorithm::Depthwise => "depthwise",
            Algorithm::Dilated => "dilated",
            Algorithm::Im2colGemm => "im2col-gemm",
            Algorithm::ImplicitGemm => "implicit-gemm",
            Algorithm::PackedGemm => "packed-gemm",
            Algorithm::CooperativeGemm => "cooperative-gemm",
            Algorithm::CooperativeGemmF16 => "cooperative-gemm-f16",
            Algorithm::CooperativePackedF16 => "cooperative-packed-f16",
            Algorithm::PointwiseGemm => "pointwise-gemm",
            Algorithm::WinogradF2 => "winograd-f2",
            Algorithm::WinogradF2Fused => "winograd-f2-fused",
            Algorithm::WinogradF4 => "winograd-f4",
            Algorithm::Phases => "phases",
            Algorithm::GemmCol2im => "gemm-col2im",
            Algorithm::TwoPass => "two-pass",
            Algorithm::DepthwiseGemm => "depthwise-gemm",
            Algorithm::TreeReduce => "tree-reduce",
            Algorithm::SplitKGemm => "split-k-gemm",
            Algorithm::SortedGather => "sorted-gather",
            Algorithm::AtomicScatter => "atomic-scatter",
        }
    }

    /// Whether it computes the same bits every time on one device.
    pub fn is_deterministic(self) -> bool {
        self != Algorithm::AtomicScatter
    }

    /// The least accuracy that it is good for: [`Options::accuracy`](crate::Options::accuracy) must ask for no more.
    pub fn accuracy(self) -> Accuracy {
        match self {
            Algorithm::WinogradF2 | Algorithm::WinogradF2Fused | Algorithm::CooperativeGemm => Accuracy::Standard,
            Algorithm::WinogradF4 => Accuracy::Relaxed,
            Algorithm::CooperativeGemmF16 | Algorithm::CooperativePackedF16 => Accuracy::Half,
            _ => Accuracy::Strict,
        }
    }

    /// The algorithm of that name.
    pub fn parse(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The algorithms that exist for an operation, the always-correct one first.
    pub fn of(problem: &Problem) -> &'static [Algorithm] {
        match problem {
            Problem::Conv(_) => &[
                Algorithm::Direct,
                Algorithm::RegisterTiled,
                Algorithm::Depthwise,
                Algorithm::Dilated,
                Algorithm::PointwiseGemm,
                Algorithm::ImplicitGemm,
                Algorithm::PackedGemm,
                Algorithm::SplitKGemm,
                Algorithm::Im2colGemm,
                Algorithm::WinogradF2,
                Algorithm::WinogradF2Fused,
                Algorithm::WinogradF4,
                Algorithm::CooperativeGemm,
                Algorithm::CooperativeGemmF16,
                Algorithm::CooperativePackedF16,
            ],
            Problem::ConvTranspose(_) => &[
                Algorithm::Direct,
                Algorithm::Depthwise,
                Algorithm::Phases,
                Algorithm::GemmCol2im,
                Algorithm::ImplicitGemm,
                Algorithm::PackedGemm,
            ],
            Problem::DeformConv2d(_) => &[Algorithm::Direct, Algorithm::ImplicitGemm, Algorithm::Im2colGemm],
            Problem::SpatialSeparable2d(_) => &[Algorithm::Direct, Algorithm::TwoPass],
            Problem::DepthwiseSeparable2d(_) => &[Algorithm::Direct, Algorithm::DepthwiseGemm],
            Problem::Pool(_) => &[Algorithm::Direct, Algorithm::TreeReduce],
            Problem::LocallyConnected2d(_)
            | Problem::DepthToSpace(_)
            | Problem::SpaceToDepth(_)
            | Problem::Im2col(_)
            | Problem::Col2im(_) => &[Algorithm::Direct],
            Problem::Gradient(p) => Algorithm::of_gradient(&p.of),
        }
    }

    /// Those of its backward pass. A fast rung of grad_input brings that of grad_weight along.
    fn of_gradient(problem: &Problem) -> &'static [Algorithm] {
        match problem {
            Problem::Conv(_) => &[
                Algorithm::Direct,
                Algorithm::Depthwise,
                Algorithm::Phases,
                Algorithm::GemmCol2im,
                Algorithm::ImplicitGemm,
                Algorithm::PackedGemm,
                Algorithm::SplitKGemm,
            ],
            Problem::ConvTranspose(_) => &[
                Algorithm::Direct,
                Algorithm::RegisterTiled,
                Algorithm::Depthwise,
                Algorithm::Dilated,
                Algorithm::PointwiseGemm,
                Algorithm::ImplicitGemm,
                Algorithm::PackedGemm,
                Algorithm::Im2colGemm,
                Algorithm::SplitKGemm,
            ],
            Problem::DeformConv2d(_) => &[Algorithm::SortedGather, Algorithm::AtomicScatter],
            Problem::SpatialSeparable2d(_) => &[Algorithm::Direct, Algorithm::TwoPass],
            Problem::DepthwiseSeparable2d(_) => &[Algorithm::Direct, Algorithm::DepthwiseGemm],
            _ => &[Algorithm::Direct],
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How large the rounding errors of a plan may be. The classes are those of `docs/numerics.md`, whose bounds the tests
/// demand; u is 2^-24.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub enum Accuracy {
    /// Every output is within (K + 2)·u·Σ|a||b| of the exact sum of its K products, whatever the data.
    Strict,
    /// On data of one scale no larger than a plain sum's error, on any data bounded by the largest values of the
    /// neighbourhood instead of by the output's own products: adds Winograd F(2x2, 3x3), and cooperative matrices of
    /// split factors.
    #[default]
    Standard,
    /// On data of one scale a few times a plain sum's error: adds Winograd F(4x4, 3x3).
    Relaxed,
    /// Factors of 11 bits, as f16 has, summed in f32: an output is within about 2^-10·Σ|a||b|. Adds cooperative
    /// matrices of factors that are rounded to f16.
    Half,
}

impl Accuracy {
    /// Every class, the most accurate first.
    pub const ALL: [Accuracy; 4] = [Accuracy::Strict, Accuracy::Standard, Accuracy::Relaxed, Accuracy::Half];

    /// `strict`, `standard`, `relaxed` or `half`.
    pub fn name(self) -> &'static str {
        match self {
            Accuracy::Strict => "strict",
            Accuracy::Standard => "standard",
            Accuracy::Relaxed => "relaxed",
            Accuracy::Half => "half",
        }
    }

    /// The class of that name.
    pub fn parse(name: &str) -> Option<Accuracy> {
        Accuracy::ALL.into_iter().find(|accuracy| accuracy.name() == name)
    }
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
