//! Pooling.

use super::conv::by_plane;
use crate::error::Result;
use crate::memory;
use crate::problem::{Activation, Pool, PoolMode};
use crate::reference::pool::{Tap, Windows, pool as forward, pow_error};
use crate::reference::sum::{Sum, TINY, U, outcome};
use crate::reference::{Inputs, Outcome, activations, parallel};
use crate::tensor::TensorName;

pub(super) fn pool(p: &Pool, inputs: &Inputs, grad: &[Sum]) -> Result<Outcome> {
    let sums = match p.mode {
        PoolMode::Max { pad_value, .. } => max(p, pad_value, inputs, grad)?,
        PoolMode::Average { count_include_pad, divisor_override } => {
            average(p, count_include_pad, divisor_override, grad)?
        }
        PoolMode::Lp { p: exponent } => lp(p, exponent.into(), inputs, grad)?,
    };
    outcome(activations(p.batch, p.channels, &p.input), &sums, Activation::Identity)
}

/// Every window hands its gradient to its winner.
fn max(p: &Pool, pad_value: Option<f32>, inputs: &Inputs, grad: &[Sum]) -> Result<Vec<Sum>> {
    let with_indices = p.clone().mode(PoolMode::Max { pad_value, indices: true });
    let winners = forward(&with_indices, inputs)?.indices.unwrap_or_default();
    by_input_plane(p, grad.len(), |i, plane| {
        // The index of a winner in the padding lies behind every plane.
        if let Some(sum) = plane.get_mut(winners[i] as usize) {
            sum.add_scaled(&grad[i], 1.0);
        }
    })
}

/// `dx = Σ g / divisor` over the windows that an element is in.
fn average(p: &Pool, count_include_pad: bool, divisor_override: Option<usize>, grad: &[Sum]) -> Result<Vec<Sum>> {
    // A mean is linear: the values do not matter, so the input may be absent.
    let input_len = p.batch * p.channels * p.input.iter().product::<usize>();
    let zeros = Inputs::from([(TensorName::Input, memory::filled(parallel::WHAT, input_len, 0.0)?)]);
    let windows = Windows::new(p, &zeros)?;
    by_input_plane(p, grad.len(), |i, plane| {
        let counts = |tap: &Tap| count_include_pad || matches!(tap, Tap::Element(..));
        let divisor = divisor_override.unwrap_or_else(|| windows.taps(i).filter(counts).count()) as f64;
        for tap in windows.taps(i) {
            if let Tap::Element(_, at) = tap {
                plane[at].add_scaled(&grad[i], 1.0 / divisor);
                plane[at].slack += 6.0 * U * grad[i].magnitude / divisor + TINY;
            }
        }
    })
}

/// `dx = Σ g · sign(x) · (|x| / norm)^(p-1)` over the windows that an element is in; zero where x is.
fn lp(p: &Pool, exponent: f64, inputs: &Inputs, grad: &[Sum]) -> Result<Vec<Sum>> {
    let windows = Windows::new(p, inputs)?;
    let norms = forward(p, inputs)?;
    let power = exponent - 1.0;
    by_input_plane(p, grad.len(), |i, plane| {
        let norm = norms.output[i];
        for tap in windows.taps(i) {
            let Tap::Element(x, at) = tap else { continue };
            if x == 0.0 || norm == 0.0 {
                continue;
            }
            let slope = x.signum() * (x.abs() / norm).powf(power);
            plane[at].add_scaled(&grad[i], slope);
            // The powers of x and of the norm, and the norm's own error, raised to p - 1.
            let log_error = pow_error(x.abs(), power.abs()) + pow_error(norm, power.abs()) + 8.0 * U;
            let norm_error = norms.tolerance(i) / norm;
            let relative = if norm_error < 1.0 {
                (log_error - power.abs() * (-norm_error).ln_1p()).exp_m1()
            } else if power == 0.0 {
                log_error
            } else {
                // The powers may vanish in f32, and the quotient with them. Finite, for gradients that are zero.
                f64::MAX
            };
            plane[at].slack += relative * slope.abs() * grad[i].magnitude + TINY;
        }
    })
}

/// Visits every output with the input plane that its window lies in.
fn by_input_plane(p: &Pool, n_outputs: usize, visit: impl Fn(usize, &mut [Sum]) + Sync) -> Result<Vec<Sum>> {
    let planes = p.batch * p.channels;
    let per_plane = n_outputs / planes;
    by_plane(planes, p.input.iter().product(), |plane_ix, plane| {
        (plane_ix * per_plane..(plane_ix + 1) * per_plane).for_each(|i| visit(i, plane));
    })
}
