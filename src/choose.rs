//! Geometry + capabilities -> algorithm, with the reason as a value.

use std::collections::BTreeMap;
use std::fmt;

use crate::capabilities::{Capabilities, KernelClass};
use crate::cost;
use crate::error::{Error, Result};
use crate::geometry::{Geometry, Window};
use crate::gpu::{broadcast_step, lower};
use crate::problem::{Gradient, PaddingMode, Problem};
use crate::tensor::{Layout, Storage, TensorName, TensorSpec};
use crate::tile::Tile;

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

    /// The least accuracy that it is good for: [`Options::accuracy`] must ask for no more.
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

/// What a plan is to do beside its problem.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// Use this algorithm or fail; `None` lets [`choose`] decide.
    pub algorithm: Option<Algorithm>,
    /// How large the rounding errors may be.
    pub accuracy: Accuracy,
    /// How the tensors lie in their buffers.
    pub storage: Storage,
    /// What an algorithm derives from the weights alone (filters of Winograd's algorithm; on CPU adapters weights in the order in
    /// which lanes load them) is kept in a buffer of the caller's
    /// ([`Plan::packed_size`](crate::gpu::Plan::packed_size)) and made by a step of its own
    /// ([`Bound::encode_packing`](crate::gpu::Bound::encode_packing)), which is to be repeated when the weights change. Off,
    /// every `encode` derives it anew.
    pub pack_weights: bool,
    /// Compile the shaders with wgpu's bounds checks and loop bounding. Off by default: sizes are validated when
    /// binding and data-dependent indices are clamped in the shader.
    pub runtime_checks: bool,
    /// Strides and starts of tensors that are not contiguous.
    pub layouts: BTreeMap<TensorName, Layout>,
    /// Read and written tensors may be ranges of one buffer. Costs the compiler the knowledge that inputs are constant.
    pub shared_buffers: bool,
    /// Tile of the matrix products on GPUs that have a choice of them, packed weights, stored columns and Winograd's algorithm;
    /// `None` lets a model decide. Other kernels have tiles of their own.
    pub tile: Option<Tile>,
    /// Most bytes of workspace; a larger batch is computed in parts, an algorithm that cannot comply does not apply.
    /// Weights that would be packed there beyond it are read as they are.
    pub workspace_limit: Option<u64>,
}

impl Options {
    /// With a forced algorithm.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// With rounding errors of a class.
    #[must_use]
    pub fn accuracy(mut self, accuracy: Accuracy) -> Self {
        self.accuracy = accuracy;
        self
    }

    /// With a tile of matrix products on GPUs.
    #[must_use]
    pub fn tile(mut self, tile: Tile) -> Self {
        self.tile = Some(tile);
        self
    }

    /// With tensors in a storage of their own.
    #[must_use]
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// With weights that are packed by a step of their own.
    #[must_use]
    pub fn pack_weights(mut self) -> Self {
        self.pack_weights = true;
        self
    }

    /// Where the elements of a tensor lie: as [`Options::layouts`] says, else contiguous.
    pub(crate) fn layout_of(&self, spec: &TensorSpec) -> Layout {
        self.layouts.get(&spec.name).cloned().unwrap_or_else(|| Layout::contiguous(&spec.shape))
    }

    /// With the layout of one tensor.
    #[must_use]
    pub fn layout(mut self, tensor: TensorName, layout: Layout) -> Self {
        self.layouts.insert(tensor, layout);
        self
    }
}

/// An algorithm and whether it can compute a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// What it does here, or why it does not apply.
    pub verdict: std::result::Result<String, String>,
    /// Bytes of workspace that it needs here; zero where it does not apply.
    pub workspace_bytes: u64,
}

/// A chosen algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Why this one.
    pub reason: String,
}

/// Every algorithm of the operation, with what it does here or why it does not apply.
pub fn candidates(geometry: &Geometry, capabilities: &Capabilities, options: &Options) -> Vec<Candidate> {
    Algorithm::of(geometry.problem())
        .iter()
        .map(|&algorithm| match lower::lower_in_parts(geometry, algorithm, capabilities, options) {
            Ok(lowered) => {
                Candidate { algorithm, verdict: Ok(lowered.describe()), workspace_bytes: lowered.workspace_bytes() }
            }
            Err(error) => Candidate { algorithm, verdict: Err(lower::reason(&error)), workspace_bytes: 0 },
        })
        .collect()
}

