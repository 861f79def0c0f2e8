//! Offsets by name: where the taps of every output go.

use serde::Deserialize;

/// A field of offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Nowhere: the plain layer.
    None,
    /// Towards the middle of the image, which it magnifies up to twice.
    Zoom,
    /// Around the middle of the image, by up to a right angle.
    Rotate,
    /// Up and down along a sine.
    Wave,
    /// Along the edge that runs through the output's position, and less across it.
    Edge,
    /// Where gradient descent takes them: `Learner`.
    Learned,
}

/// A square kernel over an image, with padding that keeps its extents at stride 1.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    /// Rows and columns of the input.
    pub input: [usize; 2],
    pub kernel: usize,
    pub dilation: usize,
    pub stride: usize,
}

impl Grid {
    pub fn padding(&self) -> usize {
        self.dilation * (self.kernel - 1) / 2
    }

    /// Rows and columns of the output.
    pub fn output(&self) -> [usize; 2] {
        self.input.map(|extent| (extent - 1) / self.stride + 1)
    }

    /// Where tap (i, j) of output (y, x) samples without an offset.
    pub fn point(&self, at: [usize; 2], tap: [usize; 2]) -> [f64; 2] {
        [0, 1].map(|axis| (at[axis] * self.stride + tap[axis] * self.dilation) as f64 - self.padding() as f64)
    }

    /// A tap from the middle of the kernel.
    pub fn arm(&self, tap: [usize; 2]) -> [f64; 2] {
        [0, 1].map(|axis| (tap[axis] * self.dilation) as f64 - self.padding() as f64)
    }

    pub fn taps(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let kernel = self.kernel;
        (0..kernel * kernel).map(move |tap| [tap / kernel, tap % kernel])
    }
}

/// A vector turned by an angle.
fn turned([y, x]: [f64; 2], angle: f64) -> [f64; 2] {
    let (sin, cos) = angle.sin_cos();
    [sin * x + cos * y, cos * x - sin * y]
}

/// What the layer that learns is to imitate: its grid turned and stretched. The offset of a tap.
pub fn target(grid: &Grid, tap: [usize; 2], strength: f64) -> [f64; 2] {
    let arm = grid.arm(tap);
    let [y, x] = turned(arm, strength * std::f64::consts::FRAC_PI_3);
    let stretch = 1.0 + 0.8 * strength;
    [y * stretch - arm[0], x * stretch - arm[1]]
}

/// Direction of the gradient and how much it is one direction, 0 to 1, smoothed around every pixel (J. Bigün and
/// G. Granlund 1987, the structure tensor). `image` holds three planes.
fn orientations(image: &[f32], [height, width]: [usize; 2]) -> Vec<[f64; 2]> {
    let plane = height * width;
    let grey = |y: usize, x: usize| {
        let i = y * width + x;
        f64::from(image[i] + image[plane + i] + image[2 * plane + i]) / 3.0
    };
    let mut tensor = vec![[0.0; 3]; plane];
    for y in 0..height {
        for x in 0..width {
            let (up, down) = (y.saturating_sub(1), (y + 1).min(height - 1));
            let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
            let (dy, dx) = (grey(down, x) - grey(up, x), grey(y, right) - grey(y, left));
            tensor[y * width + x] = [dy * dy, dx * dy, dx * dx];
        }
    }
    // Three means of 5 are nearly a Gaussian.
    for _ in 0..3 {
        tensor = means(&tensor, height, width, width, 1);
        tensor = means(&tensor, width, height, 1, width);
    }
    let orientation = |[yy, xy, xx]: &[f64; 3]| {
        let angle = 0.5 * (2.0 * xy).atan2(xx - yy);
        let coherence = ((xx - yy).powi(2) + 4.0 * xy * xy).sqrt() / (xx + yy + 1e-4);
        [angle, coherence.min(1.0)]
    };
    tensor.iter().map(orientation).collect()
}

/// The mean of five neighbours along lines of `length` elements `step` apart.
fn means(tensor: &[[f64; 3]], lines: usize, length: usize, pitch: usize, step: usize) -> Vec<[f64; 3]> {
    let mut smooth = vec![[0.0; 3]; tensor.len()];
    for line in 0..lines {
        for at in 0..length {
            let near = at.saturating_sub(2)..(at + 3).min(length);
            let count = near.len() as f64;
            for i in near {
                for (sum, value) in smooth[line * pitch + at * step].iter_mut().zip(tensor[line * pitch + i * step]) {
                    *sum += value / count;
                }
            }
        }
    }
    smooth
}

