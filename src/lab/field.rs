//! What offsets do to the effective receptive field: how strongly every input pixel moves one output (W. Luo et al. 2016,
//! arXiv:1701.04128).

use std::ops::Range;

use fastrand::Rng;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::error::{Error, Result};
use crate::geometry::{Geometry, LayerShape, receptive_field};
use crate::lab::picture::{Drawing, Drawn, SKY, bold, plane, text};
use crate::problem::{Conv, DeformConv2d, Problem};
use crate::reference::gradients;
use crate::tensor::{Inputs, TensorName};

/// Offsets by rule.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Preset {
    /// Every tap at so many times its distance from the kernel's centre.
    Zoom(f32),
    /// The kernel turned by so many degrees, counter-clockwise on the screen.
    Rotate(f32),
    /// Columns moved by so many pixels for each row from the centre.
    Shear(f32),
    /// All taps moved along a sine over the image with this amplitude in pixels.
    Wave(f32),
    /// Uniformly random up to so many pixels, the same numbers every time.
    Random(f32),
}

impl Preset {
    /// The offset tensor of a layer.
    pub fn offsets(self, problem: &DeformConv2d) -> Result<Vec<f32>> {
        let geometry = Geometry::new(&problem.clone().into())?;
        let spec = geometry.tensor(TensorName::Offset);
        let shape = spec.map(|spec| spec.shape.clone()).unwrap_or_default();
        let [_, channels, rows, columns] = shape[..] else { return Ok(Vec::new()) };
        let [kernel_h, kernel_w] = [problem.kernel[0], problem.kernel[1]];
        let mut rng = Rng::with_seed(1);
        let value = |i: usize| {
            let (column, row) = (i % columns, i / columns % rows);
            let channel = i / columns / rows % channels;
            let (axis, tap) = (channel % 2, channel / 2 % (kernel_h * kernel_w));
            let centred = |index: usize, extent: usize, axis: usize| {
                (index as f32 - (extent - 1) as f32 / 2.0) * problem.dilation[axis] as f32
            };
            let arm = [centred(tap / kernel_w, kernel_h, 0), centred(tap % kernel_w, kernel_w, 1)];
            match self {
                Preset::Zoom(factor) => (factor - 1.0) * arm[axis],
                Preset::Rotate(degrees) => {
                    let (sin, cos) = degrees.to_radians().sin_cos();
                    let turned = [cos * arm[0] - sin * arm[1], sin * arm[0] + cos * arm[1]];
                    turned[axis] - arm[axis]
                }
                Preset::Shear(pixels) => [0.0, pixels * arm[0]][axis],
                Preset::Wave(pixels) => {
                    let along = [column, row][axis] as f32 / [columns, rows][axis] as f32;
                    pixels * (std::f32::consts::TAU * along).sin()
                }
                Preset::Random(pixels) => pixels * (2.0 * rng.f32() - 1.0),
            }
        };
        Ok((0..shape.iter().product()).map(value).collect())
    }
}

/// How strongly each input pixel moves the output, summed over channels.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Field {
    /// What it is of.
    pub name: String,
    /// Height and width.
    pub extents: [usize; 2],
    /// Σ |d output / d input|, row-major, scaled to a sum of one.
    pub map: Vec<f64>,
    /// Pixels with more than a twentieth of the largest value.
    pub area: usize,
    /// Mean row and column.
    pub centroid: [f64; 2],
    /// Root of the mean squared distance from the centroid, in pixels.
    pub radius: f64,
    /// Height and width of the theoretical receptive field without offsets.
    pub theoretical: [usize; 2],
}

impl Field {
    fn new(name: String, extents: [usize; 2], map: Vec<f64>, theoretical: [usize; 2]) -> Field {
        let total: f64 = map.iter().sum();
        let map: Vec<f64> = map.iter().map(|value| if total > 0.0 { value / total } else { 0.0 }).collect();
        let most = map.iter().copied().fold(0.0, f64::max);
        let at = |i: usize| [(i / extents[1]) as f64, (i % extents[1]) as f64];
        let mean = |of: &dyn Fn([f64; 2]) -> f64| map.iter().enumerate().map(|(i, &v)| v * of(at(i))).sum::<f64>();
        let centroid = [mean(&|p| p[0]), mean(&|p| p[1])];
        let radius = mean(&|p| (p[0] - centroid[0]).powi(2) + (p[1] - centroid[1]).powi(2)).sqrt();
        let area = map.iter().filter(|&&value| value > most / 20.0).count();
        Field { name, extents, map, area, centroid, radius, theoretical }
    }
}