/// Picks the algorithm for a problem, or checks the forced one.
pub fn choose(geometry: &Geometry, capabilities: &Capabilities, options: &Options) -> Result<Choice> {
    let applies = |algorithm: Algorithm| lower::lower_in_parts(geometry, algorithm, capabilities, options).is_ok();
    if let Some(algorithm) = options.algorithm {
        if applies(algorithm) {
            return Ok(Choice { algorithm, reason: "forced".into() });
        }
        let candidates = candidates(geometry, capabilities, options);
        let applicable: Vec<&str> =
            candidates.iter().filter(|c| c.verdict.is_ok()).map(|c| c.algorithm.name()).collect();
        if applicable.is_empty() {
            return Err(refusal(geometry, algorithm, capabilities, options));
        }
        let reason = candidates
            .iter()
            .find(|c| c.algorithm == algorithm)
            .and_then(|c| c.verdict.clone().err())
            .unwrap_or_else(|| format!("{} has no such algorithm", geometry.problem().op_name()));
        return Err(Error::Algorithm { algorithm, reason, applicable: applicable.join(", ") });
    }
    // A limit of the device may refuse all that are wanted, the always-correct kernel included.
    let others = Algorithm::of(geometry.problem()).iter().filter(|algorithm| algorithm.is_deterministic());
    preferences(geometry, capabilities, options)
        .into_iter()
        .chain(others.map(|&algorithm| (algorithm, "the device's limits refuse what is usually taken")))
        .find(|(algorithm, _)| applies(*algorithm))
        .map(|(algorithm, reason)| Choice { algorithm, reason: reason.into() })
        .ok_or_else(|| refusal(geometry, Algorithm::of(geometry.problem())[0], capabilities, options))
}

/// Why not even the always-correct kernel serves.
fn refusal(geometry: &Geometry, algorithm: Algorithm, capabilities: &Capabilities, options: &Options) -> Error {
    match lower::lower_in_parts(geometry, algorithm, capabilities, options) {
        Err(error) => error,
        Ok(_) => Error::Unsupported {
            what: format!("{} by {algorithm}", geometry.problem().op_name()),
            reason: "no algorithm applies".into(),
        },
    }
}

