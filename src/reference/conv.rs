//! Convolution.

use super::sum::{Sum, finish};
use super::window::{axes, element, indices, kernel_tap, unflatten};
use super::{Inputs, Outcome, activations, cooperative, parallel, tensor, winograd};
use crate::algorithm::Algorithm;
use crate::error::Result;
use crate::problem::Conv;
use crate::tensor::TensorName;

/// The bounds are those of any plain sum, or of the algorithm where it is no plain sum.
///
/// `y[n,co,o] = Σ_{ci,k} x[n, g·C + ci, o·stride - padding + k·dilation] · w[co,ci,k]`, C input channels per group.
pub(super) fn conv(p: &Conv, inputs: &Inputs, algorithm: Option<Algorithm>) -> Result<Outcome> {
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let out = window.map(|axis| axis.windows());
    let kernel = p.kernel.to_3d(1);
    let [out_len, in_len, taps] = [out, p.input.to_3d(1), kernel].map(|extents| extents.iter().product::<usize>());
    let (c_in_group, c_out_group) = (p.c_in / p.groups, p.c_out / p.groups);
    let x = tensor(inputs, TensorName::Input, &activations(p.batch, p.c_in, &p.input))?;
    let w = tensor(inputs, TensorName::Weight, &activations(p.c_out, c_in_group, &p.kernel))?;

    let one = |i: usize| {
        let (n, co, o) = (i / out_len / p.c_out, i / out_len % p.c_out, unflatten(i % out_len, out));
        let first_channel = co / c_out_group * c_in_group;
        let mut sum = Sum::default();
        for tap in indices(kernel) {
            let Some(at) = element(&window, o, tap, p.padding_mode) else { continue };
            let w_tap = kernel_tap(tap, kernel, p.flip_kernel);
            for ci in 0..c_in_group {
                let a = x[(n * p.c_in + first_channel + ci) * in_len + at];
                let b = w[(co * c_in_group + ci) * taps + w_tap];
                sum.add_product(a.into(), b.into());
            }
        }
        sum
    };
    let mut sums: Vec<Sum> = parallel::map(p.batch * p.c_out * out_len, one)?;
    match algorithm {
        Some(Algorithm::WinogradF2 | Algorithm::WinogradF2Fused) => winograd::widen(p, 2, inputs, &mut sums)?,
        Some(Algorithm::WinogradF4) => winograd::widen(p, 4, inputs, &mut sums)?,
        Some(Algorithm::CooperativeGemm) => cooperative::widen(p, true, inputs, &mut sums)?,
        Some(Algorithm::CooperativeGemmF16 | Algorithm::CooperativePackedF16) => {
            cooperative::widen(p, false, inputs, &mut sums)?
        }
        _ => {}
    }
    let shape = activations(p.batch, p.c_out, &out[3 - p.input.rank()..]);
    finish(shape, sums, &p.epilogue, &[p.c_out], |i| i / out_len % p.c_out, inputs)
}
