//! Separable convolutions, as the single sums that they factor.

use super::sum::{Sum, finish};
use super::window::{axes, element, indices, unflatten};
use super::{Inputs, Outcome, activations, parallel, tensor};
use crate::error::Result;
use crate::problem::{DepthwiseSeparable2d, SpatialSeparable2d};
use crate::tensor::TensorName;

/// `y[n,c,o] = Σ_{i,j} x[n, c, o·stride - padding + (i,j)·dilation] · v[c,i] · h[c,j]`.
pub(super) fn spatial_separable2d(p: &SpatialSeparable2d, inputs: &Inputs) -> Result<Outcome> {
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let out = window.map(|axis| axis.windows());
    let [out_len, in_len] = [out, p.input.to_3d(1)].map(|extents| extents.iter().product::<usize>());
    let [kh, kw] = [p.kernel[0], p.kernel[1]];
    let x = tensor(inputs, TensorName::Input, &activations(p.batch, p.channels, &p.input))?;
    let v = tensor(inputs, TensorName::WeightV, &[p.channels, kh])?;
    let h = tensor(inputs, TensorName::WeightH, &[p.channels, kw])?;

    let one = |i: usize| {
        let (plane, c, o) = (i / out_len, i / out_len % p.channels, unflatten(i % out_len, out));
        let mut sum = Sum::default();
        for tap in indices([1, kh, kw]) {
            if let Some(at) = element(&window, o, tap, p.padding_mode) {
                let weight = f64::from(v[c * kh + tap[1]]) * f64::from(h[c * kw + tap[2]]);
                sum.add_product(x[plane * in_len + at].into(), weight);
            }
        }
        sum
    };
    let sums = parallel::map(p.batch * p.channels * out_len, one)?;
    let shape = activations(p.batch, p.channels, &out[1..]);
    finish(shape, sums, &p.epilogue, &[p.channels], |i| i / out_len % p.channels, inputs)
}

/// `y[n,co,o] = Σ_m pw[co,m] · Σ_k x[n, m/multiplier, o·stride - padding + k·dilation] · dw[m,k]`.
pub(super) fn depthwise_separable2d(p: &DepthwiseSeparable2d, inputs: &Inputs) -> Result<Outcome> {
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let out = window.map(|axis| axis.windows());
    let [out_len, in_len] = [out, p.input.to_3d(1)].map(|extents| extents.iter().product::<usize>());
    let [kh, kw] = [p.kernel[0], p.kernel[1]];
    let middle = p.c_in * p.multiplier;
    let x = tensor(inputs, TensorName::Input, &activations(p.batch, p.c_in, &p.input))?;
    let dw = tensor(inputs, TensorName::WeightDw, &[middle, 1, kh, kw])?;
    let pw = tensor(inputs, TensorName::WeightPw, &[p.c_out, middle, 1, 1])?;

    let depthwise = |i: usize| {
        let (n, m, o) = (i / out_len / middle, i / out_len % middle, unflatten(i % out_len, out));
        let mut sum = Sum::default();
        for (k, tap) in indices([1, kh, kw]).enumerate() {
            if let Some(at) = element(&window, o, tap, p.padding_mode) {
                let a = x[(n * p.c_in + m / p.multiplier) * in_len + at];
                sum.add_product(a.into(), dw[m * kh * kw + k].into());
            }
        }
        sum
    };
    let stage = parallel::map(p.batch * middle * out_len, depthwise)?;

    let pointwise = |i: usize| {
        let (n, co, position) = (i / out_len / p.c_out, i / out_len % p.c_out, i % out_len);
        let mut sum = Sum::default();
        for m in 0..middle {
            let inner = &stage[(n * middle + m) * out_len + position];
            let weight = f64::from(pw[co * middle + m]);
            sum.value += weight * inner.value;
            sum.magnitude += weight.abs() * inner.magnitude;
            sum.terms += inner.terms;
        }
        // A middle channel whose taps all read zero still takes part in the second sum.
        sum.terms = sum.terms.max(middle);
        sum
    };
    let sums = parallel::map(p.batch * p.c_out * out_len, pointwise)?;
    let shape = activations(p.batch, p.c_out, &out[1..]);
    finish(shape, sums, &p.epilogue, &[p.c_out], |i| i / out_len % p.c_out, inputs)
}
