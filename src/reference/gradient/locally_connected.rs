//! Locally connected (unshared) convolution.

use super::conv::by_plane;
use super::links::links;
use crate::error::Result;
use crate::problem::{Activation, LocallyConnected2d, PaddingMode};
use crate::reference::sum::{Sum, outcome};
use crate::reference::window::{axes, element, indices, unflatten};
use crate::reference::{Inputs, Outcome, activations, tensor};
use crate::tensor::TensorName;

/// As a convolution, with weights of their own at every position: `dx[n,ci,i] = Σ_{co,o,k} g[n,co,o] · w[o,co,ci,k]`,
/// `dw[o,co,ci,k] = Σ_n g[n,co,o] · x[n,ci,i]`.
pub(super) fn locally_connected2d(
    p: &LocallyConnected2d,
    name: TensorName,
    inputs: &Inputs,
    grad: &[Sum],
) -> Result<Outcome> {
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let out = window.map(|axis| axis.windows());
    let kernel = p.kernel.to_3d(1);
    let [out_len, in_len, taps] = [out, p.input.to_3d(1), kernel].map(|extents| extents.iter().product::<usize>());
    let (c_in_group, c_out_group) = (p.c_in / p.groups, p.c_out / p.groups);
    let input_shape = activations(p.batch, p.c_in, &p.input);
    let weight_shape = [&out[1..], &[p.c_out, c_in_group], &p.kernel].concat();

    if name == TensorName::Input {
        let w = tensor(inputs, TensorName::Weight, &weight_shape)?;
        let links = links(&window, out, PaddingMode::Zeros, false)?;
        let sums = by_plane(p.batch * p.c_in, in_len, |plane_ix, plane| {
            let (n, ci) = (plane_ix / p.c_in, plane_ix % p.c_in);
            let group = ci / c_in_group;
            for co in group * c_out_group..(group + 1) * c_out_group {
                let g = &grad[(n * p.c_out + co) * out_len..][..out_len];
                for link in &links {
                    let kernel_ix = (link.window * p.c_out + co) * c_in_group + ci % c_in_group;
                    plane[link.element].add_scaled(&g[link.window], w[kernel_ix * taps + link.tap].into());
                }
            }
        })?;
        return outcome(input_shape, &sums, Activation::Identity);
    }
    let x = tensor(inputs, TensorName::Input, &input_shape)?;
    let sums = by_plane(out_len * p.c_out * c_in_group, taps, |kernel_ix, sums| {
        let (position, co) = (kernel_ix / c_in_group / p.c_out, kernel_ix / c_in_group % p.c_out);
        let ci = co / c_out_group * c_in_group + kernel_ix % c_in_group;
        for (sum, tap) in sums.iter_mut().zip(indices(kernel)) {
            let Some(at) = element(&window, unflatten(position, out), tap, PaddingMode::Zeros) else { continue };
            for n in 0..p.batch {
                let g = &grad[(n * p.c_out + co) * out_len + position];
                sum.add_scaled(g, x[(n * p.c_in + ci) * in_len + at].into());
            }
        }
    })?;
    outcome(weight_shape, &sums, Activation::Identity)
}
