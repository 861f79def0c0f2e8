//! Analytic gradients against finite differences, one element at a time.
//!
//! For an element x of a tensor and L = Σ output · grad_output, the central difference `(L(x+h) - L(x-h)) / 2h` errs by
//! O(h²) (truncation, none where L is linear or bilinear in x) and by the rounding of L divided by h. Halving h until the
//! two meet finds the best step; where the differences to the left and to the right stay apart, x is at a kink.
//!
//! x is an f32, so that a step is what x moves by, not what it was asked to: none is smaller than the distance to x's
//! neighbours, and x beyond 2^22 takes larger steps than 1/2. Where no step says more than rounding errors do, or where L
//! is no number, nothing can be said of the gradient.

use std::collections::BTreeMap;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::error::{Error, Result};
use crate::lab::picture::{BLUE, Drawing, Drawn, GREEN, ORANGE, PURPLE, SKY, VERMILION, bold, text};
use crate::problem::Problem;
use crate::reference;
use crate::tensor::{Inputs, TensorName};

/// What to check.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Tensors whose gradients are checked; empty for all.
    pub wanted: Vec<TensorName>,
    /// Elements of each tensor, evenly spread; all of them where it has fewer.
    pub elements: usize,
    /// Smallest step, as a power of two: from 2^-1 down to 2^-most, larger ones beside large values.
    pub most_halvings: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config { wanted: Vec::new(), elements: 48, most_halvings: 20 }
    }
}

/// Where the outputs come from that are differenced.
pub trait Forward {
    /// The output for some inputs.
    fn run(&self, inputs: &Inputs) -> Result<Vec<f64>>;
    /// Relative rounding error of an output: 2^-53 or 2^-24.
    fn unit(&self) -> f64;
}

/// The f64 reference.
pub struct Reference<'a>(pub &'a Problem);

impl Forward for Reference<'_> {
    fn run(&self, inputs: &Inputs) -> Result<Vec<f64>> {
        Ok(reference::run(self.0, inputs)?.output)
    }

    fn unit(&self) -> f64 {
        2.0_f64.powi(-53)
    }
}

/// Kernels on a device.
pub struct Kernels<'a> {
    gpu: &'a crate::gpu::Gpu,
    plan: crate::gpu::Plan,
}

impl<'a> Kernels<'a> {
    /// Compiles the forward pass once.
    pub fn new(gpu: &'a crate::gpu::Gpu, problem: &Problem) -> Result<Self> {
        Ok(Kernels { gpu, plan: crate::gpu::Plan::new(gpu.context(), problem, &crate::options::Options::default())? })
    }
}

impl Forward for Kernels<'_> {
    fn run(&self, inputs: &Inputs) -> Result<Vec<f64>> {
        Ok(self.gpu.run_plan(&self.plan, inputs)?.output.into_iter().map(f64::from).collect())
    }

    fn unit(&self) -> f64 {
        2.0_f64.powi(-24)
    }
}

/// What a difference says of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Verdict {
    /// The two agree.
    Agrees,
    /// The derivatives to the left and to the right differ, and the analytic one is one of them or lies between.
    Kink,
    /// They do not agree.
    Differs,
    /// The value takes no step, what is differenced is no number, or its rounding errors hide the derivative.
    Undecidable,
}

/// One element of one gradient.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Element {
    /// The tensor.
    pub tensor: TensorName,
    /// Row-major position.
    pub index: usize,
    /// The gradient that is judged.
    pub analytic: f64,
    /// The best central difference; NaN where there is none.
    pub numeric: f64,
    /// Its step; NaN likewise.
    pub step: f64,
    /// Differences to the left and to the right at that step.
    pub sides: [f64; 2],
    /// How far the two may be apart: the gradient's own bound, and how far the best difference is from its neighbours.
    pub allowed: f64,
    /// The judgement.
    pub verdict: Verdict,
    /// |central difference - analytic| at every step, the largest step first: `(step, error)`.
    pub branches: Vec<(f64, f64)>,
}

impl Element {
    /// |numeric - analytic|.
    pub fn error(&self) -> f64 {
        (self.numeric - self.analytic).abs()
    }
}

/// A whole check.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Report {
    /// Every element that was looked at, by tensor and index.
    pub elements: Vec<Element>,
}

