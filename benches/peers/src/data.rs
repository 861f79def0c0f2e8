//! The numbers that every runner gets, and what must come of them.

use std::collections::BTreeMap;
use std::path::Path;

use wgconv::reference::{self, Outcome};
use wgconv::{Access, Geometry, Gradient, Inputs, Problem, Storage, TensorName};

use crate::error::{Error, Result};
use crate::protocol::{Pass, Precision, TensorFile};

/// Unit roundoff of a factor in TF32 and in f16, which have 11 bits.
const ROUNDOFF_OF_11_BITS: f64 = 1.0 / 2048.0;

/// Tensors with their shapes.
pub type Shaped = BTreeMap<TensorName, (Vec<usize>, Vec<f32>)>;

/// The same on every run and machine: offsets of up to two pixels, masks from 0 to 1, everything else from -1 to 1.
/// Libraries may differ where a derivative jumps, so there is nothing to differ about: no offset is a whole number, and
/// no two values of a pooled tensor are equal.
pub fn inputs(problem: &Problem, pass: Pass) -> Result<Shaped> {
    let geometry = Geometry::new(problem)?;
    let mut tensors: Vec<(TensorName, Vec<usize>)> = geometry
        .tensors()
        .iter()
        .filter(|spec| spec.access == Access::Read)
        .map(|spec| (spec.name, spec.shape.clone()))
        .collect();
    if pass == Pass::ForwardBackward {
        tensors.push((TensorName::GradOutput, geometry.output_shape().to_vec()));
    }
    let pooled = matches!(problem, Problem::Pool(_));
    let filled = tensors.into_iter().enumerate().map(|(i, (name, shape))| {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (i as u64 + 1));
        let value = |i: usize| match name {
            TensorName::Offset => (f32::from(random.bits(12) as i16 - 2048) + 0.5) / 1024.0,
            TensorName::Input if pooled => scattered(i as u32),
            TensorName::Mask => f32::from(random.bits(16)) / 65536.0,
            _ => f32::from(random.bits(16)) / 32768.0 - 1.0,
        };
        let data = (0..shape.iter().product()).map(value).collect();
        (name, (shape, data))
    });
    Ok(filled.collect())
}

/// From -1 to 1, another value for each of the first 2^24 numbers: D. Knuth's multiplicative hash.
fn scattered(i: u32) -> f32 {
    let hash = i.wrapping_mul(0x9e37_79b1) & 0x00ff_ffff;
    hash as f32 / (1 << 23) as f32 - 1.0
}

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    /// The upper bits are the better ones.
    fn bits(&mut self, count: u32) -> u16 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> (64 - count)) as u16
    }
}

/// What must come of a case, by the f64 reference.
pub struct Expected {
    outcomes: BTreeMap<TensorName, Outcome>,
}

impl Expected {
    /// Runs the reference.
    pub fn of(problem: &Problem, pass: Pass, inputs: &Inputs) -> Result<Expected> {
        let mut outcomes = BTreeMap::from([(TensorName::Output, reference::run(problem, inputs)?)]);
        if pass == Pass::ForwardBackward {
            let upstream = inputs.get(&TensorName::GradOutput).map_or(&[][..], Vec::as_slice);
            for (name, outcome) in reference::gradients(problem, inputs, upstream, &problem.differentiable())? {
                outcomes.insert(name.gradient().unwrap_or(name), outcome);
            }
        }
        Ok(Expected { outcomes })
    }

    /// Names and shapes of what a runner has to write.
    pub fn shapes(&self) -> impl Iterator<Item = (TensorName, &[usize])> {
        self.outcomes.iter().map(|(&name, outcome)| (name, &outcome.shape[..]))
    }

    /// The values, rounded.
    pub fn rounded(&self, name: TensorName) -> Option<Vec<f32>> {
        Some(self.outcomes.get(&name)?.output.iter().map(|&value| value as f32).collect())
    }

    /// How far each tensor is off. Infinitely where a file is missing or too short, or a value is no number.
    pub fn errors(
        &self,
        precision: Precision,
        mut got: impl FnMut(TensorName) -> Option<Vec<f32>>,
    ) -> BTreeMap<TensorName, Deviation> {
        let nothing = Deviation { over_bound: f64::INFINITY, relative: f64::INFINITY };
        let of = |(&name, outcome): (&TensorName, &Outcome)| {
            let deviation = |got: Vec<f32>| Deviation {
                over_bound: worst(outcome, precision, &got),
                relative: relative(&outcome.output, &got),
            };
            (name, got(name).map_or(nothing, deviation))
        };
        self.outcomes.iter().map(of).collect()
    }
}

/// How far a tensor is off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deviation {
    /// Largest error over its bound.
    pub over_bound: f64,
    /// Root mean square of the errors over that of the expected values.
    pub relative: f64,
}

fn relative(expected: &[f64], got: &[f32]) -> f64 {
    if got.len() != expected.len() || got.iter().any(|value| !value.is_finite()) {
        return f64::INFINITY;
    }
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let error = squares(&mut got.iter().zip(expected).map(|(&got, want)| f64::from(got) - want));
    match (error, squares(&mut expected.iter().copied())) {
        (0.0, _) => 0.0,
        (error, scale) => (error / scale).sqrt(),
    }
}

