//! How often a transposed convolution writes each output position: the cause of checkerboard patterns.

use super::receptive_field::gcd;
use super::{Geometry, Window};
use crate::error::{Error, Result};
use crate::problem::ConvTranspose;

/// Most positions that are counted along an axis, or listed for all axes.
const MAX_POSITIONS: usize = 1 << 24;

/// How many (input, tap) pairs land on each output position. Along several axes the counts multiply.
///
/// ```
/// use wgconv::{ConvTranspose, overlap_counts};
/// let uneven = overlap_counts(&ConvTranspose::new(1, 1, [4], 1, [3]).stride(2))?;
/// assert_eq!(uneven.axis(0), [1, 1, 2, 1, 2, 1, 2, 1, 1]);
/// assert!(!uneven.is_uniform());
/// let even = overlap_counts(&ConvTranspose::new(1, 1, [4], 1, [4]).stride(2))?;
/// assert_eq!(even.axis(0), [1, 1, 2, 2, 2, 2, 2, 2, 1, 1]);
/// assert!(even.is_uniform());
/// # Ok::<(), wgconv::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlapCounts {
    axes: Vec<Vec<usize>>,
    uniform: Vec<bool>,
}

impl OverlapCounts {
    /// Counts along a spatial axis, 0 the outermost. Panics when the problem has no such axis.
    pub fn axis(&self, axis: usize) -> &[usize] {
        &self.axes[axis]
    }

    /// Whether the counts of every axis are all equal away from the borders, however large the input: exactly if the
    /// stride divides the kernel and has no common divisor with the dilation.
    pub fn is_uniform(&self) -> bool {
        self.uniform.iter().all(|&uniform| uniform)
    }

    /// The counts of all output positions of one channel, row-major.
    pub fn positions(&self) -> Result<Vec<usize>> {
        let len = self.axes.iter().try_fold(1_usize, |len, axis| len.checked_mul(axis.len()));
        if len.is_none_or(|len| len > MAX_POSITIONS) {
            return Err(too_many(format!(
                "a list of {:?} positions",
                self.axes.iter().map(Vec::len).collect::<Vec<_>>()
            )));
        }
        Ok(self.axes.iter().fold(vec![1], |counts, axis| {
            counts.iter().flat_map(|&outer| axis.iter().map(move |&inner| outer * inner)).collect()
        }))
    }
}

/// Counts what lands on each output position of a transposed convolution, crops and output padding applied.
pub fn overlap_counts(problem: &ConvTranspose) -> Result<OverlapCounts> {
    let geometry = Geometry::new(&problem.clone().into())?;
    // Cannot be missing: a transposed convolution has a window.
    let window = geometry.window().expect("a window");
    let axes = 3 - problem.input.rank()..3;
    Ok(OverlapCounts {
        axes: axes.clone().map(|axis| axis_counts(window, axis)).collect::<Result<_>>()?,
        uniform: axes
            .map(|axis| {
                let (stride, dilation) = (window.stride[axis], window.dilation[axis]);
                window.kernel[axis].is_multiple_of(stride) && gcd(stride, dilation) == 1
            })
            .collect(),
    })
}

fn axis_counts(window: &Window, axis: usize) -> Result<Vec<usize>> {
    let (input, kernel) = (window.input[axis], window.kernel[axis]);
    if window.output[axis] > MAX_POSITIONS || input.checked_mul(kernel).is_none_or(|pairs| pairs > MAX_POSITIONS) {
        return Err(too_many(format!("an axis with {input} inputs, {kernel} taps, {} outputs", window.output[axis])));
    }
    let mut counts = vec![0; window.output[axis]];
    for i in 0..input {
        for k in 0..kernel {
            let full = i * window.stride[axis] + k * window.dilation[axis];
            let position = full.checked_sub(window.pad_begin[axis]);
            if let Some(count) = position.and_then(|position| counts.get_mut(position)) {
                *count += 1;
            }
        }
    }
    Ok(counts)
}

fn too_many(what: String) -> Error {
    Error::Unsupported {
        what: format!("counting the overlaps of {what}"),
        reason: format!("at most {MAX_POSITIONS} positions are counted"),
    }
}
