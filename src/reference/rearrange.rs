//! Operations that move elements, and the sum that undoes one of them.

use super::sum::{Sum, outcome};
use super::window::{axes, element, indices, unflatten};
use super::{Inputs, Outcome, activations, parallel, tensor};
use crate::error::Result;
use crate::memory;
use crate::problem::{Activation, Col2im, DepthToSpace, Im2col, PaddingMode, ShuffleOrder, SpaceToDepth};
use crate::tensor::TensorName;

/// The channel that holds pixel (i, j) of the blocks of channel `c` of `channels`.
pub(super) fn block_channel(order: ShuffleOrder, block: usize, channels: usize, [c, i, j]: [usize; 3]) -> usize {
    match order {
        ShuffleOrder::Crd => (c * block + i) * block + j,
        ShuffleOrder::Dcr => (i * block + j) * channels + c,
    }
}

/// `y[n, c, y·r + i, x·r + j] = x[n, block_channel(c, i, j), y, x]`
pub(super) fn depth_to_space(p: &DepthToSpace, inputs: &Inputs) -> Result<Outcome> {
    let x = tensor(inputs, TensorName::Input, &activations(p.batch, p.channels, &p.input))?;
    let (r, [h, w]) = (p.block, [p.input[0], p.input[1]]);
    let channels = p.channels / (r * r);
    let mut output = memory::with_room(parallel::WHAT, x.len())?;
    for n in 0..p.batch {
        for [c, oy, ox] in indices([channels, h * r, w * r]) {
            let from = block_channel(p.order, r, channels, [c, oy % r, ox % r]);
            output.push(f64::from(x[((n * p.channels + from) * h + oy / r) * w + ox / r]));
        }
    }
    Outcome::copied(vec![p.batch, channels, h * r, w * r], output)
}

/// The inverse: `y[n, block_channel(c, i, j), y, x] = x[n, c, y·r + i, x·r + j]`
pub(super) fn space_to_depth(p: &SpaceToDepth, inputs: &Inputs) -> Result<Outcome> {
    let x = tensor(inputs, TensorName::Input, &activations(p.batch, p.channels, &p.input))?;
    let (r, [h, w]) = (p.block, [p.input[0], p.input[1]]);
    let (oh, ow, c_out) = (h / r, w / r, p.channels * r * r);
    let mut output = memory::filled(parallel::WHAT, x.len(), 0.0)?;
    for n in 0..p.batch {
        for [c, iy, ix] in indices([p.channels, h, w]) {
            let to = block_channel(p.order, r, p.channels, [c, iy % r, ix % r]);
            output[((n * c_out + to) * oh + iy / r) * ow + ix / r] = x[((n * p.channels + c) * h + iy) * w + ix].into();
        }
    }
    Outcome::copied(vec![p.batch, c_out, oh, ow], output)
}

/// `y[n, c·K + k, o] = x[n, c, o·stride - padding + k·dilation]` with K taps.
pub(super) fn im2col(p: &Im2col, inputs: &Inputs) -> Result<Outcome> {
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let out = window.map(|axis| axis.windows());
    let kernel = p.kernel.to_3d(1);
    let [out_len, in_len, taps] = [out, p.input.to_3d(1), kernel].map(|extents| extents.iter().product::<usize>());
    let x = tensor(inputs, TensorName::Input, &activations(p.batch, p.channels, &p.input))?;
    let one = |i: usize| {
        let (plane, k, o) = (i / out_len / taps, i / out_len % taps, unflatten(i % out_len, out));
        let at = element(&window, o, unflatten(k, kernel), PaddingMode::Zeros);
        at.map_or(0.0, |at| f64::from(x[plane * in_len + at]))
    };
    let output = parallel::map(p.batch * p.channels * taps * out_len, one)?;
    Outcome::copied(vec![p.batch, p.channels * taps, out_len], output)
}

/// `y[n, c, o·stride - padding + k·dilation] += x[n, c·K + k, o]` with K taps. Every output plane is filled on its own.
pub(super) fn col2im(p: &Col2im, inputs: &Inputs) -> Result<Outcome> {
    // The window that im2col would slide over the output.
    let window = axes(p.output, p.kernel, p.stride, p.padding, p.dilation);
    let columns = window.map(|axis| axis.windows());
    let kernel = p.kernel.to_3d(1);
    let [n_columns, plane_len, taps] =
        [columns, p.output.to_3d(1), kernel].map(|extents| extents.iter().product::<usize>());
    let x = tensor(inputs, TensorName::Input, &[p.batch, p.channels * taps, n_columns])?;
    let mut sums = memory::filled(parallel::WHAT, p.batch * p.channels * plane_len, Sum::default())?;
    parallel::chunks(&mut sums, plane_len, |plane_ix, plane| {
        for (k, tap) in indices(kernel).enumerate() {
            for (column, o) in indices(columns).enumerate() {
                if let Some(at) = element(&window, o, tap, PaddingMode::Zeros) {
                    plane[at].add(x[(plane_ix * taps + k) * n_columns + column].into());
                }
            }
        }
    });
    outcome(activations(p.batch, p.channels, &p.output), &sums, Activation::Identity)
}
