//! Kernels that are outer products.

use crate::error::{Error, Result};

/// Factors of a separable kernel: `kernel[i][j] = vertical[i]·horizontal[j]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SeparableFactors {
    /// The column filter, as [`SpatialSeparable2d`](crate::SpatialSeparable2d)'s `weight_v`.
    pub vertical: Vec<f32>,
    /// The row filter, as `weight_h`.
    pub horizontal: Vec<f32>,
    /// The largest |kernel - vertical·horizontal|.
    pub residual: f64,
}

/// Factors a row-major `height` x `width` kernel, or returns `None` if it has no rank-one form: if the product of the
/// factors misses an element by more than `tolerance` times the largest element. The largest elements of both factors
/// are equal.
///
/// ```
/// let binomial = [1., 2., 1., 2., 4., 2., 1., 2., 1.];
/// let factors = wgconv::factor_separable(&binomial, [3, 3], 1e-6)?.expect("it is separable");
/// assert_eq!((factors.vertical, factors.horizontal), (vec![1., 2., 1.], vec![1., 2., 1.]));
/// # Ok::<(), wgconv::Error>(())
/// ```
pub fn factor_separable(kernel: &[f32], extents: [usize; 2], tolerance: f64) -> Result<Option<SeparableFactors>> {
    let [height, width] = extents;
    if height.checked_mul(width).is_none_or(|len| len != kernel.len() || len == 0) {
        let rule = format!("height * width must be the {} elements of the kernel, at least one", kernel.len());
        return Err(Error::invalid("extents", format!("{extents:?}"), rule));
    }
    if let Some((i, value)) = kernel.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(Error::invalid(format!("kernel[{i}]"), value, "it must be finite"));
    }
    if !(tolerance >= 0.0 && tolerance.is_finite()) {
        return Err(Error::invalid("tolerance", tolerance, "it must be finite and not negative"));
    }
    // Of a rank-one matrix every row is a multiple of the one through the largest element, and so is every column.
    let largest = (0..kernel.len()).fold(0, |best, i| if kernel[i].abs() > kernel[best].abs() { i } else { best });
    let pivot = f64::from(kernel[largest]);
    let (row, column) = (largest / width, largest % width);
    let scale = pivot.abs().sqrt();
    let factor = |value: f32, sign: f64| if pivot == 0.0 { 0.0 } else { (f64::from(value) * sign / scale) as f32 };
    let vertical: Vec<f32> = (0..height).map(|i| factor(kernel[i * width + column], pivot.signum())).collect();
    let horizontal: Vec<f32> = (0..width).map(|j| factor(kernel[row * width + j], 1.0)).collect();
    let miss = |i: usize| f64::from(kernel[i]) - f64::from(vertical[i / width]) * f64::from(horizontal[i % width]);
    let residual = (0..kernel.len()).map(|i| miss(i).abs()).fold(0.0, f64::max);
    let separable = residual <= tolerance * pivot.abs();
    Ok(separable.then_some(SeparableFactors { vertical, horizontal, residual }))
}