impl Report {
    /// Whether no element differs, and something could be said of one of them at least.
    pub fn passed(&self) -> bool {
        self.count(Verdict::Differs) == 0 && self.count(Verdict::Undecidable) < self.elements.len()
    }

    /// Elements with a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.elements.iter().filter(|element| element.verdict == verdict).count()
    }

    /// The elements of a tensor from the worst on: those that differ, those of which nothing can be said, those that agree
    /// by error over what is allowed, and last those at a kink, where the central difference means little.
    pub fn worst(&self, tensor: TensorName) -> Vec<&Element> {
        let mut all: Vec<&Element> = self.elements.iter().filter(|element| element.tensor == tensor).collect();
        let rank = |element: &Element| match element.verdict {
            Verdict::Differs => 0,
            Verdict::Undecidable => 1,
            Verdict::Agrees => 2,
            Verdict::Kink => 3,
        };
        let excess = |element: &Element| element.error() / element.allowed;
        all.sort_by(|a, b| rank(a).cmp(&rank(b)).then(excess(b).total_cmp(&excess(a))));
        all
    }

    /// The tensors that were checked.
    pub fn tensors(&self) -> Vec<TensorName> {
        let mut names: Vec<TensorName> = self.elements.iter().map(|element| element.tensor).collect();
        names.dedup();
        names
    }
}

/// Compares `gradients`, by the name of the tensor, with differences of `forward`. `progress` is called after every
/// element with the number done and the number to do.
///
/// The inputs hold everything that the problem reads; `grad_output` has the shape of its output.
pub fn gradcheck(
    problem: &Problem,
    inputs: &Inputs,
    grad_output: &[f32],
    gradients: &BTreeMap<TensorName, Vec<f64>>,
    forward: &dyn Forward,
    config: &Config,
    mut progress: impl FnMut(usize, usize),
) -> Result<Report> {
    if config.elements == 0 {
        return Err(Error::invalid("elements", 0, "it must be at least 1"));
    }
    if !(2..=40).contains(&config.most_halvings) {
        return Err(Error::invalid("most_halvings", config.most_halvings, "it must be from 2 to 40"));
    }
    let wanted = if config.wanted.is_empty() { problem.differentiable() } else { config.wanted.clone() };
    let oracles = reference::gradients(problem, inputs, grad_output, &wanted)?;
    let mut picked = Vec::new();
    for (&name, oracle) in &oracles {
        let analytic = gradients
            .get(&name)
            .filter(|analytic| analytic.len() == oracle.output.len())
            .ok_or_else(|| Error::invalid("gradients", name, "each wanted tensor has one, of its shape"))?;
        let count = config.elements.min(analytic.len());
        picked.extend((0..count).map(|i| {
            let index = i * analytic.len() / count;
            (name, index, analytic[index], oracle.tolerance(index), oracle.magnitude[index])
        }));
    }
    let here = forward.run(inputs)?;
    let is_finite = here.iter().all(|y| y.is_finite());
    let terms = here.iter().zip(grad_output).map(|(&y, &g)| (y * f64::from(g)).abs());
    let rounding = 4.0 * forward.unit() * terms.filter(|term| term.is_finite()).sum::<f64>();
    let mut moved = inputs.clone();
    let mut elements = Vec::with_capacity(picked.len());
    let total = picked.len();
    for (tensor, index, analytic, bound, magnitude) in picked {
        let value = inputs[&tensor][index];
        let mut at = |shifted: f32| -> Result<Vec<f64>> {
            if let Some(data) = moved.get_mut(&tensor) {
                data[index] = shifted;
            }
            forward.run(&moved)
        };
        let mut differences = Vec::new();
        for step in steps(value, config.most_halvings) {
            // Where one side leaves f32, the other has to do.
            let [up, down] =
                [value + step, value - step].map(|shifted| if shifted.is_finite() { shifted } else { value });
            let outputs = [at(down)?, here.clone(), at(up)?];
            differences.extend(Difference::of([down, value, up].map(f64::from), &outputs, grad_output));
        }
        at(value)?;
        progress(elements.len() + 1, total);
        let mut element = judge(tensor, index, analytic, bound, magnitude, rounding, &differences);
        // What is no number stays as it is, and may hide that it depends on the value.
        if element.verdict == Verdict::Differs && !is_finite {
            element.verdict = Verdict::Undecidable;
        }
        elements.push(element);
    }
    Ok(Report { elements })
}

