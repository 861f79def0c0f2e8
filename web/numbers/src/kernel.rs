//! Square kernels by name.

use serde::Deserialize;

/// What a kernel does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    Identity,
    Blur,
    Sharpen,
    SobelX,
    SobelY,
    Laplacian,
    Random,
}

/// Row `n` of Pascal's triangle.
fn binomial(n: usize) -> Vec<f64> {
    (0..n).fold(vec![1.0], |row, _| convolve(&row, &[1.0, 1.0]))
}

fn convolve(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut product = vec![0.0; a.len() + b.len() - 1];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            product[i + j] += x * y;
        }
    }
    product
}

fn outer(column: &[f64], row: &[f64]) -> Vec<f64> {
    column.iter().flat_map(|y| row.iter().map(move |x| y * x)).collect()
}

/// Scaled so that the magnitudes add up to `sum`.
fn scaled(kernel: Vec<f64>, sum: f64) -> Vec<f64> {
    let total: f64 = kernel.iter().map(|w| w.abs()).sum();
    kernel.into_iter().map(|w| w * sum / total).collect()
}

/// `size` x `size` weights, row-major; 3 x 3 at least. Those that find edges stay within -1 and 1 on an image within 0
/// and 1.
pub fn square(preset: Preset, size: usize) -> Vec<f64> {
    let smooth = binomial(size - 1);
    // Of the second order, as the difference of two first ones.
    let slope = convolve(&binomial(size - 3), &[-1.0, 0.0, 1.0]);
    let bend = convolve(&binomial(size - 3), &[1.0, -2.0, 1.0]);
    let blur = scaled(outer(&smooth, &smooth), 1.0);
    let mut one = vec![0.0; size * size];
    one[size / 2 * size + size / 2] = 1.0;
    match preset {
        Preset::Identity => one,
        Preset::Blur => blur,
        Preset::Sharpen => one.iter().zip(&blur).map(|(one, blur)| 2.0 * one - blur).collect(),
        Preset::SobelX => scaled(outer(&smooth, &slope), 2.0),
        Preset::SobelY => scaled(outer(&slope, &smooth), 2.0),
        Preset::Laplacian if size == 3 => scaled(vec![0.0, 1.0, 0.0, 1.0, -4.0, 1.0, 0.0, 1.0, 0.0], 2.0),
        Preset::Laplacian => {
            let (rows, columns) = (outer(&bend, &smooth), outer(&smooth, &bend));
            scaled(rows.iter().zip(&columns).map(|(a, b)| a + b).collect(), 2.0)
        }
        Preset::Random => Vec::new(),
    }
}

/// A layer's weight (3, 3 / groups, size, size): the kernel on every channel alone, or a third of it on each of the
/// three that are added up.
pub fn weight(preset: Preset, size: usize, groups: usize, seed: u32) -> Vec<f32> {
    let channels = 3 / groups;
    if preset == Preset::Random {
        let mut state = seed.wrapping_mul(2_654_435_769) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0
        };
        let scale = 1.5 / ((size * size * channels) as f64).sqrt();
        return (0..3 * channels * size * size).map(|_| (next() * scale) as f32).collect();
    }
    let kernel: Vec<f32> = square(preset, size).iter().map(|w| (w / channels as f64) as f32).collect();
    kernel.repeat(3 * channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_ones() {
        assert_eq!(square(Preset::SobelX, 3), [-1.0, 0.0, 1.0, -2.0, 0.0, 2.0, -1.0, 0.0, 1.0].map(|w| w / 4.0));
        assert_eq!(square(Preset::SobelY, 3), [-1.0, -2.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.0, 1.0].map(|w| w / 4.0));
        assert_eq!(square(Preset::Blur, 3), [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0].map(|w| w / 16.0));
        assert_eq!(square(Preset::Laplacian, 3)[4], -1.0);
    }

    #[test]
    fn sums() {
        for size in [3, 5, 7] {
            let sum = |preset| square(preset, size).iter().sum::<f64>();
            for preset in [Preset::Identity, Preset::Blur, Preset::Sharpen] {
                assert!((sum(preset) - 1.0).abs() < 1e-12, "{preset:?} {size}");
            }
            for preset in [Preset::SobelX, Preset::SobelY, Preset::Laplacian] {
                assert!(sum(preset).abs() < 1e-12, "{preset:?} {size}");
                let total: f64 = square(preset, size).iter().map(|w| w.abs()).sum();
                assert!((total - 2.0).abs() < 1e-12, "{preset:?} {size}");
            }
        }
    }

    #[test]
    fn groups_and_seeds() {
        assert_eq!(weight(Preset::Blur, 5, 3, 0).len(), 3 * 25);
        assert_eq!(weight(Preset::Blur, 5, 1, 0).len(), 9 * 25);
        assert_ne!(weight(Preset::Random, 3, 1, 1), weight(Preset::Random, 3, 1, 2));
        assert_eq!(weight(Preset::Random, 3, 1, 1), weight(Preset::Random, 3, 1, 1));
    }
}
