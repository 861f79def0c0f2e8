//! The rule by which a result passes: `|got - want| <= atol + rtol·|want|`, so that a NaN fails.

use crate::case::Tolerance;
use crate::npy::Array;

/// The outcome of one comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Elements out of tolerance.
    pub bad: usize,
    pub total: usize,
    /// The largest error over its tolerance; 0 where both are 0, infinite where only the tolerance is.
    pub ratio: f64,
    /// The largest error over `atol_typical`, where the case has one.
    pub typical: Option<f64>,
    /// The element with the largest ratio.
    pub worst: Worst,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Worst {
    pub index: Vec<usize>,
    pub got: f64,
    pub want: f64,
    pub limit: f64,
}

impl Comparison {
    pub fn passed(&self) -> bool {
        self.bad == 0
    }
}

/// Compares values in row-major order. `single` says that they were computed in f32, so that an exact expectation is
/// the nearest f32.
pub fn compare(got: &[f64], want: &Array, tolerance: &Tolerance, single: bool) -> Comparison {
    let mut result = Comparison { bad: 0, total: want.data.len(), ratio: 0.0, typical: None, worst: Worst::default() };
    let typical = tolerance.atol_typical.filter(|&atol| atol > 0.0);
    for (i, (&got, &want_raw)) in got.iter().zip(&want.data).enumerate() {
        let want_value = if tolerance.exact && single { f64::from(want_raw as f32) } else { want_raw };
        let error = (got - want_value).abs();
        let limit = tolerance.atol + tolerance.rtol * want_value.abs();
        let within = error <= limit;
        if !within {
            result.bad += 1;
        }
        let ratio = match (error, limit) {
            (0.0, _) => 0.0,
            (error, limit) if (error / limit).is_nan() => f64::INFINITY,
            (error, limit) => error / limit,
        };
        if let Some(typical) = typical {
            let ratio = if error.is_nan() { f64::INFINITY } else { error / typical };
            result.typical = Some(result.typical.unwrap_or(0.0).max(ratio));
        }
        if ratio > result.ratio {
            result.ratio = ratio;
            result.worst = Worst { index: unflatten(i, &want.shape), got, want: want_value, limit };
        }
    }
    result
}

fn unflatten(mut i: usize, shape: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&extent| {
            let at = i % extent;
            i /= extent;
            at
        })
        .collect();
    index.reverse();
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(data: &[f64]) -> Array {
        Array { shape: vec![1, data.len()], data: data.to_vec() }
    }

    #[test]
    fn the_rule_is_absolute_plus_relative() {
        let tolerance = Tolerance { atol: 0.1, rtol: 0.01, ..Tolerance::default() };
        let result = compare(&[1.0, 10.19, 10.21], &want(&[1.0, 10.0, 10.0]), &tolerance, true);
        assert_eq!((result.bad, result.total), (1, 3));
        assert_eq!(result.worst.index, [0, 2]);
        assert!(result.ratio > 1.0 && result.ratio < 1.1);
    }

    #[test]
    fn nothing_but_numbers_passes() {
        let tolerance = Tolerance { atol: f64::INFINITY, ..Tolerance::default() };
        for got in [f64::NAN, f64::INFINITY] {
            let result = compare(&[got], &want(&[1.0]), &Tolerance { atol: 1e30, ..tolerance }, true);
            assert!(!result.passed() && result.ratio.is_infinite(), "{got}");
        }
        assert!(!compare(&[f64::INFINITY], &want(&[f64::INFINITY]), &Tolerance::default(), true).passed());
    }

    #[test]
    fn exact_means_the_nearest_single() {
        let tolerance = Tolerance { exact: true, ..Tolerance::default() };
        assert!(compare(&[f64::from(0.1_f32)], &want(&[0.1]), &tolerance, true).passed());
        assert!(!compare(&[f64::from(0.1_f32)], &want(&[0.1]), &tolerance, false).passed());
    }
}
