//! What is said about a list of samples.

use serde::{Deserialize, Serialize};

/// Order statistics of samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Smallest.
    pub min: f64,
    /// A quarter of the samples lies below.
    pub lower_quartile: f64,
    /// Half of the samples lies below.
    pub median: f64,
    /// A quarter of the samples lies above.
    pub upper_quartile: f64,
    /// Largest.
    pub max: f64,
    /// Samples farther from the quartiles than one and a half times their distance (J. Tukey 1977). They are counted, not
    /// removed.
    pub outliers: usize,
}

impl Summary {
    /// `None` of no samples, or where one is not a number. Quartiles interpolate linearly between samples.
    pub fn of(samples: &[f64]) -> Option<Summary> {
        if samples.is_empty() || samples.iter().any(|sample| sample.is_nan()) {
            return None;
        }
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (sorted.len() - 1) as f64;
            let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        let [lower_quartile, median, upper_quartile] = [0.25, 0.5, 0.75].map(at);
        let reach = 1.5 * (upper_quartile - lower_quartile);
        let ordinary = lower_quartile - reach..=upper_quartile + reach;
        let outliers = sorted.iter().filter(|sample| !ordinary.contains(sample)).count();
        Some(Summary { min: sorted[0], lower_quartile, median, upper_quartile, max: at(1.0), outliers })
    }

    /// Distance of the quartiles as a fraction of the median.
    pub fn spread(&self) -> f64 {
        (self.upper_quartile - self.lower_quartile) / self.median
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn quartiles_and_outliers() {
        let summary = Summary::of(&[5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!((summary.min, summary.lower_quartile, summary.median), (1.0, 2.0, 3.0));
        assert_eq!((summary.upper_quartile, summary.max, summary.outliers), (4.0, 5.0, 0));
        assert!((summary.spread() - 2.0 / 3.0).abs() < 1e-12);
        let summary = Summary::of(&[1.0, 1.1, 1.2, 9.0]).unwrap();
        assert_eq!((summary.outliers, summary.median), (1, 1.15));
        assert_eq!(Summary::of(&[7.0]).unwrap().upper_quartile, 7.0);
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[1.0, f64::NAN]), None);
    }
}
