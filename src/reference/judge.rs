//! The one rule by which numbers are right or wrong.

/// How far a result in f32 is from what is wanted, in units of what it may err by: up to 1 it is right.
///
/// - What is equal is 0 apart: zeros of both signs, infinities of one sign, and NaN where NaN is wanted, as in
///   `numpy.testing.assert_allclose`.
/// - NaN is infinitely far from every number, an infinity from everything else, whatever the tolerance.
/// - An infinity is right where a number is wanted that rounds to it.
///
/// ```
/// use wgconv::reference::error_over_tolerance;
/// assert_eq!(error_over_tolerance(1.5, 1.0, 0.25), 2.0);
/// assert_eq!(error_over_tolerance(f64::INFINITY, f64::INFINITY, 0.0), 0.0);
/// assert_eq!(error_over_tolerance(1.0, f64::INFINITY, f64::INFINITY), f64::INFINITY);
/// ```
pub fn error_over_tolerance(got: f64, want: f64, tolerance: f64) -> f64 {
    let nearest = f64::from(want as f32);
    if got == want || (got.is_nan() && want.is_nan()) || (got.is_infinite() && got == nearest) {
        return 0.0;
    }
    let ratio = (got - want).abs() / tolerance;
    // A maximum of ratios would drop a NaN.
    if got.is_finite() && want.is_finite() && !ratio.is_nan() { ratio } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;

    #[test]
    fn equal_is_equal_and_nothing_else_passes_for_what_is_no_number() {
        for tolerance in [0.0, 1e-6, 1e300, INF, NAN] {
            for same in [0.0, -0.0, 1.0, INF, -INF, NAN] {
                assert_eq!(error_over_tolerance(same, same, tolerance), 0.0, "{same} within {tolerance}");
            }
            assert_eq!(error_over_tolerance(-0.0, 0.0, tolerance), 0.0);
            // What rounds to it: the largest f32 and half a step.
            assert_eq!(error_over_tolerance(INF, 3.5e38, tolerance), 0.0);
            assert_eq!(error_over_tolerance(-INF, -1e300, tolerance), 0.0);
            for (got, want) in [
                (NAN, 1.0),
                (1.0, NAN),
                (NAN, INF),
                (INF, NAN),
                (INF, -INF),
                (-INF, INF),
                (1e30, INF),
                (INF, 1e30),
                (-INF, 3.5e38),
            ] {
                assert_eq!(error_over_tolerance(got, want, tolerance), INF, "{got} for {want} within {tolerance}");
            }
        }
    }

    #[test]
    fn numbers_are_as_far_apart_as_they_may_err() {
        assert_eq!(error_over_tolerance(2.0, 1.0, 1.0), 1.0);
        assert_eq!(error_over_tolerance(1.0, 2.0, 0.5), 2.0);
        assert_eq!(error_over_tolerance(1.0, 2.0, 0.0), INF);
        assert_eq!(error_over_tolerance(1.0, 2.0, NAN), INF);
        // A bound that overflowed allows every number.
        assert_eq!(error_over_tolerance(1.0, 2.0, INF), 0.0);
    }
}
