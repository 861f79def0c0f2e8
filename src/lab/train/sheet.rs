//! Pictures of a training run.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::{Frame, History, Outcome, Scene};
use crate::lab::picture::{BLUE, Drawing, Drawn, GREEN, ORANGE, PURPLE, VERMILION, bold, plane, text};

/// Pixels on paper for a pixel of a scene.
const SCALE: i32 = 9;
const GAP: i32 = 18;
const MARGIN: i32 = 24;
/// Of the three watched pixels of a scene.
const PROBES: [RGBColor; 3] = [GREEN, VERMILION, PURPLE];

fn brightness(value: f32) -> RGBColor {
    let grey = ((value + 1.0) / 2.4 * 255.0).clamp(0.0, 255.0) as u8;
    RGBColor(grey, grey, grey)
}

fn percent(share: f32) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A scene with the points that its watched pixels sample.
fn sampled<DB: DrawingBackend>(
    root: &DrawingArea<DB, Shift>,
    corner: [i32; 2],
    outcome: &Outcome,
    index: usize,
    frame: &Frame,
) -> Drawn
where
    DB::ErrorType: 'static,
{
    let scene = &outcome.scenes[index];
    plane(root, corner, SCALE, scene.extent, scene.image.iter().map(|&value| brightness(value)))?;
    let side = SCALE * scene.extent as i32;
    // Points may lie outside of the image, where they read zero; those beyond the gap are left out.
    let paper = |[row, column]: [f32; 2]| {
        let at = |value: f32| (SCALE as f32 * (value + 0.5)).round() as i32;
        let (x, y) = (at(column), at(row));
        let near = |v: i32| v > -GAP / 2 && v < side + GAP / 2;
        (near(x) && near(y)).then_some((corner[0] + x, corner[1] + y))
    };
    let watched = outcome.probes.iter().zip(&frame.points).zip(&frame.votes);
    let watched = watched.filter(|((probe, _), _)| probe.scene == index);
    for (((probe, points), votes), colour) in watched.zip(PROBES) {
        let centre = probe.pixel.map(|v| v as f32);
        let total: f32 = votes.iter().map(|vote| vote.abs()).sum::<f32>().max(1e-9);
        for (point, vote) in points.iter().zip(votes) {
            if let (Some(from), Some(to)) = (paper(centre), paper(*point)) {
                // The area is the share of the vote.
                let share = vote.abs() / total;
                let radius = (22.0 * share.sqrt()).clamp(2.0, 14.0) as i32;
                let width = if share > 0.1 { 2 } else { 1 };
                root.draw(&PathElement::new(vec![from, to], colour.mix(0.9).stroke_width(width)))?;
                root.draw(&Circle::new(to, radius, colour.mix(0.6).filled()))?;
                root.draw(&Circle::new(to, radius, WHITE.stroke_width(1)))?;
            }
        }
        if let Some((x, y)) = paper(centre) {
            root.draw(&Rectangle::new([(x - 6, y - 6), (x + 6, y + 6)], WHITE.filled()))?;
            root.draw(&Rectangle::new([(x - 4, y - 4), (x + 4, y + 4)], colour.filled()))?;
        }
    }
    Ok(())
}

/// What a network tells the pixels of a body.
fn told<DB: DrawingBackend>(root: &DrawingArea<DB, Shift>, corner: [i32; 2], scene: &Scene, logits: &[f32]) -> Drawn
where
    DB::ErrorType: 'static,
{
    let colour = |i: usize| {
        let grey = brightness(scene.image[i]);
        match (scene.body[i], (logits[i] > 0.0) == scene.label) {
            (false, _) => grey,
            (true, true) => BLUE,
            (true, false) => ORANGE,
        }
    };
    plane(root, corner, SCALE, scene.extent, (0..scene.image.len()).map(colour))
}

fn cell(column: usize, extent: usize) -> i32 {
    MARGIN + column as i32 * (SCALE * extent as i32 + GAP)
}

fn width(outcome: &Outcome) -> u32 {
    (cell(outcome.scenes.len(), outcome.config.extent) - GAP + MARGIN) as u32
}

/// One moment of the training: where the watched pixels sample.
pub struct FramePicture<'a> {
    /// The run.
    pub outcome: &'a Outcome,
    /// Index among the deformable network's frames.
    pub index: usize,
}

impl Drawing for FramePicture<'_> {
    fn size(&self) -> [u32; 2] {
        [width(self.outcome), (84 + SCALE * self.outcome.config.extent as i32 + 24) as u32]
    }

    fn draw<DB: DrawingBackend>(&self, root: &DrawingArea<DB, Shift>) -> Drawn
    where
        DB::ErrorType: 'static,
    {
        let frame = &self.outcome.deformable.frames[self.index];
        let (_, score) = self.outcome.deformable.validation[self.index];
        let title = format!("step {}: {} of the body's pixels told right", frame.step, percent(score.accuracy));
        root.draw(&Text::new(title, (MARGIN, 18), bold(24)))?;
        root.draw(&Text::new(
            "where three pixels of each body (squares) look: nine points each, as large as their share in the answer",
            (MARGIN, 50),
            text(18),
        ))?;
        for index in 0..self.outcome.scenes.len() {
            sampled(root, [cell(index, self.outcome.config.extent), 84], self.outcome, index, frame)?;
        }
        Ok(())
    }
}

