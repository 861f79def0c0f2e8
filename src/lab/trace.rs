//! Where a deformable convolution samples for some outputs, and what every sample does: to the output, and to every
//! gradient.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::lab::picture::{BLUE, Drawing, Drawn, GREEN, ORANGE, PURPLE, SKY, VERMILION, bold, plane, text};
use crate::problem::{DeformConv2d, Problem};
use crate::reference::{activation_derivative, bilinear_corners, run};
use crate::tensor::{Inputs, TensorName};

/// One of the four pixels that a sample is made of.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Corner {
    /// Row and column.
    pub at: [i64; 2],
    /// Whether it lies in the image; otherwise it counts as zero.
    pub inside: bool,
    /// Its share of the sample.
    pub weight: f64,
    /// What it receives of grad_input, for each channel of the offset group.
    pub grad_input: Vec<f64>,
}

/// One tap of one offset group at one output position.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tap {
    /// Offset group.
    pub offset_group: usize,
    /// Row and column in the kernel.
    pub tap: [usize; 2],
    /// Where it would sample without an offset, (y, x) in input pixels.
    pub grid: [f64; 2],
    /// The offset.
    pub offset: [f64; 2],
    /// Where it samples.
    pub point: [f64; 2],
    /// Whether there is a sample: a point a pixel or more outside, NaN or infinite has none.
    pub samples: bool,
    /// Factor of the sample; one without a mask.
    pub mask: f64,
    /// The four corners; none where the point is not finite.
    pub corners: Vec<Corner>,
    /// The sample of each channel of the offset group.
    pub values: Vec<f64>,
    /// What it adds to each output channel before the activation.
    pub output: Vec<f64>,
    /// What it adds to grad_weight, `(output channel, input channel of the weight's group, share)` where they meet.
    pub grad_weight: Vec<(usize, usize, f64)>,
    /// The gradient of its offset, which nothing else adds to.
    pub grad_offset: [f64; 2],
    /// The gradient of its mask, likewise; also without a mask: what one would receive.
    pub grad_mask: f64,
}

/// One output position of one image.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Position {
    /// Row and column of the output.
    pub at: [usize; 2],
    /// Each output channel before the activation, bias and residual included.
    pub output: Vec<f64>,
    /// The gradient of each, behind the activation.
    pub grad: Vec<f64>,
    /// Every tap of every offset group.
    pub taps: Vec<Tap>,
}

/// Everything about some positions of an image.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Trace {
    /// Which image.
    pub image: usize,
    /// Height and width of the input.
    pub extents: [usize; 2],
    /// Mean of the input's channels, row-major, to draw on.
    pub brightness: Vec<f64>,
    /// The positions asked for.
    pub positions: Vec<Position>,
}

/// Follows every sample of some output positions (row, column) of an image. `grad_output` has the output's shape.
///
/// Over all positions of all images the contributions add up to the output and to the gradients.
pub fn trace(
    problem: &DeformConv2d,
    inputs: &Inputs,
    grad_output: &[f32],
    image: usize,
    positions: &[[usize; 2]],
) -> Result<Trace> {
    let whole = Problem::from(problem.clone());
    let geometry = Geometry::new(&whole)?;
    let shape = geometry.output_shape();
    let (c_out, out) = (shape[1], [shape[2], shape[3]]);
    if grad_output.len() != shape.iter().product::<usize>() {
        let rule = format!("it has the output's shape {shape:?}");
        return Err(Error::invalid("grad_output", format!("{} elements", grad_output.len()), rule));
    }
    if image >= problem.batch {
        return Err(Error::invalid("image", image, format!("there are {}", problem.batch)));
    }
    if positions.is_empty() {
        return Err(Error::invalid("positions", "none", "at least one output position"));
    }
    if let Some(at) = positions.iter().find(|at| at[0] >= out[0] || at[1] >= out[1]) {
        return Err(Error::invalid("position", format!("{at:?}"), format!("the output has {} x {}", out[0], out[1])));
    }
    // Checks the inputs' lengths, too.
    let before = run(&whole.before_activation(), inputs)?;
    let plane = out[0] * out[1];
    let extents = [problem.input[0], problem.input[1]];
    let input_plane = extents[0] * extents[1];
    let first = image * problem.c_in * input_plane;
    let pixels = &inputs[&TensorName::Input][first..first + problem.c_in * input_plane];
    let mean = |i: usize| {
        let sum: f64 = pixels.iter().skip(i).step_by(input_plane).map(|&value| f64::from(value)).sum();
        sum / problem.c_in as f64
    };
    let follow = |&at: &[usize; 2]| {
        let of = |co: usize| (image * c_out + co) * plane + at[0] * out[1] + at[1];
        let grad = |co: usize| {
            f64::from(grad_output[of(co)]) * activation_derivative(problem.epilogue.activation, before.output[of(co)])
        };
        let grad: Vec<f64> = (0..c_out).map(grad).collect();
        let taps = Follower { problem, inputs, image, out, pixels }.taps(at, &grad);
        Position { at, output: (0..c_out).map(|co| before.output[of(co)]).collect(), grad, taps }
    };
    Ok(Trace {
        image,
        extents,
        brightness: (0..input_plane).map(mean).collect(),
        positions: positions.iter().map(follow).collect(),
    })
}

