//! Operations that move elements: their gradients move them back.

use super::conv::by_plane;
use super::links::{Link, links};
use crate::error::Result;
use crate::memory;
use crate::problem::{Activation, Axes, Col2im, DepthToSpace, Im2col, PaddingMode, SpaceToDepth};
use crate::reference::rearrange::block_channel;
use crate::reference::sum::{Sum, outcome};
use crate::reference::window::{axes, indices};
use crate::reference::{Outcome, activations, parallel};

/// `dx[n, block_channel(c, i, j), y, x] = g[n, c, y·r + i, x·r + j]`
pub(super) fn depth_to_space(p: &DepthToSpace, grad: &[Sum]) -> Result<Outcome> {
    let (r, [h, w], channels) = (p.block, [p.input[0], p.input[1]], p.channels / p.block / p.block);
    let mut dx = memory::filled(parallel::WHAT, grad.len(), 0.0)?;
    let mut g = grad.iter();
    for n in 0..p.batch {
        for ([c, oy, ox], g) in indices([channels, h * r, w * r]).zip(&mut g) {
            let from = block_channel(p.order, r, channels, [c, oy % r, ox % r]);
            dx[((n * p.channels + from) * h + oy / r) * w + ox / r] = g.value;
        }
    }
    Outcome::copied(activations(p.batch, p.channels, &p.input), dx)
}

/// `dx[n, c, y·r + i, x·r + j] = g[n, block_channel(c, i, j), y, x]`
pub(super) fn space_to_depth(p: &SpaceToDepth, grad: &[Sum]) -> Result<Outcome> {
    let (r, [h, w]) = (p.block, [p.input[0], p.input[1]]);
    let mut dx = memory::with_room(parallel::WHAT, grad.len())?;
    for n in 0..p.batch {
        for [c, iy, ix] in indices([p.channels, h, w]) {
            let to = block_channel(p.order, r, p.channels, [c, iy % r, ix % r]);
            dx.push(grad[((n * p.channels * r * r + to) * (h / r) + iy / r) * (w / r) + ix / r].value);
        }
    }
    Outcome::copied(activations(p.batch, p.channels, &p.input), dx)
}

/// The copies of an element in the columns, added: `dx[n,c,i] = Σ_{k,o} g[n, c·K + k, o]` with K taps.
pub(super) fn im2col(p: &Im2col, grad: &[Sum]) -> Result<Outcome> {
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let windows = window.map(|axis| axis.windows());
    let links = links(&window, windows, PaddingMode::Zeros, false)?;
    let (taps, n_windows) = (product(p.kernel), windows.iter().product::<usize>());
    let sums = by_plane(p.batch * p.channels, product(p.input), |plane_ix, plane| {
        for &Link { window, element, tap } in &links {
            plane[element].add_scaled(&grad[(plane_ix * taps + tap) * n_windows + window], 1.0);
        }
    })?;
    outcome(activations(p.batch, p.channels, &p.input), &sums, Activation::Identity)
}

/// Where an element of the columns was added: `dx[n, c·K + k, o] = g[n,c,i]`, zero where it was cropped.
pub(super) fn col2im(p: &Col2im, grad: &[Sum]) -> Result<Outcome> {
    let window = axes(p.output, p.kernel, p.stride, p.padding, p.dilation);
    let windows = window.map(|axis| axis.windows());
    let (taps, n_windows, plane_len) = (product(p.kernel), windows.iter().product::<usize>(), product(p.output));
    let mut dx = memory::filled(parallel::WHAT, p.batch * p.channels * taps * n_windows, 0.0)?;
    let links = links(&window, windows, PaddingMode::Zeros, false)?;
    for plane_ix in 0..p.batch * p.channels {
        for &Link { window, element, tap } in &links {
            dx[(plane_ix * taps + tap) * n_windows + window] = grad[plane_ix * plane_len + element].value;
        }
    }
    Outcome::copied(vec![p.batch, p.channels * taps, n_windows], dx)
}

fn product(extents: Axes<usize>) -> usize {
    extents.iter().product()
}
