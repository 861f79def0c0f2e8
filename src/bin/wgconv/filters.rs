//! Kernels that people expect an image tool to know.

use std::str::FromStr;

/// A built-in filter. All are cross-correlations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Filter {
    /// Mean of an n x n window.
    Box(usize),
    /// Of that standard deviation, cut off at three of them.
    Gaussian(f64),
    /// Derivative along x.
    SobelX,
    /// Derivative along y.
    SobelY,
    /// Length of the gradient.
    Sobel,
    Laplacian,
    Sharpen,
    Emboss,
}

const MOST_BOX: usize = 255;
const MOST_SIGMA: f64 = 40.0;

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, argument) = text.split_once(':').map_or((text, None), |(name, argument)| (name, Some(argument)));
        match (name, argument) {
            ("box", None) => Ok(Filter::Box(3)),
            ("box", Some(n)) => match n.parse() {
                Ok(n @ 1..=MOST_BOX) => Ok(Filter::Box(n)),
                _ => Err(format!("the width of the box must be a whole number from 1 to {MOST_BOX}")),
            },
            ("gaussian", None) => Ok(Filter::Gaussian(1.0)),
            ("gaussian", Some(sigma)) => match sigma.parse::<f64>() {
                Ok(sigma) if sigma > 0.0 && sigma <= MOST_SIGMA => Ok(Filter::Gaussian(sigma)),
                _ => Err(format!("the standard deviation must be above 0 and at most {MOST_SIGMA}")),
            },
            ("sobel-x", None) => Ok(Filter::SobelX),
            ("sobel-y", None) => Ok(Filter::SobelY),
            ("sobel", None) => Ok(Filter::Sobel),
            ("laplacian", None) => Ok(Filter::Laplacian),
            ("sharpen", None) => Ok(Filter::Sharpen),
            ("emboss", None) => Ok(Filter::Emboss),
            _ => {
                Err("it must be box[:N], gaussian[:SIGMA], sobel-x, sobel-y, sobel, laplacian, sharpen or emboss"
                    .into())
            }
        }
    }
}

impl Filter {
    /// Width and height.
    pub fn extent(self) -> usize {
        match self {
            Filter::Box(n) => n,
            Filter::Gaussian(sigma) => 2 * radius(sigma) + 1,
            _ => 3,
        }
    }

    /// The kernels that a channel is filtered with, row-major. Two make a gradient, whose length is the result.
    pub fn kernels(self) -> Vec<Vec<f32>> {
        match self {
            Filter::Sobel => [Filter::SobelX, Filter::SobelY].into_iter().flat_map(Filter::kernels).collect(),
            Filter::Laplacian => vec![vec![0.0, 1.0, 0.0, 1.0, -4.0, 1.0, 0.0, 1.0, 0.0]],
            Filter::Sharpen => vec![vec![0.0, -1.0, 0.0, -1.0, 5.0, -1.0, 0.0, -1.0, 0.0]],
            Filter::Emboss => vec![vec![-2.0, -1.0, 0.0, -1.0, 1.0, 1.0, 0.0, 1.0, 2.0]],
            _ => {
                let (vertical, horizontal) = self.factors().unwrap_or_default();
                vec![vertical.iter().flat_map(|v| horizontal.iter().map(move |h| (v * h) as f32)).collect()]
            }
        }
    }

    /// The column and the row whose outer product the kernel is, where there are such.
    pub fn factors(self) -> Option<(Vec<f64>, Vec<f64>)> {
        let (smooth, slope) = (vec![1.0, 2.0, 1.0], vec![-1.0, 0.0, 1.0]);
        match self {
            Filter::Box(n) => Some((vec![1.0 / n as f64; n], vec![1.0 / n as f64; n])),
            Filter::Gaussian(sigma) => {
                let radius = radius(sigma) as i32;
                let bell: Vec<f64> =
                    (-radius..=radius).map(|x| (-0.5 * (f64::from(x) / sigma).powi(2)).exp()).collect();
                let sum: f64 = bell.iter().sum();
                let bell: Vec<f64> = bell.iter().map(|value| value / sum).collect();
                Some((bell.clone(), bell))
            }
            Filter::SobelX => Some((smooth, slope)),
            Filter::SobelY => Some((slope, smooth)),
            Filter::Sobel | Filter::Laplacian | Filter::Sharpen | Filter::Emboss => None,
        }
    }
}

fn radius(sigma: f64) -> usize {
    // At most 120: the deviation is bounded.
    (3.0 * sigma).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_filters_keep_the_mean_and_derivatives_drop_it() {
        for (text, sum) in [
            ("box", 1.0),
            ("box:4", 1.0),
            ("gaussian", 1.0),
            ("gaussian:2.5", 1.0),
            ("sobel-x", 0.0),
            ("sobel-y", 0.0),
            ("sobel", 0.0),
            ("laplacian", 0.0),
            ("sharpen", 1.0),
            ("emboss", 1.0),
        ] {
            let filter: Filter = text.parse().unwrap();
            for kernel in filter.kernels() {
                assert_eq!(kernel.len(), filter.extent().pow(2), "{text}");
                let total: f64 = kernel.iter().map(|&value| f64::from(value)).sum();
                assert!((total - sum).abs() < 1e-6, "{text}: {total}");
            }
        }
    }

    #[test]
    fn sobel_x_points_to_the_right() {
        assert_eq!(Filter::SobelX.kernels(), [[-1.0, 0.0, 1.0, -2.0, 0.0, 2.0, -1.0, 0.0, 1.0]]);
        assert_eq!(Filter::SobelY.kernels(), [[-1.0, -2.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.0, 1.0]]);
    }

    #[test]
    fn wrong_filters_are_refused() {
        for text in ["", "blur", "box:0", "box:256", "box:x", "gaussian:0", "gaussian:nan", "gaussian:41", "sobel:3"] {
            assert!(text.parse::<Filter>().is_err(), "{text}");
        }
    }
}