/// The plain convolution with a deformable layer's weights and geometry.
fn plain(p: &DeformConv2d) -> Conv {
    Conv::new(p.batch, p.c_in, p.input, p.c_out, p.kernel)
        .stride(p.stride)
        .padding(p.padding)
        .dilation(p.dilation)
        .groups(p.groups)
}

/// |d Σ_channels-wise output / d input| of one output position, every output channel by itself.
fn field_of(problem: &Problem, inputs: &Inputs, image: usize, at: [usize; 2]) -> Result<Vec<f64>> {
    let problem = problem.before_activation();
    let geometry = Geometry::new(&problem)?;
    let shape = geometry.output_shape().to_vec();
    let extents = geometry.tensor(TensorName::Input).map_or(vec![1, 1, 1, 1], |spec| spec.shape.clone());
    let input_plane = extents[2] * extents[3];
    let mut map = vec![0.0; input_plane];
    for co in 0..shape[1] {
        let mut upstream = vec![0.0_f32; shape.iter().product()];
        upstream[((image * shape[1] + co) * shape[2] + at[0]) * shape[3] + at[1]] = 1.0;
        let outcome = gradients(&problem, inputs, &upstream, &[TensorName::Input])?;
        let grad = &outcome[&TensorName::Input].output;
        let first = image * extents[1] * input_plane;
        for (i, value) in grad[first..first + extents[1] * input_plane].iter().enumerate() {
            map[i % input_plane] += value.abs();
        }
    }
    Ok(map)
}

/// The fields of one output position (row, column) of a layer: plain, then deformable.
pub fn layer_fields(problem: &DeformConv2d, inputs: &Inputs, image: usize, at: [usize; 2]) -> Result<[Field; 2]> {
    let deformable = Problem::from(problem.clone());
    let geometry = Geometry::new(&deformable)?;
    let shape = geometry.output_shape();
    if image >= problem.batch {
        return Err(Error::invalid("image", image, format!("there are {}", problem.batch)));
    }
    if at[0] >= shape[2] || at[1] >= shape[3] {
        let rule = format!("the output has {} x {}", shape[2], shape[3]);
        return Err(Error::invalid("position", format!("{at:?}"), rule));
    }
    let mut same = problem.clone();
    (same.epilogue.bias, same.epilogue.residual) = (false, false);
    let extents = [problem.input[0], problem.input[1]];
    let reach = [0, 1].map(|axis| (problem.kernel[axis] - 1) * problem.dilation[axis] + 1);
    let field = |name: &str, problem: Problem| {
        Ok(Field::new(name.into(), extents, field_of(&problem, inputs, image, at)?, reach))
    };
    Ok([field("plain", plain(problem).into())?, field("deformable", same.into())?])
}

/// A layer of a stack: a square kernel, its dilation, and offsets.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StackLayer {
    /// Height and width of the kernel, odd.
    pub kernel: usize,
    /// Distance of its taps.
    pub dilation: usize,
    /// Offsets; `None` is a plain convolution.
    pub preset: Option<Preset>,
}

impl StackLayer {
    /// `k3d2`, or with offsets `k3d2:zoom=1.5`; a missing dilation is 1.
    pub fn parse(text: &str) -> Result<StackLayer> {
        let wrong = || {
            let rule = "a layer is k and the kernel, d and the dilation where it is not 1, and perhaps :zoom= :rotate= :shear= \
                        :wave= or :random= with a number, as in k3d2:zoom=1.5";
            Error::invalid("stack", text, rule)
        };
        let (size, preset) = match text.split_once(':') {
            Some((size, preset)) => (size, Some(preset)),
            None => (text, None),
        };
        let shape: LayerShape = size.parse().map_err(|_| wrong())?;
        let LayerShape { kernel, dilation, .. } = shape;
        if shape != LayerShape::new(kernel).dilation(dilation) {
            return Err(Error::invalid(
                "stack",
                text,
                "the layers of a stack have stride 1, and padding that keeps the size",
            ));
        }
        if let Some(n) = [kernel, dilation].into_iter().find(|n| !(1..=64).contains(n)) {
            return Err(Error::invalid("stack", text, format!("kernel and dilation are from 1 to 64, not {n}")));
        }
        if kernel % 2 == 0 {
            return Err(Error::invalid("stack", text, "the kernel must be odd, so that it has a centre"));
        }
        let preset = match preset {
            None => None,
            Some(preset) => {
                let (name, strength) = preset.split_once('=').ok_or_else(wrong)?;
                let strength = strength.parse::<f32>().ok().filter(|v| v.is_finite()).ok_or_else(wrong)?;
                Some(match name {
                    "zoom" => Preset::Zoom(strength),
                    "rotate" => Preset::Rotate(strength),
                    "shear" => Preset::Shear(strength),
                    "wave" => Preset::Wave(strength),
                    "random" => Preset::Random(strength),
                    _ => return Err(wrong()),
                })
            }
        };
        Ok(StackLayer { kernel, dilation, preset })
    }
}