struct Follower<'a> {
    problem: &'a DeformConv2d,
    inputs: &'a Inputs,
    image: usize,
    out: [usize; 2],
    pixels: &'a [f32],
}

impl Follower<'_> {
    fn taps(&self, at: [usize; 2], grad: &[f64]) -> Vec<Tap> {
        let p = self.problem;
        let mut taps = Vec::new();
        for offset_group in 0..p.offset_groups {
            for i in 0..p.kernel[0] {
                for j in 0..p.kernel[1] {
                    taps.push(self.tap(at, offset_group, [i, j], grad));
                }
            }
        }
        taps
    }

    fn tap(&self, at: [usize; 2], offset_group: usize, tap: [usize; 2], grad: &[f64]) -> Tap {
        let p = self.problem;
        let n_taps = p.kernel[0] * p.kernel[1];
        let row = offset_group * n_taps + tap[0] * p.kernel[1] + tap[1];
        let plane = self.out[0] * self.out[1];
        let read = |name: TensorName, channels: usize, channel: usize| {
            let ix = (self.image * channels + channel) * plane + at[0] * self.out[1] + at[1];
            f64::from(self.inputs[&name][ix])
        };
        let rows = p.offset_groups * n_taps;
        let offset = [0, 1].map(|axis| read(TensorName::Offset, 2 * rows, 2 * row + axis));
        let mask = if p.mask { read(TensorName::Mask, rows, row) } else { 1.0 };
        let grid = [0, 1]
            .map(|axis| (at[axis] * p.stride[axis] + tap[axis] * p.dilation[axis]) as f64 - p.padding[axis][0] as f64);
        let point = [grid[0] + offset[0], grid[1] + offset[1]];
        let [height, width] = [p.input[0] as f64, p.input[1] as f64];
        let samples = point[0] > -1.0 && point[0] < height && point[1] > -1.0 && point[1] < width;
        // At -1 exactly there is no sample, but the derivative of the cell towards the image.
        let has_cell = point[0] >= -1.0 && point[0] < height && point[1] >= -1.0 && point[1] < width;

        let channels = p.c_in / p.offset_groups;
        let first = offset_group * channels;
        let (per_group_in, per_group_out) = (p.c_in / p.groups, p.c_out / p.groups);
        let weight = |co: usize, ci: usize| {
            let ix = (co * per_group_in + ci % per_group_in) * n_taps + tap[0] * p.kernel[1] + tap[1];
            f64::from(self.inputs[&TensorName::Weight][ix])
        };
        let readers = |ci: usize| ci / per_group_in * per_group_out..(ci / per_group_in + 1) * per_group_out;
        let column = |ci: usize| readers(ci).map(|co| grad[co] * weight(co, ci)).sum::<f64>();

        let mut traced = Tap {
            offset_group,
            tap,
            grid,
            offset,
            point,
            samples,
            mask,
            corners: Vec::new(),
            values: vec![0.0; channels],
            output: vec![0.0; p.c_out],
            grad_weight: Vec::new(),
            grad_offset: [0.0; 2],
            grad_mask: 0.0,
        };
        if !has_cell {
            return traced;
        }
        let corners = bilinear_corners(point[0], point[1]);
        let inside = |y: i64, x: i64| y >= 0 && x >= 0 && y < p.input[0] as i64 && x < p.input[1] as i64;
        let [fy, fx] = [point[0] - point[0].floor(), point[1] - point[1].floor()];
        for corner in &corners {
            let inside = inside(corner.y, corner.x);
            // Not times zero: an infinite weight gives nothing to a pixel that is not there.
            let receives = inside && samples && corner.weight != 0.0;
            let share = |ci| if receives { column(ci) * mask * corner.weight } else { 0.0 };
            let grad_input = (first..first + channels).map(share).collect();
            traced.corners.push(Corner { at: [corner.y, corner.x], inside, weight: corner.weight, grad_input });
        }
        for (i, ci) in (first..first + channels).enumerate() {
            let pixel = |corner: usize| {
                let [y, x] = traced.corners[corner].at;
                let ix = |y: i64, x: i64| (ci * p.input[0] + y as usize) * p.input[1] + x as usize;
                if traced.corners[corner].inside { f64::from(self.pixels[ix(y, x)]) } else { 0.0 }
            };
            let [a, b, c, d] = [0, 1, 2, 3].map(pixel);
            let column = column(ci);
            traced.grad_offset[0] += column * mask * ((1.0 - fx) * (c - a) + fx * (d - b));
            traced.grad_offset[1] += column * mask * ((1.0 - fy) * (b - a) + fy * (d - c));
            if !samples {
                continue;
            }
            let value: f64 = [a, b, c, d].iter().zip(&corners).map(|(v, corner)| v * corner.weight).sum();
            traced.values[i] = value;
            traced.grad_mask += column * value;
            for co in readers(ci) {
                traced.output[co] += weight(co, ci) * mask * value;
                traced.grad_weight.push((co, ci % per_group_in, grad[co] * mask * value));
            }
        }
        traced
    }
}

