//! Convolution and transposed convolution.

use super::links::links;
use crate::error::Result;
use crate::memory;
use crate::problem::{Activation, Conv, ConvTranspose, PaddingMode};
use crate::reference::sum::{Sum, outcome};
use crate::reference::window::{Axis, axes};
use crate::reference::{Inputs, Outcome, activations, parallel, tensor};
use crate::tensor::TensorName;

/// With g the gradient of the output, over the products of `y[n,co,o] = Σ x[n,ci,i] · w[co,ci,k]`:
/// `dx[n,ci,i] = Σ_{co,o,k} g[n,co,o] · w[co,ci,k]` and `dw[co,ci,k] = Σ_{n,o} g[n,co,o] · x[n,ci,i]`.
pub(super) fn conv(p: &Conv, name: TensorName, inputs: &Inputs, grad: &[Sum]) -> Result<Outcome> {
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let out = window.map(|axis| axis.windows());
    let [out_len, in_len, taps] =
        [out, p.input.to_3d(1), p.kernel.to_3d(1)].map(|extents| extents.iter().product::<usize>());
    let (c_in_group, c_out_group) = (p.c_in / p.groups, p.c_out / p.groups);
    let links = links(&window, out, p.padding_mode, p.flip_kernel)?;
    let input_shape = activations(p.batch, p.c_in, &p.input);
    let weight_shape = activations(p.c_out, c_in_group, &p.kernel);

    if name == TensorName::Input {
        let w = tensor(inputs, TensorName::Weight, &weight_shape)?;
        let sums = by_plane(p.batch * p.c_in, in_len, |plane_ix, plane| {
            let (n, ci) = (plane_ix / p.c_in, plane_ix % p.c_in);
            let group = ci / c_in_group;
            for co in group * c_out_group..(group + 1) * c_out_group {
                let g = &grad[(n * p.c_out + co) * out_len..][..out_len];
                let w = &w[(co * c_in_group + ci % c_in_group) * taps..][..taps];
                for link in &links {
                    plane[link.element].add_scaled(&g[link.window], w[link.tap].into());
                }
            }
        })?;
        return outcome(input_shape, &sums, Activation::Identity);
    }
    let x = tensor(inputs, TensorName::Input, &input_shape)?;
    let sums = by_plane(p.c_out * c_in_group, taps, |kernel_ix, kernel| {
        let (co, ci_in_group) = (kernel_ix / c_in_group, kernel_ix % c_in_group);
        let ci = co / c_out_group * c_in_group + ci_in_group;
        for n in 0..p.batch {
            let g = &grad[(n * p.c_out + co) * out_len..][..out_len];
            let x = &x[(n * p.c_in + ci) * in_len..][..in_len];
            for link in &links {
                kernel[link.tap].add_scaled(&g[link.window], x[link.element].into());
            }
        }
    })?;
    outcome(weight_shape, &sums, Activation::Identity)
}

/// Extents of the output, counted as the positions that are written to.
pub(super) fn transposed_extents(p: &ConvTranspose) -> [usize; 3] {
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let extra = p.output_padding.to_3d(0);
    [0, 1, 2].map(|a| window[a].scattered() + extra[a] - window[a].begin - window[a].end)
}

/// With g the gradient of the output, over the products of `y[n,co,o] += x[n,ci,i] · w[ci,co,k]`:
/// `dx[n,ci,i] = Σ_{co,k} g[n,co,o] · w[ci,co,k]` and `dw[ci,co,k] = Σ_{n,i} g[n,co,o] · x[n,ci,i]`.
pub(super) fn conv_transpose(p: &ConvTranspose, name: TensorName, inputs: &Inputs, grad: &[Sum]) -> Result<Outcome> {
    let out = transposed_extents(p);
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    // Every input is a window over the output.
    let over_output = [0, 1, 2].map(|a| Axis { input: out[a], ..window[a] });
    let links = links(&over_output, p.input.to_3d(1), PaddingMode::Zeros, p.flip_kernel)?;
    let [out_len, in_len, taps] =
        [out, p.input.to_3d(1), p.kernel.to_3d(1)].map(|extents| extents.iter().product::<usize>());
    let (c_in_group, c_out_group) = (p.c_in / p.groups, p.c_out / p.groups);
    let input_shape = activations(p.batch, p.c_in, &p.input);
    let weight_shape = activations(p.c_in, c_out_group, &p.kernel);

    if name == TensorName::Input {
        let w = tensor(inputs, TensorName::Weight, &weight_shape)?;
        let sums = by_plane(p.batch * p.c_in, in_len, |plane_ix, plane| {
            let (n, ci) = (plane_ix / p.c_in, plane_ix % p.c_in);
            for co_in_group in 0..c_out_group {
                let co = ci / c_in_group * c_out_group + co_in_group;
                let g = &grad[(n * p.c_out + co) * out_len..][..out_len];
                let w = &w[(ci * c_out_group + co_in_group) * taps..][..taps];
                for link in &links {
                    plane[link.window].add_scaled(&g[link.element], w[link.tap].into());
                }
            }
        })?;
        return outcome(input_shape, &sums, Activation::Identity);
    }
    let x = tensor(inputs, TensorName::Input, &input_shape)?;
    let sums = by_plane(p.c_in * c_out_group, taps, |kernel_ix, kernel| {
        let (ci, co_in_group) = (kernel_ix / c_out_group, kernel_ix % c_out_group);
        let co = ci / c_in_group * c_out_group + co_in_group;
        for n in 0..p.batch {
            let g = &grad[(n * p.c_out + co) * out_len..][..out_len];
            let x = &x[(n * p.c_in + ci) * in_len..][..in_len];
            for link in &links {
                kernel[link.tap].add_scaled(&g[link.element], x[link.window].into());
            }
        }
    })?;
    outcome(weight_shape, &sums, Activation::Identity)
}

/// `planes` planes of `len` sums, each filled on its own.
pub(super) fn by_plane(planes: usize, len: usize, fill: impl Fn(usize, &mut [Sum]) + Sync) -> Result<Vec<Sum>> {
    let mut sums = memory::filled(parallel::WHAT, planes * len, Sum::default())?;
    parallel::chunks(&mut sums, len, fill);
    Ok(sums)
}
