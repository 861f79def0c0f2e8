//! Deformable convolution.

use super::conv::by_plane;
use crate::error::Result;
use crate::problem::{Activation, DeformConv2d};
use crate::reference::deform::{bilinear_corners, coordinate_error, pixel, sample, slope};
use crate::reference::sum::{Sum, U, outcome};
use crate::reference::window::{Axis, axes, unflatten};
use crate::reference::{Inputs, Outcome, activations, parallel, tensor};
use crate::tensor::TensorName;

/// Over the products of `y[n,co,o] = Σ w[co,ci,k] · m[n,og,k,o] · s[n,ci,k,o]`, where s is the sample of `x[n,ci]`, with
/// the column gradient `c[n,ci,k,o] = Σ_co g[n,co,o] · w[co,ci,k]`:
///
/// - `dw[co,ci,k] = Σ_{n,o} g · m · s`
/// - `dm[n,og,k,o] = Σ_ci c · s` over the channels of the offset group
/// - `doffset[n,og,k,axis,o] = Σ_ci c · m · ds/daxis` over the same channels
/// - `dx[n,ci,i] = Σ_{k,o} c · m · (share of element i in the sample)`
pub(super) fn deform_conv2d(p: &DeformConv2d, name: TensorName, inputs: &Inputs, grad: &[Sum]) -> Result<Outcome> {
    let layer = Layer::new(p, inputs)?;
    let x = || tensor(inputs, TensorName::Input, &layer.input_shape());
    let columns = || layer.columns(tensor(inputs, TensorName::Weight, &layer.weight_shape())?, grad);
    let (shape, sums) = match name {
        TensorName::Weight => (layer.weight_shape(), layer.weight(x()?, grad)?),
        TensorName::Mask => (layer.sampling_shape(1), layer.mask_gradient(x()?, &columns()?)?),
        TensorName::Offset => (layer.sampling_shape(2), layer.offset_gradient(x()?, &columns()?)?),
        _ => (layer.input_shape(), layer.input(&columns()?)?),
    };
    outcome(shape, &sums, Activation::Identity)
}

/// A deformable layer and where it samples.
struct Layer<'a> {
    p: &'a DeformConv2d,
    window: [Axis; 3],
    out: [usize; 3],
    kernel: [usize; 3],
    extents: [usize; 2],
    out_len: usize,
    in_len: usize,
    taps: usize,
    offset: &'a [f32],
    mask: Option<&'a [f32]>,
}

/// A finite sampling point.
struct Point {
    at: [f64; 2],
    /// How far f32 arithmetic may miss each coordinate.
    miss: [f64; 2],
    /// Factor of the sample.
    mask: f64,
}

impl<'a> Layer<'a> {
    fn new(p: &'a DeformConv2d, inputs: &'a Inputs) -> Result<Self> {
        let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
        let out = window.map(|axis| axis.windows());
        let kernel = p.kernel.to_3d(1);
        let extents = [p.input[0], p.input[1]];
        let [out_len, in_len, taps] = [out, p.input.to_3d(1), kernel].map(|extents| extents.iter().product());
        let mut layer = Layer { p, window, out, kernel, extents, out_len, in_len, taps, offset: &[], mask: None };
        layer.offset = tensor(inputs, TensorName::Offset, &layer.sampling_shape(2))?;
        if p.mask {
            layer.mask = Some(tensor(inputs, TensorName::Mask, &layer.sampling_shape(1))?);
        }
        Ok(layer)
    }

    fn input_shape(&self) -> Vec<usize> {
        activations(self.p.batch, self.p.c_in, &self.p.input)
    }

    fn weight_shape(&self) -> Vec<usize> {
        activations(self.p.c_out, self.p.c_in / self.p.groups, &self.p.kernel)
    }

    /// Of the offset, with two values per sampling point, or the mask, with one.
    fn sampling_shape(&self, per_point: usize) -> Vec<usize> {
        activations(self.p.batch, per_point * self.p.offset_groups * self.taps, &self.out[1..])
    }

    /// The row of the mask, (image, offset group, tap), that input plane `plane_ix` reads at tap `k`.
    fn row(&self, plane_ix: usize, k: usize) -> usize {
        let (n, channel) = (plane_ix / self.p.c_in, plane_ix % self.p.c_in);
        let offset_group = channel / (self.p.c_in / self.p.offset_groups);
        (n * self.p.offset_groups + offset_group) * self.taps + k
    }