/// The points over the input image: regular grid, displaced points, arrows of -grad_offset, masks as size.
pub struct TracePicture<'a> {
    /// What to draw.
    pub trace: &'a Trace,
    /// Only this offset group; `None` draws all.
    pub offset_group: Option<usize>,
    /// Only this tap (row, column), with its corners; `None` draws all.
    pub tap: Option<[usize; 2]>,
}

const HEAD: i32 = 92;
const FOOT: i32 = 132;
const EDGE: i32 = 60;
const SMALL: usize = 64;
const GRID: RGBColor = RGBColor(40, 40, 40);

impl TracePicture<'_> {
    /// Rows and columns of the input to draw: all of a small one, otherwise those around the points.
    fn view(&self) -> [Range<usize>; 2] {
        [0, 1].map(|axis| {
            let extent = self.trace.extents[axis];
            if extent <= SMALL {
                return 0..extent;
            }
            let ends = self.taps().flat_map(|(_, _, tap)| [tap.grid[axis], tap.point[axis]]);
            let inside = ends.filter(|v| v.is_finite()).map(|v| v.clamp(0.0, (extent - 1) as f64));
            let (low, high) = inside.fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
            // The grid is finite and every position has taps, unless the caller took them away.
            let (low, high) = if low.is_finite() { (low as usize, high as usize) } else { (0, extent - 1) };
            let margin = 4.max(SMALL.saturating_sub(high - low) / 2);
            low.saturating_sub(margin)..(high + margin + 1).min(extent)
        })
    }

    /// Paper pixels for an input pixel.
    fn scale(&self) -> i32 {
        let most = self.view().iter().map(ExactSizeIterator::len).max().unwrap_or(1) as i32;
        (640 / most).clamp(2, 72)
    }

    fn taps(&self) -> impl Iterator<Item = (usize, &Position, &Tap)> {
        let chosen = |tap: &&Tap| {
            self.offset_group.is_none_or(|group| group == tap.offset_group) && self.tap.is_none_or(|at| at == tap.tap)
        };
        let numbered = self.trace.positions.iter().enumerate();
        numbered.flat_map(move |(i, position)| {
            position.taps.iter().filter(chosen).map(move |tap| (i, position, tap)).collect::<Vec<_>>()
        })
    }
}