/// Weights are drawn anew so many times, and the fields averaged.
const DRAWS: u64 = 24;

/// The fields of the centre of a stack of single-channel layers with random weights, without its offsets and with them.
/// The last layer is the one nearest to the output.
pub fn stack_fields(layers: &[StackLayer], extent: usize) -> Result<[Field; 2]> {
    if layers.is_empty() || layers.len() > 16 {
        return Err(Error::invalid("stack", format!("{} layers", layers.len()), "from 1 to 16 layers"));
    }
    if !(8..=256).contains(&extent) {
        return Err(Error::invalid("extent", extent, "it must be from 8 to 256"));
    }
    let shape = |layer: &StackLayer| LayerShape::new(layer.kernel).dilation(layer.dilation);
    let theoretical = [receptive_field(&layers.iter().map(shape).collect::<Vec<_>>())?.size; 2];
    let run = |name: &str, deformed: bool| -> Result<Field> {
        let mut sum = vec![0.0; extent * extent];
        for draw in 0..DRAWS {
            let mut rng = Rng::with_seed(draw);
            let mut upstream = vec![0.0_f32; extent * extent];
            upstream[extent / 2 * extent + extent / 2] = 1.0;
            for layer in layers.iter().rev() {
                let problem = DeformConv2d::new(1, 1, [extent; 2], 1, [layer.kernel; 2])
                    .dilation(layer.dilation)
                    .padding((layer.kernel - 1) / 2 * layer.dilation);
                let weight: Vec<f32> = (0..layer.kernel * layer.kernel).map(|_| 2.0 * rng.f32() - 1.0).collect();
                let mut inputs = Inputs::from([(TensorName::Weight, weight)]);
                let of: Problem = match layer.preset.filter(|_| deformed) {
                    Some(preset) => {
                        inputs.insert(TensorName::Offset, preset.offsets(&problem)?);
                        problem.into()
                    }
                    None => plain(&problem).into(),
                };
                let outcome = gradients(&of, &inputs, &upstream, &[TensorName::Input])?;
                upstream = outcome[&TensorName::Input].output.iter().map(|&value| value as f32).collect();
            }
            // Every draw counts the same, however large its weights.
            let total: f64 = upstream.iter().map(|&value| f64::from(value).abs()).sum();
            if total > 0.0 {
                sum.iter_mut().zip(&upstream).for_each(|(s, &value)| *s += f64::from(value).abs() / total);
            }
        }
        Ok(Field::new(name.into(), [extent; 2], sum, theoretical))
    };
    Ok([run("without offsets", false)?, run("with offsets", true)?])
}

/// Fields side by side on a common scale, with the theoretical field of the first outlined.
pub struct FieldPicture<'a> {
    /// What to draw.
    pub fields: &'a [Field],
    /// A line above.
    pub title: &'a str,
    /// Centre of the theoretical field: row and column of the input.
    pub centre: [f64; 2],
}

const TOP: i32 = 104;
const SIDE: i32 = 28;
const SMALL: usize = 64;

impl FieldPicture<'_> {
    /// Rows and columns to draw: all of a small input, otherwise those that count in one of the fields.
    fn view(&self) -> [Range<usize>; 2] {
        [0, 1].map(|axis| {
            let extent = self.fields.iter().map(|field| field.extents[axis]).max().unwrap_or(1);
            if extent <= SMALL {
                return 0..extent;
            }
            let counts = |field: &Field| {
                let columns = field.extents[1];
                let at = move |(i, _)| [i / columns, i % columns][axis];
                let counting = field.map.iter().enumerate().filter(|&(_, &value)| value > 0.0).map(at);
                counting.fold((usize::MAX, 0), |(low, high), at| (low.min(at), high.max(at)))
            };
            let (low, high) = self.fields.iter().map(counts).fold((extent, 0), |a, b| (a.0.min(b.0), a.1.max(b.1)));
            if low > high {
                return 0..extent;
            }
            let margin = 4.max(SMALL.saturating_sub(high - low) / 2);
            low.saturating_sub(margin)..(high + margin + 1).min(extent)
        })
    }

    fn scale(&self) -> i32 {
        let most = self.view().iter().map(ExactSizeIterator::len).max().unwrap_or(1) as i32;
        (440 / most).clamp(2, 40)
    }
}