/// Algorithms from the most to the least wanted; the always-correct one comes last and applies where no limit refuses it.
pub(crate) fn preferences(
    geometry: &Geometry,
    capabilities: &Capabilities,
    options: &Options,
) -> Vec<(Algorithm, &'static str)> {
    if let Problem::Gradient(p) = geometry.problem() {
        return gradient_preferences(p, geometry, capabilities);
    }
    let class = capabilities.class;
    let broadcasts = class == KernelClass::Cpu && broadcast_step(capabilities).is_some();
    let mut order = Vec::new();
    // Geometry gives every operation but the shuffles a window.
    let window = geometry.window();
    match geometry.problem() {
        Problem::Conv(p) => {
            let thin = window.is_some_and(|w| w.c_out_per_group() < 8 || w.c_in_per_group() * w.kernel_len() < 16);
            // With more, tiles of output channels share what they load.
            if window.is_some_and(|w| w.c_out_per_group() < 8) {
                order.push((Algorithm::Depthwise, "one input channel per group: rows slide through registers"));
            }
            match class {
                KernelClass::Cpu if broadcasts => {
                    // Measured on lavapipe 22.3, likewise below.
                    let rows = |w: &Window| w.c_in_per_group() == 1 && w.kernel[1].max(w.kernel[2]) <= 7;
                    if p.padding_mode == PaddingMode::Zeros && window.is_some_and(rows) {
                        order.push((Algorithm::Depthwise, "one input channel: strips hold the filter in registers"));
                    }
                    let mut tiles = vec![
                        (Algorithm::PointwiseGemm, "1x1: the input is the matrix"),
                        (Algorithm::RegisterTiled, "a CPU adapter: lanes load weights for each other"),
                        (Algorithm::Im2colGemm, "a CPU adapter and odd rows: columns are read four at a time"),
                    ];
                    tiles.extend(WINOGRAD);
                    order.extend(by_cost(tiles, window, capabilities, options));
                }
                KernelClass::Cpu => {
                    // Measured on lavapipe 22.3: reading four elements at a time wins from 128 output channels on, where
                    // rows of the weight and planes of the input come in fours.
                    let quads = window.is_some_and(|w| (w.c_in_per_group() * w.kernel_len()).is_multiple_of(4));
                    if quads && window.is_some_and(|w| w.output_len().is_multiple_of(4)) {
                        order.push((Algorithm::PointwiseGemm, "1x1: the input is the matrix"));
                    }
                    if quads && window.is_some_and(|w| w.c_out_per_group() >= 128) {
                        order.push((
                            Algorithm::Im2colGemm,
                            "a CPU adapter and enough output channels to pay for columns",
                        ));
                    }
                    order.push((Algorithm::PointwiseGemm, "1x1: the input is the matrix"));
                    order.push((Algorithm::RegisterTiled, "a CPU adapter: register tiles without barriers"));
                }
                KernelClass::Gpu if thin => {
                    order.push((Algorithm::RegisterTiled, "too few channels per group to fill a GEMM tile"));
                }
                KernelClass::Gpu => {
                    let mut tiles = vec![
                        (Algorithm::PointwiseGemm, "1x1: the input is the matrix"),
                        (Algorithm::ImplicitGemm, "enough channels to fill a GEMM tile"),
                        (Algorithm::SplitKGemm, "few outputs and long sums: slices fill the device"),
                        (Algorithm::PackedGemm, "enough channels to pack the weights and to sum tap by tap"),
                    ];
                    tiles.extend(WINOGRAD);
                    tiles.push((Algorithm::WinogradF2Fused, "3x3: 16 products instead of 36, without workspace"));
                    order.extend(by_cost(tiles, window, capabilities, options));
                }
            }
        }
        Problem::ConvTranspose(_) => {
            if window.is_some_and(|w| w.c_in_per_group() <= 2) {
                order.push((Algorithm::Depthwise, "one output channel per group: rows slide through registers"));
            }
            if window.is_some_and(lower::is_pointwise) {
                order.push((Algorithm::GemmCol2im, "1x1: the input is the matrix"));
            }
            let thin = |w: &Window| few_outputs([w.c_in_per_group(), w.c_out_per_group()], w.kernel_len(), broadcasts);
            if window.is_some_and(thin) {
                order.push((
                    Algorithm::GemmCol2im,
                    "few output channels: channels times taps fill a tile, channels do not",
                ));
            }
            let fills = |w: &Window| w.c_out_per_group() >= 8 && w.c_in_per_group() * w.kernel_len() >= 16;
            if class == KernelClass::Gpu && window.is_some_and(|w| fills(w) && sums_by_taps(w, w.c_in_per_group())) {
                order.push((
                    Algorithm::PackedGemm,
                    "stride 1: a convolution with the kernel turned, over packed weights",
                ));
            }
            if class == KernelClass::Gpu && window.is_some_and(fills) {
                order.push((
                    Algorithm::ImplicitGemm,
                    "a dense matrix product per residue modulo the stride, in one dispatch",
                ));
            }
            order.push((
                Algorithm::Phases,
                "one dense convolution per residue modulo the stride, no zero is multiplied",
            ));
        }
        Problem::DeformConv2d(p) => {
            let long = |w: &Window| {
                // Channels that share a sampling point.
                let channels = w.c_in_per_group().min(w.c_in / p.offset_groups);
                let covered = channels.next_multiple_of(8);
                w.c_out_per_group() >= 8 && 4 * covered <= 5 * channels
            };
            // Measured on lavapipe 22.3: with more output channels samples are taken more than once, with fewer input channels
            // to a point it is found too often.
            let fits = |w: &Window| long(w) && w.c_out_per_group() <= 128 && w.c_in / p.offset_groups >= 32;
            if class == KernelClass::Cpu && broadcasts && window.is_some_and(fits) {
                order.push((Algorithm::ImplicitGemm, "a CPU adapter: a tile of all output channels, no columns"));
            }
            // Measured on an H200: every tile of a fused product samples anew, and waits for corners.
            order.push((Algorithm::Im2colGemm, "each point is sampled once for all output channels"));
            if class == KernelClass::Gpu && window.is_some_and(long) {
                order
                    .push((Algorithm::ImplicitGemm, "there is no room for columns: samples go straight into the tile"));
            }
        }
        Problem::SpatialSeparable2d(_) if window.is_some_and(|w| w.kernel[1] * w.kernel[2] > 9) => {
            order.push((Algorithm::TwoPass, "kh + kw instead of kh * kw loads per output"));
        }
        Problem::DepthwiseSeparable2d(_) => {
            order.push((Algorithm::DepthwiseGemm, "each stage by its own fast kernel"));
        }
        // As many planes as fill a device keep it busy without a tree.
        Problem::Pool(p) if class == KernelClass::Gpu && p.batch * p.channels < MANY_PLANES => {
            order.push((Algorithm::TreeReduce, "one window: a workgroup reduces each plane"));
        }
        _ => {}
    }
    order.push((Algorithm::Direct, "the kernel that takes any geometry"));
    order
}

/// Planes that keep a big GPU busy with an invocation each, measured on an H200.
const MANY_PLANES: usize = 1 << 14;

/// What Winograd's algorithm is chosen for.
const WINOGRAD: [(Algorithm, &str); 2] = [
    (Algorithm::WinogradF2, "3x3: 16 products instead of 36 outweigh the transforms"),
    (Algorithm::WinogradF4, "3x3 and relaxed accuracy: 36 products instead of 144 outweigh the transforms"),
];