/// Plain and deformable side by side at the end, with the way there.
pub struct Sheet<'a> {
    /// The run.
    pub outcome: &'a Outcome,
}

const HEAD: i32 = 96;
const CAPTION: i32 = 48;
const CHART: i32 = 330;

impl Drawing for Sheet<'_> {
    fn size(&self) -> [u32; 2] {
        let side = SCALE * self.outcome.config.extent as i32;
        [width(self.outcome), (HEAD + 3 * (CAPTION + side) + 40 + CHART) as u32]
    }

    fn draw<DB: DrawingBackend>(&self, root: &DrawingArea<DB, Shift>) -> Drawn
    where
        DB::ErrorType: 'static,
    {
        let outcome = self.outcome;
        let [plain, deformable] = [&outcome.plain, &outcome.deformable].map(|history| percent(history.last().accuracy));
        let title = "Is the head bright or dark? Every pixel of the body must know.";
        root.draw(&Text::new(title, (MARGIN, 18), bold(26)))?;
        let subtitle = format!(
            "deformable {deformable}, plain {plain} of the pixels right; {:.2} and {:.2} million multiply-adds per image",
            outcome.deformable.macs as f64 / 1e6,
            outcome.plain.macs as f64 / 1e6
        );
        root.draw(&Text::new(subtitle, (MARGIN, 56), text(20)))?;
        let side = SCALE * outcome.config.extent as i32;
        let row = |index: i32| HEAD + index * (CAPTION + side);
        let captions = [
            "deformable: where three pixels of each body (squares) look; a point is as large as its share in the answer".to_string(),
            format!("deformable: pixels told right are blue, wrong ones orange ({deformable} right)"),
            format!("plain, same cost: right blue, wrong orange ({plain} right)"),
        ];
        for (index, caption) in captions.into_iter().enumerate() {
            root.draw(&Text::new(caption, (MARGIN, row(index as i32) + 18), text(19)))?;
        }
        let last = outcome.deformable.frames.last();
        for (index, scene) in outcome.scenes.iter().enumerate() {
            let x = cell(index, outcome.config.extent);
            if let Some(frame) = last {
                sampled(root, [x, row(0) + CAPTION], outcome, index, frame)?;
            }
            for (place, history) in [(1, &outcome.deformable), (2, &outcome.plain)] {
                told(root, [x, row(place) + CAPTION], scene, &history.logits[index])?;
            }
        }
        let chart = root
            .clone()
            .shrink((MARGIN as u32, (row(3) + 24) as u32), (width(outcome) - 2 * MARGIN as u32, CHART as u32));
        curves(&chart, outcome)
    }
}

/// Loss and accuracy against steps.
pub struct Curves<'a> {
    /// The run.
    pub outcome: &'a Outcome,
}

impl Drawing for Curves<'_> {
    fn size(&self) -> [u32; 2] {
        [1100, 420]
    }

    fn draw<DB: DrawingBackend>(&self, root: &DrawingArea<DB, Shift>) -> Drawn
    where
        DB::ErrorType: 'static,
    {
        curves(root, self.outcome)
    }
}

fn curves<DB: DrawingBackend>(root: &DrawingArea<DB, Shift>, outcome: &Outcome) -> Drawn
where
    DB::ErrorType: 'static,
{
    let (left, right) = root.split_horizontally((50).percent_width());
    let both = [(&outcome.deformable, BLUE, "deformable"), (&outcome.plain, ORANGE, "plain, same cost")];
    let steps = outcome.config.steps as f32;
    let worst = both.iter().flat_map(|(h, ..)| &h.validation).map(|(_, s)| s.loss).fold(0.7_f32, f32::max);
    let losses = 0.0..worst * 1.05;
    let (below, above) = (SeriesLabelPosition::LowerLeft, SeriesLabelPosition::LowerRight);
    chart(&left, "loss on images kept aside (nats)", steps, losses, below, &both, |score| score.loss)?;
    chart(&right, "pixels told right (%)", steps, 45.0..100.0, above, &both, |score| 100.0 * score.accuracy)
}

fn chart<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    title: &str,
    steps: f32,
    values: std::ops::Range<f32>,
    place: SeriesLabelPosition,
    both: &[(&History, RGBColor, &'static str)],
    of: impl Fn(&super::Score) -> f32,
) -> Drawn
where
    DB::ErrorType: 'static,
{
    let mut chart = ChartBuilder::on(area)
        .caption(title, text(20))
        .margin(10)
        .x_label_area_size(44)
        .y_label_area_size(58)
        .build_cartesian_2d(0.0..steps, values)?;
    chart
        .configure_mesh()
        .x_desc("steps")
        .label_style(text(15))
        .axis_desc_style(text(16))
        .max_light_lines(1)
        .light_line_style(BLACK.mix(0.06))
        .bold_line_style(BLACK.mix(0.14))
        .draw()?;
    for &(history, colour, name) in both {
        let points = history.validation.iter().map(|(step, score)| (*step as f32, of(score)));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(3)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 24, y)], colour.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .label_font(text(16))
        .legend_area_size(32)
        .margin(8)
        .position(place)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .draw()?;
    Ok(())
}