impl Drawing for TracePicture<'_> {
    fn size(&self) -> [u32; 2] {
        let [height, width] = self.view().map(|along| self.scale() * along.len() as i32);
        [(width + 2 * EDGE).max(760) as u32, (height + HEAD + FOOT + 2 * EDGE) as u32]
    }

    fn draw<DB: DrawingBackend>(&self, root: &DrawingArea<DB, Shift>) -> Drawn
    where
        DB::ErrorType: 'static,
    {
        let (scale, view) = (self.scale(), self.view());
        let [rows, columns] = view.each_ref().map(ExactSizeIterator::len);
        let corner = [EDGE, HEAD + EDGE];
        let positions: Vec<String> =
            self.trace.positions.iter().take(4).map(|p| format!("({}, {})", p.at[0], p.at[1])).collect();
        let more = if self.trace.positions.len() > 4 { " …" } else { "" };
        let title = format!("where output {}{more} of image {} samples", positions.join(", "), self.trace.image);
        root.draw(&Text::new(title, (24, 16), bold(22)))?;
        let (low, high) = self
            .trace
            .brightness
            .iter()
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
        let [all_rows, all_columns] = self.trace.extents;
        let part = if [rows, columns] == self.trace.extents {
            String::new()
        } else {
            let [rows, columns] = view.each_ref().map(|along| format!("{} to {}", along.start, along.end - 1));
            format!("rows {rows} and columns {columns} of ")
        };
        let subtitle =
            format!("{part}input {all_rows} x {all_columns}, mean of channels, {low:.3} dark to {high:.3} light");
        root.draw(&Text::new(subtitle, (24, 50), text(16)))?;
        let grey = |&value: &f64| {
            let level = if high > low { (value - low) / (high - low) } else { 0.5 };
            let level = (70.0 + 185.0 * level).clamp(0.0, 255.0) as u8;
            RGBColor(level, level, level)
        };
        let seen = view[0].clone().flat_map(|y| {
            let row = &self.trace.brightness[y * all_columns..(y + 1) * all_columns];
            row[view[1].clone()].iter()
        });
        plane(root, corner, scale, columns, seen.map(grey))?;

        // Pixel centres; what lies far outside stays at the edge of the paper.
        let edge = f64::from(EDGE) - 6.0;
        let paper = |[y, x]: [f64; 2]| {
            let along = |value: f64, seen: &Range<usize>| {
                let at = f64::from(scale) * (value - seen.start as f64 + 0.5);
                at.clamp(-edge, f64::from(scale) * seen.len() as f64 + edge).round() as i32
            };
            (corner[0] + along(x, &view[1]), corner[1] + along(y, &view[0]))
        };
        let size = |tap: &Tap| tap.grad_offset[0].hypot(tap.grad_offset[1]);
        let longest = self.taps().map(|(_, _, tap)| size(tap)).filter(|v| v.is_finite()).fold(0.0, f64::max);
        let reach = (1.4 * f64::from(scale)).clamp(28.0, 90.0);
        let colours = [BLUE, GREEN, PURPLE, ORANGE, SKY];
        if self.tap.is_some() {
            for (_, _, tap) in self.taps() {
                for corner in tap.corners.iter().filter(|corner| corner.inside) {
                    let (x, y) = paper(corner.at.map(|v| v as f64));
                    let half = scale / 2;
                    let square = [(x - half, y - half), (x + half, y + half)];
                    root.draw(&Rectangle::new(square, ORANGE.mix(0.15 + 0.5 * corner.weight).filled()))?;
                    root.draw(&Rectangle::new(square, ORANGE.stroke_width(2)))?;
                    if scale >= 30 {
                        let label = format!("{:.2}", corner.weight);
                        root.draw(&Text::new(label, (x - half + 3, y - half + 2), text(12)))?;
                    }
                }
            }
        }
        for (i, _, tap) in self.taps() {
            let groups = self.trace.positions[i].taps.iter().map(|tap| tap.offset_group + 1).max().unwrap_or(1);
            let colour = colours[(i * groups + tap.offset_group) % colours.len()];
            let from = paper(tap.grid);
            root.draw(&Circle::new(from, 4, GRID.stroke_width(2)))?;
            if !tap.point.iter().all(|v| v.is_finite()) {
                root.draw(&Cross::new(from, 7, VERMILION.stroke_width(2)))?;
                continue;
            }
            let to = paper(tap.point);
            root.draw(&PathElement::new(vec![from, to], colour.mix(0.7)))?;
            let radius = (3.0 + 6.0 * tap.mask.abs().min(2.0).sqrt()).round() as i32;
            let style = if tap.mask < 0.0 { colour.stroke_width(3) } else { colour.mix(0.85).filled() };
            root.draw(&Circle::new(to, radius, style))?;
            root.draw(&Circle::new(to, radius, WHITE.stroke_width(1)))?;
            if longest > 0.0 && size(tap).is_finite() && size(tap) > 0.02 * longest {
                let [dy, dx] = tap.grad_offset.map(|v| (-v / longest * reach).round() as i32);
                arrow(root, to, (to.0 + dx, to.1 + dy))?;
            }
        }
        let y = HEAD + 2 * EDGE + scale * rows as i32 + 6;
        let legend = |root: &DrawingArea<DB, Shift>, row: i32, words: &str| {
            root.draw(&Text::new(words, (92, y + 30 * row), text(15)))
        };
        root.draw(&Circle::new((54, y + 8), 4, GRID.stroke_width(2)))?;
        legend(root, 0, "regular grid; crossed out where an offset is not finite")?;
        root.draw(&Circle::new((46, y + 38), 8, BLUE.mix(0.85).filled()))?;
        root.draw(&Circle::new((66, y + 38), 8, GREEN.mix(0.85).filled()))?;
        legend(
            root,
            1,
            "sampling point, a colour per position and offset group; sized by its mask, hollow if negative",
        )?;
        arrow(root, (28, y + 68), (74, y + 68))?;
        let longest =
            if longest > 0.0 { format!("the longest is {longest:.3e} per pixel") } else { "none here".into() };
        legend(root, 2, &format!("-grad_offset, the way the point wants to go; {longest}"))?;
        if self.tap.is_some() {
            root.draw(&Rectangle::new([(46, y + 90), (62, y + 106)], ORANGE.stroke_width(2)))?;
            legend(root, 3, "the corners inside the image with their shares")?;
        }
        Ok(())
    }
}

fn arrow<DB: DrawingBackend>(root: &DrawingArea<DB, Shift>, from: (i32, i32), to: (i32, i32)) -> Drawn
where
    DB::ErrorType: 'static,
{
    root.draw(&PathElement::new(vec![from, to], VERMILION.stroke_width(2)))?;
    let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
    let length = dx.hypot(dy);
    if length < 3.0 {
        return Ok(());
    }
    let barb = |turn: f64| {
        let (sin, cos) = turn.sin_cos();
        let (ux, uy) = (dx / length, dy / length);
        let (bx, by) = (-(ux * cos - uy * sin), -(ux * sin + uy * cos));
        let reach = 8.0_f64.min(0.6 * length);
        (to.0 + (reach * bx).round() as i32, to.1 + (reach * by).round() as i32)
    };
    root.draw(&PathElement::new(vec![barb(0.45), to, barb(-0.45)], VERMILION.stroke_width(2)))?;
    Ok(())
}