/// Algorithms by what they cost, the cheapest first; those without a model come last, as they are. Winograd's and columns must
/// be clearly cheaper than a plain sum: models err, and they take workspace.
fn by_cost(
    algorithms: Vec<(Algorithm, &'static str)>,
    window: Option<&Window>,
    capabilities: &Capabilities,
    options: &Options,
) -> Vec<(Algorithm, &'static str)> {
    const CLEARLY: f64 = 0.85;
    let cost = |algorithm: Algorithm| {
        let cost = window.and_then(|w| cost::conv(w, algorithm, capabilities, options)).unwrap_or(f64::MAX);
        let plain = algorithm.accuracy() == Accuracy::Strict && algorithm != Algorithm::Im2colGemm;
        if plain { CLEARLY * cost } else { cost }
    };
    let mut priced: Vec<_> = algorithms.into_iter().map(|(name, reason)| (cost(name), name, reason)).collect();
    priced.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
    priced.into_iter().map(|(_, algorithm, reason)| (algorithm, reason)).collect()
}

/// Whether a transposed window has so few output channels that a matrix product of channels times taps fills tiles better,
/// columns and all. Where lanes load for each other, a sum over few input channels does not pay for them.
fn few_outputs([inputs, outputs]: [usize; 2], n_taps: usize, broadcasts: bool) -> bool {
    outputs < 8 && n_taps > 1 && (inputs >= 16 || !broadcasts)
}

/// Whether a transposed window with stride 1 has channels enough for a sum tap by tap, whose panels each have one tap.
fn sums_by_taps(w: &Window, channels: usize) -> bool {
    w.stride == [1; 3] && channels >= 16
}

/// As `preferences`, for a backward pass.
fn gradient_preferences(
    p: &Gradient,
    geometry: &Geometry,
    capabilities: &Capabilities,
) -> Vec<(Algorithm, &'static str)> {
    let mut order = Vec::new();
    let class = capabilities.class;
    let broadcasts = class == KernelClass::Cpu && broadcast_step(capabilities).is_some();
    match &*p.of {
        Problem::Conv(_) => {
            let thin = |w: &Window| few_outputs([w.c_out_per_group(), w.c_in_per_group()], w.kernel_len(), broadcasts);
            if geometry.window().is_some_and(|w| w.c_out_per_group() <= 2) {
                order.push((Algorithm::Depthwise, "one input channel per group: rows slide through registers"));
            }
            if geometry.window().is_some_and(lower::is_pointwise) {
                order.push((Algorithm::GemmCol2im, "1x1: grad_output is the matrix"));
            }
            if geometry.window().is_some_and(thin) {
                order.push((
                    Algorithm::GemmCol2im,
                    "few input channels: channels times taps fill a tile, channels do not",
                ));
            }
            let fills = |w: &Window| w.c_in_per_group() >= 8 && w.c_out_per_group() * w.kernel_len() >= 16;
            if class == KernelClass::Gpu
                && geometry.window().is_some_and(|w| fills(w) && sums_by_taps(w, w.c_out_per_group()))
            {
                order.push((Algorithm::PackedGemm, "stride 1: grad_input sums tap by tap over packed weights"));
            }
            if class == KernelClass::Gpu && geometry.window().is_some_and(fills) {
                order.push((Algorithm::ImplicitGemm, "both gradients are matrix products, columns are gathered"));
            }
            order.push((Algorithm::Phases, "grad_input by one dense convolution per residue modulo the stride"));
            order.push((Algorithm::SplitKGemm, "grad_weight as a matrix product, its sum in slices"));
        }
        Problem::ConvTranspose(_) => {
            let thin = geometry.window().is_some_and(|w| w.c_in_per_group() < 8);
            // grad_input is a convolution from the layer's output channels to its input channels.
            if !broadcasts || thin {
                order.push((Algorithm::Depthwise, "one output channel per group: rows slide through registers"));
            }
            if class == KernelClass::Gpu && !thin {
                order.push((Algorithm::PointwiseGemm, "1x1: grad_output is the matrix"));
                order.push((Algorithm::ImplicitGemm, "grad_input is a convolution with enough channels for a GEMM"));
            }
            order.push((Algorithm::RegisterTiled, "grad_input is a convolution: register tiles"));
            order.push((Algorithm::SplitKGemm, "grad_weight as a matrix product, its sum in slices"));
        }
        Problem::DeformConv2d(_) => {
            return vec![(Algorithm::SortedGather, "the same bits every time; sampling points sorted by cell")];
        }
        Problem::SpatialSeparable2d(_) => order.push((Algorithm::TwoPass, "each pass by the depthwise kernels")),
        Problem::DepthwiseSeparable2d(_) => order.push((Algorithm::DepthwiseGemm, "each stage by its own fast kernel")),
        _ => {}
    }
    order.push((Algorithm::Direct, "the kernels that take any geometry"));
    order
}
