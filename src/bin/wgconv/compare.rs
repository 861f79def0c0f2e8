//! The rule by which a result passes: `|got - want| <= atol + rtol·|want|`, and what is no number by its kind.

use wgconv::reference::error_over_tolerance;

use crate::case::Tolerance;
use crate::npy::Array;

/// The outcome of one comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Elements out of tolerance.
    pub bad: usize,
    pub total: usize,
    /// The largest error over its tolerance.
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
        // No share of an infinity may be missing.
        let share = if want_value.is_finite() { tolerance.rtol * want_value.abs() } else { 0.0 };
        let limit = if tolerance.exact { 0.0 } else { tolerance.atol + share };
        let ratio = error_over_tolerance(got, want_value, limit);
        result.bad += usize::from(ratio > 1.0);
        if let Some(typical) = typical {
            let ratio = error_over_tolerance(got, want_value, typical);
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
    fn what_is_no_number_passes_where_it_is_wanted_and_nowhere_else() {
        let loose = Tolerance { atol: 1e30, rtol: 0.5, atol_typical: Some(1.0), ..Tolerance::default() };
        let exact = Tolerance { exact: true, ..Tolerance::default() };
        let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0];
        for tolerance in [loose, exact, Tolerance::default()] {
            for (i, got) in values.into_iter().enumerate() {
                for (j, wanted) in values.into_iter().enumerate() {
                    let result = compare(&[0.0, got], &want(&[0.0, wanted]), &tolerance, true);
                    assert_eq!(result.passed(), i == j, "{got} for {wanted}");
                    assert_eq!(result.ratio, if i == j { 0.0 } else { f64::INFINITY });
                    if i != j {
                        assert_eq!((&result.worst.index[..], result.bad), (&[0, 1][..], 1));
                    }
                }
            }
            assert!(compare(&[-0.0], &want(&[0.0]), &tolerance, true).passed());
        }
    }

    #[test]
    fn tensors_without_elements_are_equal() {
        let result = compare(&[], &want(&[]), &Tolerance::default(), true);
        assert!(result.passed() && result.total == 0);
    }

    #[test]
    fn exact_means_the_nearest_single() {
        let tolerance = Tolerance { exact: true, ..Tolerance::default() };
        assert!(compare(&[f64::from(0.1_f32)], &want(&[0.1]), &tolerance, true).passed());
        assert!(!compare(&[f64::from(0.1_f32)], &want(&[0.1]), &tolerance, false).passed());
        // And nothing near it.
        let generous = Tolerance { atol: 1.0, ..tolerance };
        assert!(!compare(&[0.5], &want(&[0.25]), &generous, true).passed());
    }
}
