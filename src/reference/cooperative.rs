//! What products of factors in f16 may err by: their roundings, and what scaling loses.

use half::f16;

use super::sum::{Sum, U, gamma};
use super::window::{axes, element, indices, kernel_tap, unflatten};
use super::{Inputs, activations, parallel, tensor};
use crate::error::Result;
use crate::problem::Conv;
use crate::tensor::TensorName;

/// What is left of a factor may differ from it by this much of it, and by this much of the largest factor of its panel.
struct Factor {
    relative: f64,
    floor: f64,
}

/// high + low / 2^11: what high leaves, at most 2^12 units in the last place of f32, loses one unit. A part below 2^-14
/// is dropped, the low one counts 2^-11 of that, and the largest factor is at least 2^14.
const SPLIT: Factor = Factor { relative: 2.0 * U, floor: 1.0 / (1_u64 << 39) as f64 };
/// 11 bits, rounded; what is below 2^-14 is dropped.
const SINGLE: Factor = Factor { relative: 8192.0 * U, floor: 1.0 / (1_u64 << 28) as f64 };
/// What f16 holds is one part as it is, but for the smallest.
const HALF: Factor = Factor { relative: 0.0, ..SINGLE };

/// Channels of a panel; a panel is one multiply-add of matrices, or two.
const PANEL: usize = 16;
/// Roundings of a product beside those of the sum over panels: sixteen of its panel, in a multiply-add each within one
/// unit in the last place, that is two roundings; those of the low products, 2^-11 times; their sum; bias, residual and
/// two to spare.
const ROUNDINGS: usize = 2 * PANEL + 1 + 1 + 4;

/// Adds to every sum of a convolution what cooperative matrices may err by on top of it. For factors a and b with the
/// largest ones A and B,
///
/// - a product errs by (2δ + δ²)|a||b| for the relative part δ of its factors, and by |a||b|·2^-22 where the product of
///   both low parts is left out;
/// - by φ(A|b| + B|a|) + φ²AB for what is dropped, φ of the largest one;
/// - what f16 holds anyway has no such parts;
/// - the sum by γ of its roundings: two for each panel, as matrices of 8 are added twice, and [`ROUNDINGS`]; where the sum may
///   stay in the unit, as that of factors of one part does, two for each product instead.
pub(super) fn widen(p: &Conv, split: bool, inputs: &Inputs, sums: &mut [Sum]) -> Result<()> {
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let out = window.map(|axis| axis.windows());
    let kernel = p.kernel.to_3d(1);
    let [out_len, in_len, taps] = [out, p.input.to_3d(1), kernel].map(|extents| extents.iter().product::<usize>());
    let (c_in_group, c_out_group) = (p.c_in / p.groups, p.c_out / p.groups);
    let x = tensor(inputs, TensorName::Input, &activations(p.batch, p.c_in, &p.input))?;
    let w = tensor(inputs, TensorName::Weight, &activations(p.c_out, c_in_group, &p.kernel))?;
    let largest =
        |data: &[f32]| data.iter().filter(|x| x.is_finite()).fold(0.0_f64, |max, &x| max.max(f64::from(x).abs()));
    let (largest_x, largest_w) = (largest(x), largest(w));

    let narrow = x.iter().chain(w).all(|&value| f16::from_f32(value).to_f32() == value);
    let (factor, left_out) = match (split, narrow) {
        (_, true) => (HALF, 0.0),
        (true, false) => (SPLIT, 4.0 * U),
        (false, false) => (SINGLE, 0.0),
    };
    let of_product = 2.0 * factor.relative + factor.relative.powi(2) + left_out;
    // What is dropped of a factor meets another that errs, too.
    let floor = factor.floor * (1.0 + factor.relative);
    let n_products = c_in_group * taps;
    let panels = c_in_group.div_ceil(PANEL) * taps;

    let widen_one = |i: usize, sum: &mut Sum| {
        let (n, co, o) = (i / out_len / p.c_out, i / out_len % p.c_out, unflatten(i % out_len, out));
        let first_channel = co / c_out_group * c_in_group;
        let (mut inputs, mut weights) = (0.0, 0.0);
        for tap in indices(kernel) {
            // Zeros of the padding are exact.
            let Some(at) = element(&window, o, tap, p.padding_mode) else { continue };
            let w_tap = kernel_tap(tap, kernel, p.flip_kernel);
            for ci in 0..c_in_group {
                inputs += f64::from(x[(n * p.c_in + first_channel + ci) * in_len + at]).abs();
                weights += f64::from(w[(co * c_in_group + ci) * taps + w_tap]).abs();
            }
        }
        let dropped = floor * (largest_w * inputs + largest_x * weights)
            + n_products as f64 * floor * floor * largest_w * largest_x;
        let of_products = of_product * sum.magnitude;
        // The sum is bounded by a rounding for every product already.
        let additions = if split { 2 * panels } else { 2 * n_products };
        let roundings = ROUNDINGS + additions.saturating_sub(sum.terms);
        sum.slack += of_products + dropped + gamma(roundings) * (sum.magnitude + of_products + dropped);
    };
    parallel::chunks(sums, 64, |share, sums| {
        sums.iter_mut().enumerate().for_each(|(i, sum)| widen_one(64 * share + i, sum));
    });
    Ok(())
}
