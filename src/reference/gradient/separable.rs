//! Separable convolutions.

use super::conv::by_plane;
use super::links::{Link, links};
use crate::error::Result;
use crate::problem::{Activation, DepthwiseSeparable2d, SpatialSeparable2d};
use crate::reference::sum::{Sum, outcome};
use crate::reference::window::axes;
use crate::reference::{Inputs, Outcome, activations, parallel, tensor};
use crate::tensor::TensorName;

/// Over the products of `y[n,c,o] = Σ x[n,c,i] · v[c,k] · h[c,l]`: every factor's gradient is the sum of g times the
/// two others.
pub(super) fn spatial_separable2d(
    p: &SpatialSeparable2d,
    name: TensorName,
    inputs: &Inputs,
    grad: &[Sum],
) -> Result<Outcome> {
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let out = window.map(|axis| axis.windows());
    let links = links(&window, out, p.padding_mode, false)?;
    let [out_len, in_len] = [out, p.input.to_3d(1)].map(|extents| extents.iter().product::<usize>());
    let [kh, kw] = [p.kernel[0], p.kernel[1]];
    let input_shape = activations(p.batch, p.channels, &p.input);
    let input = || tensor(inputs, TensorName::Input, &input_shape);
    let v = || tensor(inputs, TensorName::WeightV, &[p.channels, kh]);
    let h = || tensor(inputs, TensorName::WeightH, &[p.channels, kw]);

    if name == TensorName::Input {
        let (v, h) = (v()?, h()?);
        let sums = by_plane(p.batch * p.channels, in_len, |plane_ix, plane| {
            let (g, c) = (&grad[plane_ix * out_len..][..out_len], plane_ix % p.channels);
            for &Link { window, element, tap } in &links {
                let weight = f64::from(v[c * kh + tap / kw]) * f64::from(h[c * kw + tap % kw]);
                plane[element].add_scaled(&g[window], weight);
            }
        })?;
        return outcome(input_shape, &sums, Activation::Identity);
    }
    // The factor that is differentiated, the other one, and the taps of a product in both.
    let vertical = name == TensorName::WeightV;
    let (taps, other_taps, other) = if vertical { (kh, kw, h()?) } else { (kw, kh, v()?) };
    let x = input()?;
    let sums = by_plane(p.channels, taps, |c, factor| {
        for n in 0..p.batch {
            let plane_ix = n * p.channels + c;
            let (g, x) = (&grad[plane_ix * out_len..][..out_len], &x[plane_ix * in_len..][..in_len]);
            for &Link { window, element, tap } in &links {
                let (own, across) = if vertical { (tap / kw, tap % kw) } else { (tap % kw, tap / kw) };
                let rest = f64::from(x[element]) * f64::from(other[c * other_taps + across]);
                factor[own].add_scaled(&g[window], rest);
            }
        }
    })?;
    outcome(vec![p.channels, taps], &sums, Activation::Identity)
}

/// Over the products of `y[n,co,o] = Σ_m pw[co,m] · z[n,m,o]` with `z[n,m,o] = Σ_k x[n, m/multiplier, i] · dw[m,k]`:
/// `dpw[co,m] = Σ_{n,o} g[n,co,o] · z[n,m,o]`, and with `dz[n,m,o] = Σ_co g[n,co,o] · pw[co,m]` the gradients of the
/// depthwise stage.
pub(super) fn depthwise_separable2d(
    p: &DepthwiseSeparable2d,
    name: TensorName,
    inputs: &Inputs,
    grad: &[Sum],
) -> Result<Outcome> {
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let out = window.map(|axis| axis.windows());
    let links = links(&window, out, p.padding_mode, false)?;
    let [out_len, in_len] = [out, p.input.to_3d(1)].map(|extents| extents.iter().product::<usize>());
    let taps = p.kernel[0] * p.kernel[1];
    let middle = p.c_in * p.multiplier;
    let input_shape = activations(p.batch, p.c_in, &p.input);
    let dw_shape = [middle, 1, p.kernel[0], p.kernel[1]];
    let pw_shape = [p.c_out, middle, 1, 1];
    let input = || tensor(inputs, TensorName::Input, &input_shape);
    let dw = || tensor(inputs, TensorName::WeightDw, &dw_shape);

    if name == TensorName::WeightPw {
        let (x, dw) = (input()?, dw()?);
        let stage = by_plane(p.batch * middle, out_len, |plane_ix, plane| {
            let (n, m) = (plane_ix / middle, plane_ix % middle);
            let x = &x[(n * p.c_in + m / p.multiplier) * in_len..][..in_len];
            for &Link { window, element, tap } in &links {
                plane[window].add_product(x[element].into(), dw[m * taps + tap].into());
            }
        })?;
        let one = |i: usize| {
            let (co, m) = (i / middle, i % middle);
            let mut sum = Sum::default();
            for n in 0..p.batch {
                for position in 0..out_len {
                    let z = &stage[(n * middle + m) * out_len + position];
                    sum.add_product_of_sums(&grad[(n * p.c_out + co) * out_len + position], z);
                }
            }
            sum
        };
        let sums = parallel::map(p.c_out * middle, one)?;
        return outcome(pw_shape.to_vec(), &sums, Activation::Identity);
    }

    let pw = tensor(inputs, TensorName::WeightPw, &pw_shape)?;
    let grad_stage = by_plane(p.batch * middle, out_len, |plane_ix, plane| {
        let (n, m) = (plane_ix / middle, plane_ix % middle);
        for co in 0..p.c_out {
            for (sum, g) in plane.iter_mut().zip(&grad[(n * p.c_out + co) * out_len..][..out_len]) {
                sum.add_scaled(g, pw[co * middle + m].into());
            }
        }
    })?;
    if name == TensorName::WeightDw {
        let x = input()?;
        let sums = by_plane(middle, taps, |m, kernel| {
            for n in 0..p.batch {
                let g = &grad_stage[(n * middle + m) * out_len..][..out_len];
                let x = &x[(n * p.c_in + m / p.multiplier) * in_len..][..in_len];
                for &Link { window, element, tap } in &links {
                    kernel[tap].add_scaled(&g[window], x[element].into());
                }
            }
        })?;
        return outcome(dw_shape.to_vec(), &sums, Activation::Identity);
    }
    let dw = dw()?;
    let sums = by_plane(p.batch * p.c_in, in_len, |plane_ix, plane| {
        let (n, ci) = (plane_ix / p.c_in, plane_ix % p.c_in);
        for m in ci * p.multiplier..(ci + 1) * p.multiplier {
            let g = &grad_stage[(n * middle + m) * out_len..][..out_len];
            for &Link { window, element, tap } in &links {
                plane[element].add_scaled(&g[window], dw[m * taps + tap].into());
            }
        }
    })?;
    outcome(input_shape, &sums, Activation::Identity)
}
