//! Transposed convolution, as the scatter that defines it.

use super::sum::{Sum, finish};
use super::window::{axes, flatten, indices, kernel_tap};
use super::{Inputs, Outcome, activations, parallel, tensor};
use crate::error::Result;
use crate::memory;
use crate::problem::ConvTranspose;
use crate::tensor::TensorName;

/// `y[n,co,i·stride - padding + k·dilation] += x[n,ci,i] · w[ci, co mod C, k]` for the input channels ci of co's
/// group, C output channels per group. Every output plane is filled on its own.
pub(super) fn conv_transpose(p: &ConvTranspose, inputs: &Inputs) -> Result<Outcome> {
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let extra = p.output_padding.to_3d(0);
    let out = [0, 1, 2].map(|a| window[a].scattered() + extra[a] - window[a].begin - window[a].end);
    let (input, kernel) = (p.input.to_3d(1), p.kernel.to_3d(1));
    let [out_len, in_len, taps] = [out, input, kernel].map(|extents| extents.iter().product::<usize>());
    let (c_in_group, c_out_group) = (p.c_in / p.groups, p.c_out / p.groups);
    let x = tensor(inputs, TensorName::Input, &activations(p.batch, p.c_in, &p.input))?;
    let w = tensor(inputs, TensorName::Weight, &activations(p.c_in, c_out_group, &p.kernel))?;

    let target = |i: [usize; 3], tap: [usize; 3]| {
        let mut at = [0; 3];
        for a in 0..3 {
            let position = window[a].position(i[a], tap[a]);
            at[a] = usize::try_from(position).ok().filter(|&position| position < out[a])?;
        }
        Some(flatten(at, out))
    };
    let mut sums = memory::filled(parallel::WHAT, p.batch * p.c_out * out_len, Sum::default())?;
    parallel::chunks(&mut sums, out_len, |plane_ix, plane| {
        let (n, co) = (plane_ix / p.c_out, plane_ix % p.c_out);
        let (group, co_in_group) = (co / c_out_group, co % c_out_group);
        for (i_flat, i) in indices(input).enumerate() {
            for tap in indices(kernel) {
                let Some(at) = target(i, tap) else { continue };
                let w_tap = kernel_tap(tap, kernel, p.flip_kernel);
                for ci in group * c_in_group..(group + 1) * c_in_group {
                    let a = x[(n * p.c_in + ci) * in_len + i_flat];
                    let b = w[(ci * c_out_group + co_in_group) * taps + w_tap];
                    plane[at].add_product(a.into(), b.into());
                }
            }
        }
    });
    let shape = activations(p.batch, p.c_out, &out[3 - p.input.rank()..]);
    finish(shape, sums, &p.epilogue, &[p.c_out], |i| i / out_len % p.c_out, inputs)
}
