//! Pooling.

use super::sum::{Sum, TINY, U, gamma, outcome};
use super::window::{Axis, axes, element, indices, unflatten};
use super::{Inputs, Outcome, activations, parallel, tensor};
use crate::error::Result;
use crate::memory;
use crate::problem::{Activation, PaddingMode, Pool, PoolMode};
use crate::tensor::TensorName;

/// The windows of one pooling problem over its input.
pub(super) struct Windows<'a> {
    pub x: &'a [f32],
    pub window: [Axis; 3],
    pub out: [usize; 3],
    pub shape: Vec<usize>,
}

/// What one tap of a window sees.
pub(super) enum Tap {
    /// An element and its flat index in the plane.
    Element(f64, usize),
    /// The declared padding.
    Padding,
}

impl<'a> Windows<'a> {
    pub fn new(p: &Pool, inputs: &'a Inputs) -> Result<Self> {
        let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
        let out = window.map(|axis| if p.ceil_mode { axis.windows_with_overhang() } else { axis.windows() });
        let x = tensor(inputs, TensorName::Input, &activations(p.batch, p.channels, &p.input))?;
        let shape = activations(p.batch, p.channels, &out[3 - p.input.rank()..]);
        Ok(Windows { x, window, out, shape })
    }

    /// The taps of output `i` in scan order. Overhang beyond the declared padding is no tap at all.
    pub fn taps(&self, i: usize) -> impl Iterator<Item = Tap> {
        let out_len: usize = self.out.iter().product();
        let in_len: usize = self.window.iter().map(|axis| axis.input).product();
        let (plane, o) = (i / out_len, unflatten(i % out_len, self.out));
        // As long as the data, however large the kernel.
        indices([0, 1, 2].map(|a| self.window[a].taps(o[a]))).filter_map(move |tap| {
            match element(&self.window, o, tap, PaddingMode::Zeros) {
                Some(at) => Some(Tap::Element(self.x[plane * in_len + at].into(), at)),
                None => {
                    let declared = (0..3).all(|a| self.window[a].declares(self.window[a].position(o[a], tap[a])));
                    declared.then_some(Tap::Padding)
                }
            }
        })
    }

    fn elements(&self, i: usize) -> impl Iterator<Item = f64> {
        self.taps(i).filter_map(|tap| match tap {
            Tap::Element(x, _) => Some(x),
            Tap::Padding => None,
        })
    }

    /// One value for each output.
    fn map<T: Default + Send>(&self, one: impl Fn(usize) -> T + Sync) -> Result<Vec<T>> {
        parallel::map(self.shape.iter().product(), one)
    }
}

pub(super) fn pool(p: &Pool, inputs: &Inputs) -> Result<Outcome> {
    let windows = Windows::new(p, inputs)?;
    match p.mode {
        PoolMode::Max { pad_value, indices } => max(windows, pad_value, indices),
        PoolMode::Average { count_include_pad, divisor_override } => {
            average(windows, count_include_pad, divisor_override)
        }
        PoolMode::Lp { p } => lp(windows, p.into()),
    }
}

/// The first maximum in scan order; the first NaN, if there is one.
fn max(windows: Windows, pad_value: Option<f32>, with_indices: bool) -> Result<Outcome> {
    let one = |i: usize| {
        let mut best: Option<(f64, u32)> = None;
        for tap in windows.taps(i) {
            let (x, index) = match (tap, pad_value) {
                (Tap::Element(x, at), _) => (x, at as u32),
                (Tap::Padding, Some(value)) => (f64::from(value), u32::MAX),
                (Tap::Padding, None) => continue,
            };
            if best.is_none_or(|(most, _)| x > most || (x.is_nan() && !most.is_nan())) {
                best = Some((x, index));
            }
        }
        // Nothing takes part where a dilated window steps over the input.
        best.unwrap_or((f64::NEG_INFINITY, u32::MAX))
    };
    let winners = windows.map(one)?;
    let output = memory::collect(parallel::WHAT, winners.iter().map(|&(value, _)| value))?;
    let indices = || memory::collect(parallel::WHAT, winners.iter().map(|&(_, index)| index));
    let indices = with_indices.then(indices).transpose()?;
    Ok(Outcome { indices, ..Outcome::copied(windows.shape, output)? })
}

fn average(windows: Windows, count_include_pad: bool, divisor_override: Option<usize>) -> Result<Outcome> {
    let one = |i: usize| {
        let mut sum = Sum::default();
        windows.elements(i).for_each(|x| sum.add(x));
        let divisor = divisor_override
            .unwrap_or_else(|| if count_include_pad { windows.taps(i).count() } else { windows.elements(i).count() });
        sum.value /= divisor as f64;
        sum.magnitude /= divisor as f64;
        sum.slack = 6.0 * U * sum.value.abs() + TINY;
        sum
    };
    let sums = windows.map(one)?;
    outcome(windows.shape, &sums, Activation::Identity)
}

/// `(Σ |x|^p)^(1/p)`. The magnitude is that of the sum under the root.
fn lp(windows: Windows, p: f64) -> Result<Outcome> {
    let power = |x: f64| x.abs().powf(p);
    let sum_of_powers = |i: usize| {
        let mut sum = Sum::default();
        windows.elements(i).for_each(|x| sum.add(power(x)));
        sum
    };
    let sums = windows.map(sum_of_powers)?;
    let terms = sums.iter().map(|sum| sum.terms).max().unwrap_or(0);
    let bound = |i: usize| {
        let total = sums[i].value;
        let worst_power = windows.elements(i).map(|x| pow_error(x.abs(), p)).fold(0.0, f64::max);
        // All terms are positive, so their relative error is that of the sum.
        let relative = gamma(terms + 2) + worst_power;
        let absolute = total * relative + terms as f64 * TINY;
        let root = |s: f64| s.max(0.0).powf(1.0 / p);
        let moved = (root(total + absolute) - root(total)).max(root(total) - root(total - absolute));
        moved + pow_error(total, 1.0 / p) * root(total) + TINY
    };
    let bounds = windows.map(bound)?;
    let output = memory::collect(parallel::WHAT, sums.iter().map(|sum| sum.value.powf(1.0 / p)))?;
    let magnitude = memory::collect(parallel::WHAT, sums.iter().map(|sum| sum.magnitude))?;
    Ok(Outcome { shape: windows.shape, output, magnitude, terms, indices: None, bounds })
}

/// Relative error that WGSL allows `pow(x, p) = exp2(p·log2(x))`: log2 to 3 ulp or 2^-21, exp2(t) to 3 + 2|t| ulp.
pub(super) fn pow_error(x: f64, p: f64) -> f64 {
    if x == 0.0 || p == 1.0 {
        return 0.0;
    }
    let log = x.log2().abs();
    let exponent_error = p * (6.0 * U * log + 8.0 * U) + U * p * log;
    exponent_error * std::f64::consts::LN_2 + (3.0 + 2.0 * p * log) * 2.0 * U
}
