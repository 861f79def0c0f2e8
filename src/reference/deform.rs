//! Deformable convolution.

use super::sum::{Sum, U, finish};
use super::window::{axes, unflatten};
use super::{Inputs, Outcome, activations, parallel, tensor};
use crate::error::Result;
use crate::problem::DeformConv2d;
use crate::tensor::TensorName;

/// One of the four pixels around a sampling point, with its share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corner {
    /// Row; may lie outside the image.
    pub y: i64,
    /// Column; may lie outside the image.
    pub x: i64,
    /// Share of the sample. The four add up to one.
    pub weight: f64,
}

/// The corners of the cell `floor(y)..floor(y)+1` by `floor(x)..floor(x)+1` that holds (y, x): upper left, upper right,
/// lower left, lower right. They are not always the four nearest pixels.
///
/// ```
/// let corners = wgconv::reference::bilinear_corners(2.25, 1.5);
/// assert_eq!(corners.map(|corner| (corner.y, corner.x)), [(2, 1), (2, 2), (3, 1), (3, 2)]);
/// assert_eq!(corners.map(|corner| corner.weight), [0.375, 0.375, 0.125, 0.125]);
/// ```
pub fn bilinear_corners(y: f64, x: f64) -> [Corner; 4] {
    let (top, left) = (y.floor(), x.floor());
    let (below, right) = (y - top, x - left);
    let (y, x) = (top as i64, left as i64);
    [
        Corner { y, x, weight: (1.0 - below) * (1.0 - right) },
        Corner { y, x: x.saturating_add(1), weight: (1.0 - below) * right },
        Corner { y: y.saturating_add(1), x, weight: below * (1.0 - right) },
        Corner { y: y.saturating_add(1), x: x.saturating_add(1), weight: below * right },
    ]
}

/// Zero-extended bilinear interpolation of a `height` x `width` plane: corners outside the image count as zero, and so
/// does a point at or beyond (-1, height) x (-1, width), NaN or infinite.
pub fn bilinear(plane: &[f32], height: usize, width: usize, y: f64, x: f64) -> f64 {
    sample(plane, [height, width], [y, x]).map_or(0.0, |sample| sample.value)
}

pub(super) struct Sample {
    pub value: f64,
    /// Σ corner weight · |pixel|
    pub magnitude: f64,
    /// Error of the value itself in f32.
    pub slack: f64,
}

/// `None` for a point that touches no pixel.
pub(super) fn sample(plane: &[f32], extents: [usize; 2], point: [f64; 2]) -> Option<Sample> {
    // Written so that NaN fails.
    let inside = |axis: usize| point[axis] > -1.0 && point[axis] < extents[axis] as f64;
    if !(inside(0) && inside(1)) {
        return None;
    }
    let mut sample = Sample { value: 0.0, magnitude: 0.0, slack: 0.0 };
    for corner in bilinear_corners(point[0], point[1]) {
        if let Some(pixel) = pixel(plane, extents, corner.y, corner.x) {
            sample.value += corner.weight * pixel;
            sample.magnitude += corner.weight * pixel.abs();
        }
    }
    Some(sample)
}

pub(super) fn pixel(plane: &[f32], [height, width]: [usize; 2], y: i64, x: i64) -> Option<f64> {
    let y = usize::try_from(y).ok().filter(|&y| y < height)?;
    let x = usize::try_from(x).ok().filter(|&x| x < width)?;
    Some(plane[y * width + x].into())
}

/// How far f32 arithmetic may miss the coordinate `base + offset` or its fraction; zero where both are exact.
pub(super) fn coordinate_error(base: i64, offset: f32) -> f64 {
    let (narrow, wide) = (base as f32 + offset, base as f64 + f64::from(offset));
    let exact = f64::from(narrow) == wide && f64::from(narrow - narrow.floor()) == wide - wide.floor();
    if exact { 0.0 } else { 2.0 * U * (wide.abs() + 1.0) }
}