    /// The input planes that read a row, and its tap.
    fn readers(&self, row: usize) -> (std::ops::Range<usize>, usize) {
        let (group, k) = (row / self.taps, row % self.taps);
        let (n, offset_group) = (group / self.p.offset_groups, group % self.p.offset_groups);
        let channels = self.p.c_in / self.p.offset_groups;
        let first = n * self.p.c_in + offset_group * channels;
        (first..first + channels, k)
    }

    /// `None` for a point that is NaN or infinite: it has no gradient.
    fn point(&self, row: usize, position: usize) -> Option<Point> {
        let (o, tap) = (unflatten(position, self.out), unflatten(row % self.taps, self.kernel));
        let base = [1, 2].map(|a| self.window[a].position(o[a], tap[a]));
        let shift = [0, 1].map(|axis| self.offset[(row * 2 + axis) * self.out_len + position]);
        let at = [0, 1].map(|axis| base[axis] as f64 + f64::from(shift[axis]));
        let miss = [0, 1].map(|axis| coordinate_error(base[axis], shift[axis]));
        let mask = self.mask.map_or(1.0, |mask| f64::from(mask[row * self.out_len + position]));
        at.iter().all(|coordinate| coordinate.is_finite()).then_some(Point { at, miss, mask })
    }

    /// `c[n,ci,k,o] = Σ_co g[n,co,o] · w[co,ci,k]`
    fn columns(&self, w: &[f32], grad: &[Sum]) -> Result<Vec<Sum>> {
        let p = self.p;
        let (c_in_group, c_out_group) = (p.c_in / p.groups, p.c_out / p.groups);
        by_plane(p.batch * p.c_in * self.taps, self.out_len, |i, column| {
            let (n, ci, k) = (i / self.taps / p.c_in, i / self.taps % p.c_in, i % self.taps);
            let group = ci / c_in_group;
            for co in group * c_out_group..(group + 1) * c_out_group {
                let weight = w[(co * c_in_group + ci % c_in_group) * self.taps + k];
                let g = &grad[(n * p.c_out + co) * self.out_len..][..self.out_len];
                column.iter_mut().zip(g).for_each(|(sum, g)| sum.add_scaled(g, weight.into()));
            }
        })
    }

    /// The sample of a plane at a point, as a sum whose slack is its own error; without the mask.
    fn sampled(&self, x: &[f32], plane_ix: usize, point: &Point) -> Option<Sum> {
        let plane = &x[plane_ix * self.in_len..][..self.in_len];
        let sample = sample(plane, self.extents, point.at)?;
        let miss = point.miss[0] + point.miss[1];
        let moved = if miss > 0.0 { miss * slope(plane, self.extents, point.at) } else { 0.0 };
        let slack = 9.0 * U * sample.magnitude + moved;
        Some(Sum { value: sample.value, magnitude: sample.magnitude, terms: 1, slack })
    }

    /// The derivative of the sample with respect to a coordinate: that of the cell from the integer at or below.
    fn derivative(&self, x: &[f32], plane_ix: usize, point: &Point, axis: usize) -> Option<Sum> {
        // A cell behind the image has no pixel; one that f32 arithmetic may round to does.
        let reaches = |a: usize| point.at[a] >= -1.0 - point.miss[a] && point.at[a] < self.extents[a] as f64;
        if !(reaches(0) && reaches(1)) {
            return None;
        }
        let plane = &x[plane_ix * self.in_len..][..self.in_len];
        let across = 1 - axis;
        let cell = point.at.map(f64::floor);
        let share = point.at[across] - cell[across];
        let mut sum = Sum { terms: 1, ..Sum::default() };
        for (ahead, sign) in [(0, -1.0), (1, 1.0)] {
            for (beside, share) in [(0, 1.0 - share), (1, share)] {
                let mut at = cell.map(|coordinate| coordinate as i64);
                at[axis] += ahead;
                at[across] += beside;
                if let Some(pixel) = pixel(plane, self.extents, at[0], at[1]) {
                    sum.value += sign * share * pixel;
                    sum.magnitude += share * pixel.abs();
                }
            }
        }
        sum.slack = 9.0 * U * sum.magnitude;
        if point.miss != [0.0; 2] {
            // The derivative is piecewise linear across the axis, at most twice as steep as the interpolant; along the
            // axis it jumps at integers, by no more than that.
            let steepest = 2.0 * slope(plane, self.extents, point.at);
            let to_integer = (point.at[axis] - point.at[axis].round()).abs();
            sum.slack += point.miss[across] * steepest;
            sum.slack += if to_integer <= point.miss[axis] { steepest } else { 0.0 };
        }
        Some(sum)
    }

