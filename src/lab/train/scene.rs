//! Images that need geometry: a bent body whose label is written at one of its ends.

use fastrand::Rng;

/// One image with its labels, all `extent` x `extent`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Height and width.
    pub extent: usize,
    /// Brightness.
    pub image: Vec<f32>,
    /// Whether each pixel lies on the body.
    pub body: Vec<bool>,
    /// What every pixel of the body is to be told: whether the head is bright.
    pub label: bool,
    /// The centre line from the head to the tail, as (row, column).
    pub line: Vec<[f32; 2]>,
}

const LINE_POINTS: usize = 25;
const BODY: f32 = 0.5;
const HEAD: f32 = 0.9;

/// Draws a body of random place, rotation, scale and bend; its head is a bright or dark spot. A second spot beside the body
/// means nothing.
pub fn scene(rng: &mut Rng, extent: usize) -> Scene {
    let size = extent as f32;
    let uniform = |rng: &mut Rng, low: f32, high: f32| low + (high - low) * rng.f32();
    let (line, thickness) = loop {
        let scale = uniform(rng, 0.85, 1.15);
        let length = scale * size * 0.62;
        let bend = uniform(rng, -1.0, 1.0) * 1.6 / length;
        let step = length / (LINE_POINTS - 1) as f32;
        let mut direction = uniform(rng, 0.0, std::f32::consts::TAU);
        let mut at = [uniform(rng, 3.0, size - 4.0), uniform(rng, 3.0, size - 4.0)];
        let mut line = Vec::with_capacity(LINE_POINTS);
        for _ in 0..LINE_POINTS {
            line.push(at);
            at = [at[0] + step * direction.sin(), at[1] + step * direction.cos()];
            direction += bend * step;
        }
        let inside = |p: &[f32; 2]| p.iter().all(|&v| v >= 2.5 && v <= size - 3.5);
        if line.iter().all(inside) {
            break (line, scale * 1.1);
        }
    };
    let label = rng.bool();
    let spot = loop {
        let at = [uniform(rng, 2.0, size - 3.0), uniform(rng, 2.0, size - 3.0)];
        if distance(&line, at) > 6.0 {
            break at;
        }
    };
    let spot_sign = if rng.bool() { HEAD } else { -HEAD };
    let head_sign = if label { HEAD } else { -HEAD };
    let mut scene = Scene { extent, image: Vec::new(), body: Vec::new(), label, line };
    for i in 0..extent * extent {
        let at = [(i / extent) as f32, (i % extent) as f32];
        let away = distance(&scene.line, at);
        let bump = |centre: [f32; 2]| {
            let d = (at[0] - centre[0]).hypot(at[1] - centre[1]) / (1.5 * thickness);
            (-0.5 * d * d).exp()
        };
        let body = (-0.5 * (away / thickness).powi(2)).exp();
        let noise = (rng.f32() + rng.f32() + rng.f32() - 1.5) * 0.1;
        scene.image.push(BODY * body + head_sign * bump(scene.line[0]) + spot_sign * bump(spot) + noise);
        scene.body.push(away < 1.2 * thickness);
    }
    scene
}

/// From a point to the line.
fn distance(line: &[[f32; 2]], at: [f32; 2]) -> f32 {
    line.iter().map(|p| (p[0] - at[0]).hypot(p[1] - at[1])).fold(f32::INFINITY, f32::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_scene_and_its_label_is_at_the_head() {
        let (a, b) = (scene(&mut Rng::with_seed(7), 28), scene(&mut Rng::with_seed(7), 28));
        assert_eq!(a, b);
        for seed in 0..50 {
            let scene = scene(&mut Rng::with_seed(seed), 28);
            assert!(scene.body.iter().filter(|&&on| on).count() > 20);
            let [row, column] = scene.line[0].map(|v| v.round() as usize);
            let head = scene.image[row * 28 + column];
            assert_eq!(head > BODY, scene.label, "seed {seed}: {head}");
        }
    }
}