/// Steps that a value takes, the largest first: from 1/2 on, as many as halvings are wanted, but none that is less than the
/// distance to the value's neighbours; beside large values larger ones, so that there are some to compare.
fn steps(value: f32, most_halvings: u32) -> Vec<f32> {
    const FEWEST: i32 = 4;
    if !value.is_finite() {
        return Vec::new();
    }
    // To the neighbour that is farther from zero: a power of two.
    let spacing = f32::from_bits(value.abs().to_bits() + 1) - value.abs();
    // Beyond the largest f32 there is no neighbour.
    let spacing = if spacing.is_finite() { spacing } else { value.abs() - value.abs().next_down() };
    let smallest = spacing.max(0.5_f32.powi(most_halvings as i32));
    let largest = (smallest * 2.0_f32.powi(FEWEST - 1)).max(0.5);
    std::iter::successors(Some(largest), |step| Some(step / 2.0)).take_while(|&step| step >= smallest).collect()
}

/// Slopes of L about a value.
struct Difference {
    /// How far the value moved, on the average of both sides.
    step: f64,
    left: f64,
    right: f64,
    central: f64,
}

impl Difference {
    /// From the outputs at three places; `None` where the value did not move, or where L is no number. Outputs that stay
    /// as they are take no part, numbers or not.
    fn of([below, at, above]: [f64; 3], outputs: &[Vec<f64>; 3], grad_output: &[f32]) -> Option<Difference> {
        let rise = |from: &[f64], to: &[f64]| -> f64 {
            let changed = from.iter().zip(to).zip(grad_output).filter(|((from, to), _)| from.to_bits() != to.to_bits());
            changed.fold(0.0, |sum, ((from, to), &g)| sum + (to - from) * f64::from(g))
        };
        let [down, here, up] = outputs;
        let slopes = [(rise(down, here), at - below), (rise(here, up), above - at)];
        let slope = |(rise, run): (f64, f64)| (run > 0.0).then_some(rise / run);
        let (left, right) = match slopes.map(slope) {
            [Some(left), Some(right)] => (left, right),
            [one, other] => one.or(other).map(|slope| (slope, slope))?,
        };
        let sides = slopes.iter().filter(|(_, run)| *run > 0.0).count() as f64;
        let central = (slopes[0].0 + slopes[1].0) / (above - below);
        let finite = [left, right, central].iter().all(|slope| slope.is_finite());
        finite.then_some(Difference { step: (above - below) / sides, left, right, central })
    }
}

fn judge(
    tensor: TensorName,
    index: usize,
    analytic: f64,
    bound: f64,
    magnitude: f64,
    rounding: f64,
    differences: &[Difference],
) -> Element {
    // The step whose difference moves least when it is halved, rounding considered.
    let doubt = |i: usize| {
        let next = differences.get(i + 1).or_else(|| differences.get(i.wrapping_sub(1)));
        let moves = next.map_or(f64::INFINITY, |next| (next.central - differences[i].central).abs());
        moves + rounding / differences[i].step
    };
    let best = (0..differences.len()).min_by(|&a, &b| doubt(a).total_cmp(&doubt(b)));
    let branches = differences.iter().map(|d| (d.step, (d.central - analytic).abs())).collect();
    let Some(best) = best else {
        let nan = f64::NAN;
        let verdict = Verdict::Undecidable;
        return Element {
            tensor,
            index,
            analytic,
            numeric: nan,
            step: nan,
            sides: [nan; 2],
            allowed: nan,
            verdict,
            branches,
        };
    };
    let Difference { step, left, right, central: numeric } = differences[best];
    let uncertain = 4.0 * doubt(best);
    let allowed = bound + uncertain + 1e-9 * magnitude;
    let agrees = (analytic - numeric).abs() <= allowed;
    // A jump of the derivative stays when the step shrinks; curvature does not.
    let gap = (right - left).abs();
    let smaller = differences.get(best + 1).map_or(gap, |d| (d.right - d.left).abs());
    let jumps = gap > 4.0 * (2.0 * rounding / step) + 2.0 * bound && smaller > 0.75 * gap;
    let between = analytic >= left.min(right) - allowed && analytic <= left.max(right) + allowed;
    // What is allowed for the difference's sake must not let a gradient pass that is off by all of itself.
    let hidden = magnitude > 0.0 && uncertain > magnitude;
    let verdict = match (jumps, between, agrees) {
        // A bound that overflowed allows anything.
        _ if !allowed.is_finite() => Verdict::Undecidable,
        (true, true, _) => Verdict::Kink,
        (_, _, true) if hidden => Verdict::Undecidable,
        (_, _, true) => Verdict::Agrees,
        _ => Verdict::Differs,
    };
    Element { tensor, index, analytic, numeric, step, sides: [left, right], allowed, verdict, branches }
}

