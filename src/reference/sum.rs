//! Sums with what is needed to bound the error of any other way to form them.

use super::{Inputs, Outcome, parallel, tensor};
use crate::error::Result;
use crate::memory;
use crate::problem::{Activation, Epilogue};
use crate::tensor::TensorName;

/// Unit roundoff of binary32.
pub(crate) const U: f64 = 1.0 / (1 << 24) as f64;

/// Smallest normal binary32 number: what a device that flushes subnormals loses at most.
pub(crate) const TINY: f64 = f32::MIN_POSITIVE as f64;

/// `n·u / (1 - n·u)`: the relative error of `n` roundings in sequence (Higham, Accuracy and Stability of Numerical
/// Algorithms, lemma 3.1).
pub(crate) fn gamma(n: usize) -> f64 {
    let nu = n as f64 * U;
    if nu < 1.0 { nu / (1.0 - nu) } else { f64::INFINITY }
}

/// A sum of products.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    pub value: f64,
    /// Σ|a||b|
    pub magnitude: f64,
    /// Number of products.
    pub terms: usize,
    /// Error of the factors themselves, where they are not inputs.
    pub slack: f64,
}

impl Sum {
    pub fn add_product(&mut self, a: f64, b: f64) {
        self.add(a * b);
    }

    pub fn add(&mut self, term: f64) {
        self.value += term;
        self.magnitude += term.abs();
        self.terms += 1;
    }

    /// Adds `factor` times another sum, as all its products.
    pub fn add_scaled(&mut self, other: &Sum, factor: f64) {
        self.value += factor * other.value;
        self.magnitude += factor.abs() * other.magnitude;
        self.slack += factor.abs() * other.slack;
        self.terms += other.terms;
    }

    /// Adds the product of two sums, as the products of all their terms.
    pub fn add_product_of_sums(&mut self, a: &Sum, b: &Sum) {
        self.value += a.value * b.value;
        self.magnitude += a.magnitude * b.magnitude;
        self.slack += a.slack * (b.magnitude + b.slack) + a.magnitude * b.slack;
        // A stage whose taps all read zero still takes part.
        self.terms += a.terms * b.terms.max(1);
    }
}

/// Adds bias and residual and applies the activation. `bias_of` maps a flat output index to that of its bias.
pub(crate) fn finish(
    shape: Vec<usize>,
    mut sums: Vec<Sum>,
    epilogue: &Epilogue,
    bias_shape: &[usize],
    bias_of: impl Fn(usize) -> usize,
    inputs: &Inputs,
) -> Result<Outcome> {
    if epilogue.bias {
        let bias = tensor(inputs, TensorName::Bias, bias_shape)?;
        sums.iter_mut().enumerate().for_each(|(i, sum)| sum.add(bias[bias_of(i)].into()));
    }
    if epilogue.residual {
        let residual = tensor(inputs, TensorName::Residual, &shape)?;
        sums.iter_mut().zip(residual).for_each(|(sum, &r)| sum.add(r.into()));
    }
    outcome(shape, &sums, epilogue.activation)
}

/// Values and bounds of finished sums.
pub(crate) fn outcome(shape: Vec<usize>, sums: &[Sum], activation: Activation) -> Result<Outcome> {
    let terms = sums.iter().map(|sum| sum.terms).max().unwrap_or(0);
    let bound = |sum: &Sum| {
        let linear = gamma(terms + 2) * sum.magnitude + terms as f64 * TINY + sum.slack;
        lipschitz(activation) * linear + activation_error(activation, sum.value)
    };
    Ok(Outcome {
        shape,
        output: memory::collect(parallel::WHAT, sums.iter().map(|sum| activate(activation, sum.value)))?,
        magnitude: memory::collect(parallel::WHAT, sums.iter().map(|sum| sum.magnitude))?,
        terms,
        indices: None,
        bounds: memory::collect(parallel::WHAT, sums.iter().map(bound))?,
    })
}

/// The activation functions in f64. NaN stays NaN.
pub fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        // Not `max`, which drops NaN.
        Activation::Relu => {
            if x < 0.0 {
                0.0
            } else {
                x
            }
        }
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::LeakyRelu { slope } => {
            if x < 0.0 {
                f64::from(slope) * x
            } else {
                x
            }
        }
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        // erfc keeps the relative accuracy of the left tail.
        Activation::Gelu => 0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            0.5 * x * (1.0 + inner.tanh())
        }
    }
}

/// Upper bound of |activation'|: what it multiplies an error of its argument with.
fn lipschitz(activation: Activation) -> f64 {
    match activation {
        Activation::Identity | Activation::Relu | Activation::Relu6 => 1.0,
        Activation::LeakyRelu { slope } => f64::from(slope).abs().max(1.0),
        // The maxima are 1.0998 near x = 2.40, 3/2 at x = 3, 1.1290 at x = √2 and about the same.
        Activation::Silu => 1.1,
        Activation::HardSwish => 1.5,
        Activation::Gelu | Activation::GeluTanh => 1.13,
    }
}

/// Error of evaluating an activation in f32 with the accuracy that WGSL promises for its built-in functions.
fn activation_error(activation: Activation, x: f64) -> f64 {
    let (size, result) = (x.abs(), activate(activation, x).abs());
    match activation {
        Activation::Identity | Activation::Relu | Activation::Relu6 => 0.0,
        Activation::LeakyRelu { .. } => 2.0 * U * result,
        // x + 3, two products and a division of 2.5 ulp (5u).
        Activation::HardSwish => 8.0 * U * result + TINY,
        // exp has 3 + 2|x| ulp, the division 2.5. exp(-x) overflows from x = -88.7 on, where the result is -3e-37.
        Activation::Silu => (16.0 + 4.0 * size) * U * result + 1e-36,
        // 1 + erf cancels for negative x, so the error is absolute in the bracket: erf to 1.5e-7 (2.5u; Abramowitz and
        // Stegun 7.1.26 or better), exp and the roundings of the argument. tanh likewise through exp.
        Activation::Gelu | Activation::GeluTanh => 12.0 * U * size + TINY,
    }
}