/// From black over red and yellow to white, its lightness rising all the way.
fn heat(share: f64) -> RGBColor {
    let at = |from: f64, to: f64| (255.0 * ((share - from) / (to - from)).clamp(0.0, 1.0)) as u8;
    RGBColor(at(0.0, 0.4), at(0.3, 0.8), at(0.7, 1.0))
}

impl Drawing for FieldPicture<'_> {
    fn size(&self) -> [u32; 2] {
        let [height, width] = self.view().map(|along| self.scale() * along.len() as i32);
        [((width + SIDE) * self.fields.len() as i32 + SIDE + 120).max(720) as u32, (height + TOP + 96) as u32]
    }

    fn draw<DB: DrawingBackend>(&self, root: &DrawingArea<DB, Shift>) -> Drawn
    where
        DB::ErrorType: 'static,
    {
        root.draw(&Text::new(self.title.to_string(), (SIDE, 18), bold(22)))?;
        let (scale, view) = (self.scale(), self.view());
        let [rows, columns] = view.each_ref().map(|along| along.len() as i32 * scale);
        let most = self.fields.iter().flat_map(|field| &field.map).copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let mut x = SIDE;
        let mut bottom = 0;
        for field in self.fields {
            root.draw(&Text::new(field.name.clone(), (x, 70), text(19)))?;
            // The square root makes the weak visible.
            let row = |y: usize| &field.map[y * field.extents[1]..(y + 1) * field.extents[1]];
            let seen = view[0].clone().flat_map(|y| &row(y)[view[1].clone()]);
            plane(root, [x, TOP], scale, view[1].len(), seen.map(|&value| heat((value / most).sqrt())))?;
            root.draw(&Rectangle::new([(x, TOP), (x + columns, TOP + rows)], BLACK.mix(0.3)))?;
            let paper = |value: f64| (f64::from(scale) * value).round() as i32;
            let along = |value: f64, axis: usize| paper(value - view[axis].start as f64);
            let clip = |value: i32, most: i32| value.clamp(0, most);
            let half = field.theoretical.map(|extent| extent as f64 / 2.0);
            let from = [0, 1].map(|axis| along(self.centre[axis] + 0.5 - half[axis], axis));
            let to = [0, 1].map(|axis| along(self.centre[axis] + 0.5 + half[axis], axis));
            let outline = [
                (x + clip(from[1], columns), TOP + clip(from[0], rows)),
                (x + clip(to[1], columns), TOP + clip(to[0], rows)),
            ];
            root.draw(&Rectangle::new(outline, SKY.stroke_width(2)))?;
            let (cx, cy) = (x + along(field.centroid[1] + 0.5, 1), TOP + along(field.centroid[0] + 0.5, 0));
            let reach = paper(field.radius).max(2);
            // Two rings, so that one of them stands out from whatever lies below.
            root.draw(&Circle::new((cx, cy), reach + 2, WHITE.stroke_width(2)))?;
            root.draw(&Circle::new((cx, cy), reach, BLACK.stroke_width(2)))?;
            let mut words = format!("{} pixels, radius {:.2}", field.area, field.radius);
            if [view[0].len(), view[1].len()] != field.extents {
                let [top, left] = view.each_ref().map(|along| along.start);
                words = format!("{words}; from row {top} and column {left}");
            }
            root.draw(&Text::new(words, (x, TOP + rows + 12), text(17)))?;
            bottom = bottom.max(TOP + rows);
            x += columns + SIDE;
        }
        let steps = 100;
        let height = bottom - TOP;
        for step in 0..steps {
            let top = bottom - height * (step + 1) / steps;
            let below = bottom - height * step / steps;
            let colour = heat((f64::from(step) / f64::from(steps)).sqrt());
            root.draw(&Rectangle::new([(x, top), (x + 18, below)], colour.filled()))?;
        }
        root.draw(&Text::new(format!("{most:.3}"), (x + 24, TOP - 6), text(15)))?;
        root.draw(&Text::new("0", (x + 24, bottom - 12), text(15)))?;
        let legend = "share of |d output / d input|; blue: theoretical field of the plain layers; ring: mean radius about the centroid";
        root.draw(&Text::new(legend, (SIDE, bottom + 52), text(15)))?;
        Ok(())
    }
}