/// Error against step: truncation falls with the step from the right, rounding rises towards the left, and an element at
/// a kink stays level at half its jump.
pub struct Branches<'a> {
    /// The check.
    pub report: &'a Report,
    /// What was differenced.
    pub subtitle: &'a str,
}

impl Drawing for Branches<'_> {
    fn size(&self) -> [u32; 2] {
        [1100, 640]
    }

    fn draw<DB: DrawingBackend>(&self, root: &DrawingArea<DB, Shift>) -> Drawn
    where
        DB::ErrorType: 'static,
    {
        root.draw(&Text::new("finite differences against the gradient", (24, 16), bold(24)))?;
        root.draw(&Text::new(self.subtitle.to_string(), (24, 50), text(17)))?;
        let finite = |&(_, error): &(f64, f64)| error.is_finite();
        let all = || self.report.elements.iter().flat_map(|element| &element.branches).filter(|b| finite(b));
        let least = all().map(|b| b.1).filter(|&e| e > 0.0).fold(1.0, f64::min).max(1e-18);
        let most = all().map(|b| b.1).fold(least * 10.0, f64::max);
        let (small, large) =
            all().map(|b| b.0).fold((0.5, 0.25), |(low, high): (f64, f64), h| (low.min(h), high.max(h)));
        let area = root.clone().shrink((0, 76), (1100, 564));
        let mut chart = ChartBuilder::on(&area)
            .margin(16)
            .x_label_area_size(52)
            .y_label_area_size(84)
            .build_cartesian_2d((small / 1.2..large * 1.2).log_scale(), (least / 2.0..most * 2.0).log_scale())?;
        chart
            .configure_mesh()
            .x_desc("step")
            .y_desc("|central difference - gradient|")
            .x_label_formatter(&|step| format!("2^{:.0}", step.log2()))
            .y_label_formatter(&|error| format!("{error:.0e}"))
            .label_style(text(15))
            .axis_desc_style(text(17))
            .max_light_lines(1)
            .light_line_style(BLACK.mix(0.05))
            .bold_line_style(BLACK.mix(0.12))
            .draw()?;
        let colours = [BLUE, ORANGE, GREEN, PURPLE, SKY];
        for (name, colour) in self.report.tensors().into_iter().zip(colours.into_iter().cycle()) {
            let mut first = true;
            for element in self.report.worst(name).into_iter().rev() {
                let points =
                    element.branches.iter().filter(|b| finite(b)).map(|&(h, error)| (h, error.max(least / 2.0)));
                let series = chart.draw_series(LineSeries::new(points, colour.mix(0.45).stroke_width(2)))?;
                if std::mem::take(&mut first) {
                    let line = move |(x, y)| PathElement::new(vec![(x, y), (x + 24, y)], colour.stroke_width(3));
                    series.label(name.as_str()).legend(line);
                }
            }
        }
        let mut first = true;
        for element in self.report.elements.iter().filter(|element| element.verdict != Verdict::Agrees) {
            let points = element.branches.iter().filter(|b| finite(b)).map(|&(h, error)| (h, error.max(least / 2.0)));
            let series = chart.draw_series(LineSeries::new(points, VERMILION.stroke_width(2)))?;
            if std::mem::take(&mut first) {
                let line = move |(x, y)| PathElement::new(vec![(x, y), (x + 24, y)], VERMILION.stroke_width(3));
                series.label("at a kink, wrong or not decidable").legend(line);
            }
        }
        chart
            .configure_series_labels()
            .label_font(text(16))
            .legend_area_size(32)
            .margin(10)
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.filled())
            .border_style(BLACK.mix(0.2))
            .draw()?;
        Ok(())
    }
}
