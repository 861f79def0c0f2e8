//! Which algorithms are wanted for a problem on a device, in which order, and why: rules, and models of cost where tiles compete.

use crate::algorithm::{Accuracy, Algorithm};
use crate::capabilities::{Capabilities, KernelClass};
use crate::cost;
use crate::geometry::{Geometry, Window};
use crate::kernels::task::broadcast_step;
use crate::options::Options;
use crate::problem::{Gradient, PaddingMode, Problem};

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
                        (Algorithm::RegisterTiled, "a CPU adapter: lanes share weight loads by subgroup broadcast"),
                        (Algorithm::Im2colGemm, "a CPU adapter and odd rows: columns are read four at a time"),
                    ];
                    tiles.extend(WINOGRAD);
                    order.extend(by_cost(tiles, window, capabilities, options));
                }
                KernelClass::Cpu => {
                    // Measured on lavapipe 22.3: reading four elements at a time wins from 128 output channels on, where
                    // rows of the weight and planes of the input come in fours.
                    let vec4s = window.is_some_and(|w| (w.c_in_per_group() * w.kernel_len()).is_multiple_of(4));
                    if vec4s && window.is_some_and(|w| w.output_len().is_multiple_of(4)) {
                        order.push((Algorithm::PointwiseGemm, "1x1: the input is the matrix"));
                    }
                    if vec4s && window.is_some_and(|w| w.c_out_per_group() >= 128) {
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
            if window.is_some_and(Window::is_pointwise) {
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
/// columns and all. Where lanes share loads by subgroup broadcast, a sum over few input channels does not pay for them.
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
            if geometry.window().is_some_and(Window::is_pointwise) {
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