/// Upper bound of the interpolant's slope around a point: twice the largest pixel of the cell and its neighbours.
pub(super) fn slope(plane: &[f32], extents: [usize; 2], [y, x]: [f64; 2]) -> f64 {
    let (top, left) = (y.floor() as i64, x.floor() as i64);
    let around = (-1..3).flat_map(|dy| (-1..3).map(move |dx| (top + dy, left + dx)));
    2.0 * around.filter_map(|(y, x)| pixel(plane, extents, y, x)).fold(0.0, |most: f64, pixel| most.max(pixel.abs()))
}

/// `y[n,co,o] = Σ_{ci,k} w[co,ci,k] · mask[n,og,k,o] · x[n,ci](o·stride - padding + k·dilation + offset[n,og,k,o])`.
/// A point that touches no pixel contributes nothing.
pub(super) fn deform_conv2d(p: &DeformConv2d, inputs: &Inputs) -> Result<Outcome> {
    let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
    let out = window.map(|axis| axis.windows());
    let kernel = p.kernel.to_3d(1);
    let extents = [p.input[0], p.input[1]];
    let (out_len, in_len) = (out.iter().product::<usize>(), extents.iter().product::<usize>());
    let taps = kernel.iter().product::<usize>();
    let (c_in_group, c_out_group) = (p.c_in / p.groups, p.c_out / p.groups);
    let c_in_offset_group = p.c_in / p.offset_groups;
    let x = tensor(inputs, TensorName::Input, &activations(p.batch, p.c_in, &p.input))?;
    let w = tensor(inputs, TensorName::Weight, &activations(p.c_out, c_in_group, &p.kernel))?;
    let offset_shape = activations(p.batch, 2 * p.offset_groups * taps, &out[1..]);
    let offset = tensor(inputs, TensorName::Offset, &offset_shape)?;
    let mask = match p.mask {
        true => Some(tensor(inputs, TensorName::Mask, &activations(p.batch, p.offset_groups * taps, &out[1..]))?),
        false => None,
    };

    // Every (image, channel, tap, position) is sampled once.
    let modulated = |i: usize| {
        let (plane_ix, k, position) = (i / out_len / taps, i / out_len % taps, i % out_len);
        let (n, channel) = (plane_ix / p.c_in, plane_ix % p.c_in);
        let og_tap = (n * p.offset_groups + channel / c_in_offset_group) * taps + k;
        let (o, tap) = (unflatten(position, out), unflatten(k, kernel));
        let base = [1, 2].map(|a| window[a].position(o[a], tap[a]));
        let shift = [0, 1].map(|axis| offset[(og_tap * 2 + axis) * out_len + position]);
        let point = [0, 1].map(|axis| base[axis] as f64 + f64::from(shift[axis]));
        let plane = &x[plane_ix * in_len..][..in_len];
        let sample = sample(plane, extents, point)?;
        let miss = coordinate_error(base[0], shift[0]) + coordinate_error(base[1], shift[1]);
        let moved = if miss > 0.0 { miss * slope(plane, extents, point) } else { 0.0 };
        let factor = mask.map_or(1.0, |mask| f64::from(mask[og_tap * out_len + position]));
        Some(Sample {
            value: factor * sample.value,
            magnitude: factor.abs() * sample.magnitude,
            slack: factor.abs() * (9.0 * U * sample.magnitude + moved),
        })
    };
    let samples = parallel::map(p.batch * p.c_in * taps * out_len, modulated)?;

    let one = |i: usize| {
        let (n, co, position) = (i / out_len / p.c_out, i / out_len % p.c_out, i % out_len);
        let mut sum = Sum::default();
        for ci in 0..c_in_group {
            let plane_ix = n * p.c_in + co / c_out_group * c_in_group + ci;
            for k in 0..taps {
                if let Some(sample) = &samples[(plane_ix * taps + k) * out_len + position] {
                    let weight = f64::from(w[(co * c_in_group + ci) * taps + k]);
                    sum.value += weight * sample.value;
                    sum.magnitude += weight.abs() * sample.magnitude;
                    sum.slack += weight.abs() * sample.slack;
                    sum.terms += 1;
                }
            }
        }
        sum
    };
    let sums = parallel::map(p.batch * p.c_out * out_len, one)?;
    let shape = activations(p.batch, p.c_out, &out[1..]);
    finish(shape, sums, &p.epilogue, &[p.c_out], |i| i / out_len % p.c_out, inputs)
}