    fn weight(&self, x: &[f32], grad: &[Sum]) -> Result<Vec<Sum>> {
        let p = self.p;
        let (c_in_group, c_out_group) = (p.c_in / p.groups, p.c_out / p.groups);
        let modulated = |i: usize| {
            let (plane_ix, k, position) =
                (i / self.out_len / self.taps, i / self.out_len % self.taps, i % self.out_len);
            let point = self.point(self.row(plane_ix, k), position)?;
            let sampled = self.sampled(x, plane_ix, &point)?;
            let mut sum = Sum::default();
            sum.add_scaled(&sampled, point.mask);
            Some(sum)
        };
        let samples = parallel::map(p.batch * p.c_in * self.taps * self.out_len, modulated)?;
        let one = |i: usize| {
            let (co, ci_in_group, k) = (i / self.taps / c_in_group, i / self.taps % c_in_group, i % self.taps);
            let mut sum = Sum::default();
            for n in 0..p.batch {
                let plane_ix = n * p.c_in + co / c_out_group * c_in_group + ci_in_group;
                for position in 0..self.out_len {
                    if let Some(sample) = &samples[(plane_ix * self.taps + k) * self.out_len + position] {
                        sum.add_product_of_sums(&grad[(n * p.c_out + co) * self.out_len + position], sample);
                    }
                }
            }
            sum
        };
        parallel::map(p.c_out * c_in_group * self.taps, one)
    }

    fn mask_gradient(&self, x: &[f32], columns: &[Sum]) -> Result<Vec<Sum>> {
        let one = |i: usize| {
            let (row, position) = (i / self.out_len, i % self.out_len);
            let mut sum = Sum::default();
            let Some(point) = self.point(row, position) else { return sum };
            let (planes, k) = self.readers(row);
            for plane_ix in planes {
                if let Some(sample) = self.sampled(x, plane_ix, &point) {
                    sum.add_product_of_sums(&columns[(plane_ix * self.taps + k) * self.out_len + position], &sample);
                }
            }
            sum
        };
        parallel::map(self.p.batch * self.p.offset_groups * self.taps * self.out_len, one)
    }

    fn offset_gradient(&self, x: &[f32], columns: &[Sum]) -> Result<Vec<Sum>> {
        let one = |i: usize| {
            let (row, axis, position) = (i / self.out_len / 2, i / self.out_len % 2, i % self.out_len);
            let mut sum = Sum::default();
            let Some(point) = self.point(row, position) else { return sum };
            let (planes, k) = self.readers(row);
            for plane_ix in planes {
                if let Some(derivative) = self.derivative(x, plane_ix, &point, axis) {
                    let mut modulated = Sum::default();
                    modulated.add_scaled(&derivative, point.mask);
                    sum.add_product_of_sums(&columns[(plane_ix * self.taps + k) * self.out_len + position], &modulated);
                }
            }
            sum
        };
        parallel::map(2 * self.p.batch * self.p.offset_groups * self.taps * self.out_len, one)
    }

    fn input(&self, columns: &[Sum]) -> Result<Vec<Sum>> {
        let index = |y: i64, x: i64| {
            let y = usize::try_from(y).ok().filter(|&y| y < self.extents[0])?;
            let x = usize::try_from(x).ok().filter(|&x| x < self.extents[1])?;
            Some(y * self.extents[1] + x)
        };
        by_plane(self.p.batch * self.p.c_in, self.in_len, |plane_ix, plane| {
            for i in 0..self.taps * self.out_len {
                let (k, position) = (i / self.out_len, i % self.out_len);
                let Some(point) = self.point(self.row(plane_ix, k), position) else { continue };
                let column = &columns[plane_ix * self.taps * self.out_len + i];
                let corners = bilinear_corners(point.at[0], point.at[1]);
                for corner in corners.iter().filter(|corner| corner.weight > 0.0) {
                    if let Some(at) = index(corner.y, corner.x) {
                        plane[at].add_scaled(column, point.mask * corner.weight);
                        plane[at].slack += 9.0 * U * (point.mask * corner.weight).abs() * column.magnitude;
                    }
                }
                // A point that f32 arithmetic moves changes its shares by no more than it moves, and may share with
                // the neighbours of its cell.
                let moved = (point.miss[0] + point.miss[1]) * point.mask.abs() * column.magnitude;
                if moved > 0.0 {
                    let around = (-1..3).flat_map(|dy| (-1..3).map(move |dx| (dy, dx)));
                    for (dy, dx) in around {
                        let (y, x) = (corners[0].y.saturating_add(dy), corners[0].x.saturating_add(dx));
                        if let Some(at) = index(y, x) {
                            plane[at].slack += moved;
                        }
                    }
                }
            }
        })
    }
}
