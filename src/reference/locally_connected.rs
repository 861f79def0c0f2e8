//! Locally connected (unshared) convolution.

use super::sum::{Sum, finish};
use super::window::{axes, element, indices, kernel_tap, unflatten};
use super::{Inputs, Outcome, activations, parallel, tensor};
use crate::error::Result;
use crate::problem::{LocallyConnected2d, PaddingMode};
use crate::tensor::TensorName;

/// `y[n,co,o] = Σ_{ci,k} x[n, g·C + ci, o·stride - padding + k·dilation] · w[o,co,ci,k]`, C input channels per group.
pub(super) fn locally_connected2d(p: &LocallyConnected2d, inputs: &Inputs) -> Result<Outcome> {
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let out = window.map(|axis| axis.windows());
    let kernel = p.kernel.to_3d(1);
    let [out_len, in_len, taps] = [out, p.input.to_3d(1), kernel].map(|extents| extents.iter().product::<usize>());
    let (c_in_group, c_out_group) = (p.c_in / p.groups, p.c_out / p.groups);
    let x = tensor(inputs, TensorName::Input, &activations(p.batch, p.c_in, &p.input))?;
    let w_shape = [&out[1..], &[p.c_out, c_in_group], &p.kernel].concat();
    let w = tensor(inputs, TensorName::Weight, &w_shape)?;

    let one = |i: usize| {
        let (n, co, position) = (i / out_len / p.c_out, i / out_len % p.c_out, i % out_len);
        let mut sum = Sum::default();
        for tap in indices(kernel) {
            let Some(at) = element(&window, unflatten(position, out), tap, PaddingMode::Zeros) else { continue };
            for ci in 0..c_in_group {
                let a = x[(n * p.c_in + co / c_out_group * c_in_group + ci) * in_len + at];
                let b = w[((position * p.c_out + co) * c_in_group + ci) * taps + kernel_tap(tap, kernel, false)];
                sum.add_product(a.into(), b.into());
            }
        }
        sum
    };
    let sums = parallel::map(p.batch * p.c_out * out_len, one)?;
    let shape = activations(p.batch, p.c_out, &out[1..]);
    let bias_shape = [&[p.c_out], &out[1..]].concat();
    finish(shape, sums, &p.epilogue, &bias_shape, |i| i % (p.c_out * out_len), inputs)
}
