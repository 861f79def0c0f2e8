//! Derivatives of the activation functions, and how far f32 arithmetic may miss them.

use crate::problem::Activation;
use crate::reference::sum::U;

/// The derivative of an activation function in f64. At a kink: 0 for relu at 0 and for relu6 at 0 and at 6, the slope for
/// leaky relu at 0, as in PyTorch; 0 and 1 for hard-swish at -3 and at 3, the derivative of the flat and of the straight
/// piece. Relu and relu6 have the derivative 0 at NaN.
///
/// ```
/// use wgconv::{Activation, reference::activation_derivative};
/// assert_eq!(activation_derivative(Activation::Relu, 0.0), 0.0);
/// assert_eq!(activation_derivative(Activation::Silu, 0.0), 0.5);
/// ```
pub fn activation_derivative(activation: Activation, x: f64) -> f64 {
    use std::f64::consts::{FRAC_1_SQRT_2, PI};
    match activation {
        Activation::Identity => 1.0,
        Activation::Relu => f64::from(u8::from(x > 0.0)),
        Activation::Relu6 => f64::from(u8::from(x > 0.0 && x < 6.0)),
        Activation::LeakyRelu { slope } => {
            if x > 0.0 {
                1.0
            } else {
                f64::from(slope)
            }
        }
        Activation::Silu => {
            let (up, down) = (1.0 / (1.0 + (-x).exp()), 1.0 / (1.0 + x.exp()));
            // 0 · ∞ where the sigmoid has vanished.
            if x.is_infinite() { up } else { up + x * up * down }
        }
        Activation::HardSwish => {
            if x <= -3.0 {
                0.0
            } else if x >= 3.0 {
                1.0
            } else {
                x / 3.0 + 0.5
            }
        }
        Activation::Gelu => {
            let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
            let tail = if density == 0.0 { 0.0 } else { x * density };
            0.5 * libm::erfc(-x * FRAC_1_SQRT_2) + tail
        }
        Activation::GeluTanh => {
            let root = (2.0 / PI).sqrt();
            let tanh = (root * (x + 0.044715 * x * x * x)).tanh();
            let sech2 = (1.0 - tanh) * (1.0 + tanh);
            let inner = root * (1.0 + 3.0 * 0.044715 * x * x);
            0.5 * (1.0 + tanh) + if sech2 == 0.0 { 0.0 } else { 0.5 * x * sech2 * inner }
        }
    }
}

/// Error of a derivative computed in f32 at an argument that is itself wrong by up to `miss`.
pub(super) fn derivative_error(activation: Activation, x: f64, miss: f64) -> f64 {
    let size = x.abs();
    let jump_at = |kink: f64, jump: f64| if (x - kink).abs() <= miss { jump } else { 0.0 };
    match activation {
        Activation::Identity => 0.0,
        Activation::Relu => jump_at(0.0, 1.0),
        Activation::Relu6 => jump_at(0.0, 1.0) + jump_at(6.0, 1.0),
        Activation::LeakyRelu { slope } => jump_at(0.0, (1.0 - f64::from(slope)).abs()),
        // The derivative jumps by 1/2 at both ends and is a quotient and a sum between them, at most 3/2.
        Activation::HardSwish => jump_at(-3.0, 0.5) + jump_at(3.0, 0.5) + miss / 3.0 + 8.0 * U,
        // |silu''| <= 1/2. The sigmoid σ errs by σ(1-σ)·(6 + 4|x|)u through exp and by 5u through the division; that is
        // multiplied by x, and (1-σ)·|x| is bounded where x > 0, σ·x² where x < 0.
        Activation::Silu => miss / 2.0 + (24.0 + 8.0 * size) * U,
        // |gelu''| <= 2/√(2π). 1 + erf errs by 5u (see the error of gelu itself), x·exp(-x²/2) by a few u.
        Activation::Gelu => 0.8 * miss + 32.0 * U,
        // 1 - tanh² errs absolutely; the derivative of the inner polynomial and x multiply that.
        Activation::GeluTanh => 0.85 * miss + 24.0 * (1.0 + size + 0.1 * size * size * size) * U,
    }
}