/// Offsets of every tap of every output, as the library takes them: channel `2 tap + {0: y, 1: x}`, then positions.
/// `shared` is added to every position's.
pub fn offsets(grid: &Grid, field: Field, strength: f64, image: &[f32], shared: &[[f32; 2]]) -> Vec<f32> {
    let [rows, columns] = grid.output();
    let [height, width] = grid.input.map(|extent| extent as f64);
    let middle = [(height - 1.0) / 2.0, (width - 1.0) / 2.0];
    let edges = if field == Field::Edge { orientations(image, grid.input) } else { Vec::new() };
    let plane = rows * columns;
    let mut offsets = vec![0.0; 2 * grid.kernel * grid.kernel * plane];
    for (index, tap) in grid.taps().enumerate() {
        let arm = grid.arm(tap);
        for y in 0..rows {
            for x in 0..columns {
                let point = grid.point([y, x], tap);
                let from_middle = [point[0] - middle[0], point[1] - middle[1]];
                let offset = match field {
                    Field::None | Field::Learned => [0.0; 2],
                    Field::Zoom => from_middle.map(|v| v / (1.0 + strength) - v),
                    Field::Rotate => {
                        let there = turned(from_middle, strength * std::f64::consts::FRAC_PI_2);
                        [there[0] - from_middle[0], there[1] - from_middle[1]]
                    }
                    Field::Wave => {
                        [(point[1] / width * 6.0 * std::f64::consts::PI).sin() * strength * 0.08 * height, 0.0]
                    }
                    Field::Edge => {
                        let at = [y, x].map(|v| v * grid.stride);
                        let [angle, coherence] = edges[at[0] * grid.input[1] + at[1]];
                        let reach = 1.0 + 3.0 * strength * coherence;
                        // Stretched along the edge, which is across the gradient.
                        let [along, across] = turned(arm, -angle);
                        let there = turned([along * reach, across / reach], angle);
                        [there[0] - arm[0], there[1] - arm[1]]
                    }
                };
                for axis in 0..2 {
                    let more = shared.get(index).map_or(0.0, |offset| offset[axis]);
                    offsets[(2 * index + axis) * plane + y * columns + x] = offset[axis] as f32 + more;
                }
            }
        }
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: Grid = Grid { input: [9, 11], kernel: 3, dilation: 2, stride: 1 };

    fn at(offsets: &[f32], tap: usize, y: usize, x: usize) -> [f32; 2] {
        [0, 1].map(|axis| offsets[(2 * tap + axis) * 99 + y * 11 + x])
    }

    #[test]
    fn fields() {
        let image = vec![0.0; 3 * 99];
        let none = offsets(&GRID, Field::None, 1.0, &image, &[]);
        assert!(none.iter().all(|&v| v == 0.0));
        // The middle stays, and what lies to its right comes half as near.
        let zoom = offsets(&GRID, Field::Zoom, 1.0, &image, &[]);
        assert_eq!((at(&zoom, 4, 4, 5), at(&zoom, 4, 4, 9)), ([0.0, 0.0], [0.0, -2.0]));
        // A right angle takes (0, 4) to (4, 0).
        let turn = offsets(&GRID, Field::Rotate, 1.0, &image, &[]);
        let [y, x] = at(&turn, 4, 4, 9);
        assert!((y - 4.0).abs() < 1e-5 && (x + 4.0).abs() < 1e-5, "{y} {x}");
        let wave = offsets(&GRID, Field::Wave, 1.0, &image, &[]);
        assert!(wave.chunks(99).step_by(2).any(|rows| rows.iter().any(|&v| v.abs() > 0.5)));
        assert!(wave.chunks(99).skip(1).step_by(2).all(|columns| columns.iter().all(|&v| v == 0.0)));
        let shared = offsets(&GRID, Field::None, 1.0, &image, &vec![[1.0, -2.0]; 9]);
        assert_eq!(at(&shared, 7, 3, 3), [1.0, -2.0]);
    }

    #[test]
    fn taps_follow_an_edge() {
        // Dark left, light right: the edge runs up and down.
        let plane: Vec<f32> = (0..99).map(|i| if i % 11 < 5 { 0.0 } else { 1.0 }).collect();
        let offsets = offsets(&GRID, Field::Edge, 1.0, &plane.repeat(3), &[]);
        let [up, right] = [at(&offsets, 1, 4, 5), at(&offsets, 5, 4, 5)];
        assert!(up[0] < -5.0 && up[1].abs() < 1e-3, "{up:?}");
        assert!(right[1] < -1.0 && right[0].abs() < 1e-3, "{right:?}");
    }
}