fn worst(expected: &Outcome, precision: Precision, got: &[f32]) -> f64 {
    if got.len() != expected.output.len() {
        return f64::INFINITY;
    }
    let ratio = |(i, (&got, want)): (usize, (&f32, &f64))| {
        // Both factors, and what is of second order.
        let factors = 2.1 * ROUNDOFF_OF_11_BITS * expected.magnitude[i];
        let f32 = expected.tolerance(i);
        let tolerance = match precision {
            Precision::F32 => f32,
            Precision::Tf32 => f32 + factors,
            Precision::F16 => {
                // The result is rounded, too, by a device that may round either way and flush subnormals.
                let (relative, absolute) = Storage::F16.error();
                let bound = f32 + factors;
                bound + relative * (want.abs() + bound) + absolute
            }
        };
        // What must be exact is the nearest f32.
        let want = if tolerance == 0.0 { f64::from(*want as f32) } else { *want };
        match (f64::from(got) - want).abs() {
            0.0 => 0.0,
            // `max` below would drop a NaN.
            error if (error / tolerance).is_nan() => f64::INFINITY,
            error => error / tolerance,
        }
    };
    got.iter().zip(&expected.output).enumerate().map(ratio).fold(0.0, f64::max)
}

/// Every gradient, as a problem.
pub fn backward(problem: &Problem) -> Problem {
    Gradient::all(problem.clone()).into()
}

/// Reads a tensor's file.
pub fn read(file: &TensorFile) -> Result<Vec<f32>> {
    let bytes = std::fs::read(&file.path).map_err(Error::file(&file.path))?;
    let len: usize = file.shape.iter().product();
    if bytes.len() != 4 * len {
        let rule = format!("{len} values of four bytes");
        return Err(Error::invalid(file.path.display().to_string(), format!("{} bytes", bytes.len()), rule));
    }
    Ok(bytes.chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
}

/// Writes a tensor's file.
pub fn write(path: &Path, data: &[f32]) -> Result<()> {
    let bytes: Vec<u8> = data.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(path, bytes).map_err(Error::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgconv::{Conv, DeformConv2d};

    #[test]
    fn data_stays_in_range_and_repeats() {
        let problem: Problem = DeformConv2d::new(1, 4, [9, 9], 4, [3, 3]).mask(true).into();
        let made = inputs(&problem, Pass::ForwardBackward).unwrap();
        assert_eq!(made, inputs(&problem, Pass::ForwardBackward).unwrap());
        let within = |name: TensorName, low: f32, high: f32| made[&name].1.iter().all(|x| (low..=high).contains(x));
        assert!(within(TensorName::Offset, -2.0, 2.0) && within(TensorName::Mask, 0.0, 1.0));
        assert!(within(TensorName::Input, -1.0, 1.0) && within(TensorName::GradOutput, -1.0, 1.0));
        assert!(made[&TensorName::Offset].1.iter().all(|offset| offset.fract() != 0.0));
        let pool: Problem = wgconv::Pool::max(1, 64, [112, 112], [3, 3]).into();
        let mut values = inputs(&pool, Pass::Forward).unwrap()[&TensorName::Input].1.clone();
        values.sort_by(f32::total_cmp);
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn errors_are_of_each_tensor() {
        let problem: Problem = Conv::new(1, 3, [6, 6], 2, [3, 3]).into();
        let made: Inputs = inputs(&problem, Pass::ForwardBackward)
            .unwrap()
            .into_iter()
            .map(|(name, (_, data))| (name, data))
            .collect();
        let expected = Expected::of(&problem, Pass::ForwardBackward, &made).unwrap();
        let right = expected.errors(Precision::F32, |name| expected.rounded(name));
        assert_eq!(right.len(), 3);
        assert!(right.values().all(|error| error.over_bound <= 1.0 && error.relative < 1e-6), "{right:?}");
        let spoilt = expected.errors(Precision::F32, |name| {
            let mut values = expected.rounded(name)?;
            match name {
                TensorName::GradWeight => values[3] += 0.1,
                TensorName::GradInput => values[0] = f32::NAN,
                _ => {}
            }
            Some(values)
        });
        assert!(spoilt[&TensorName::GradWeight].over_bound > 1000.0, "{spoilt:?}");
        assert!(spoilt[&TensorName::GradWeight].relative > 1e-3, "{spoilt:?}");
        assert!(spoilt[&TensorName::Output].over_bound <= 1.0, "{spoilt:?}");
        let nothing = Deviation { over_bound: f64::INFINITY, relative: f64::INFINITY };
        assert_eq!(spoilt[&TensorName::GradInput], nothing);
        // The same error is within TF32's where the sum is as large as this one.
        let coarse = expected.errors(Precision::Tf32, |name| {
            Some(expected.rounded(name)?.iter().map(|value| value * (1.0 + 1e-4)).collect())
        });
        assert!(coarse.values().all(|error| error.over_bound <= 1.0), "{coarse:?}");
        let half = |precision| {
            expected.errors(precision, |name| {
                Some(expected.rounded(name)?.into_iter().map(|x| Storage::F16.round(x)).collect())
            })
        };
        assert!(half(Precision::F16).values().all(|error| error.over_bound <= 1.0 && error.relative < 1e-3));
        assert!(half(Precision::F32).values().all(|error| error.over_bound > 1.0));
        assert!(expected.errors(Precision::F32, |_| None).values().all(|error| *error == nothing));
    }
}
