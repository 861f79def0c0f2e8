//! A convolution written out as the matrix that it is.

use super::{Geometry, Window};
use crate::error::{Error, Result};
use crate::problem::{Conv, PaddingMode};
use crate::tensor::TensorName;

/// Most elements of a written-out matrix.
pub const MAX_MATRIX_LEN: usize = 1 << 24;

/// A dense matrix, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All values, row-major.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// One row. Panics when there is no such row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..][..self.columns]
    }

    /// The transpose: of a convolution, the matrix of its transposed convolution.
    #[must_use]
    pub fn transpose(&self) -> Matrix {
        let values = (0..self.columns).flat_map(|c| (0..self.rows).map(move |r| self.values[r * self.columns + c]));
        Matrix { rows: self.columns, columns: self.rows, values: values.collect() }
    }

    /// `y = A·x`.
    pub fn multiply(&self, x: &[f64]) -> Result<Vec<f64>> {
        if x.len() != self.columns {
            return Err(Error::Shape { tensor: TensorName::Input, got: vec![x.len()], want: vec![self.columns] });
        }
        let dot = |row: &[f64]| row.iter().zip(x).map(|(a, x)| a * x).sum();
        Ok(self.values.chunks(self.columns).map(dot).collect())
    }
}

/// The matrix A of a convolution with the given weights: `y = A·x` for one image, flattened (c_in, input) to (c_out,
/// out). Groups, stride, dilation, padding and its modes and `flip_kernel` are in it; batch and epilogue are not. It
/// may have up to 2^24 elements ([`MAX_MATRIX_LEN`]).
///
/// ```
/// use wgconv::{Conv, convolution_matrix};
/// let a = convolution_matrix(&Conv::new(1, 1, [4], 1, [3]).padding([[1, 0]]), &[1.0, 2.0, 3.0])?;
/// assert_eq!(a.row(0), [2.0, 3.0, 0.0, 0.0]);
/// assert_eq!(a.row(1), [1.0, 2.0, 3.0, 0.0]);
/// assert_eq!(a.row(2), [0.0, 1.0, 2.0, 3.0]);
/// # Ok::<(), wgconv::Error>(())
/// ```
pub fn convolution_matrix(problem: &Conv, weight: &[f32]) -> Result<Matrix> {
    let geometry = Geometry::new(&problem.clone().into())?;
    // Cannot be missing: a convolution has a window and a weight.
    let window = geometry.window().expect("a window");
    let spec = geometry.tensor(TensorName::Weight).expect("a weight");
    if weight.len() != spec.len() {
        return Err(Error::Shape { tensor: spec.name, got: vec![weight.len()], want: spec.shape.clone() });
    }
    let (rows, columns) = (window.c_out * window.output_len(), window.c_in * window.input_len());
    let Some(len) = rows.checked_mul(columns).filter(|&len| len <= MAX_MATRIX_LEN) else {
        return Err(Error::Unsupported {
            what: format!("a convolution matrix of {rows} x {columns}"),
            reason: format!("it may have at most {MAX_MATRIX_LEN} elements"),
        });
    };
    let mut values = vec![0.0; len];
    let (c_in_group, taps) = (window.c_in_per_group(), window.kernel_len());
    for (row, row_values) in values.chunks_mut(columns).enumerate() {
        let (co, out) = (row / window.output_len(), unflatten(row % window.output_len(), window.output));
        let first_channel = co / window.c_out_per_group() * c_in_group;
        for tap in 0..taps {
            let Some(at) = source(window, out, unflatten(tap, window.kernel), problem.padding_mode) else { continue };
            let stored = if problem.flip_kernel { taps - 1 - tap } else { tap };
            for ci in 0..c_in_group {
                let column = (first_channel + ci) * window.input_len() + at;
                // Several taps can read one element where the padding repeats it.
                row_values[column] += f64::from(weight[(co * c_in_group + ci) * taps + stored]);
            }
        }
    }
    Ok(Matrix { rows, columns, values })
}

fn unflatten(index: usize, extents: [usize; 3]) -> [usize; 3] {
    [index / (extents[1] * extents[2]), index / extents[2] % extents[1], index % extents[2]]
}

/// Flat index of the element that a tap reads, if it reads one.
fn source(window: &Window, out: [usize; 3], tap: [usize; 3], mode: PaddingMode) -> Option<usize> {
    let mut flat = 0;
    for axis in 0..3 {
        let extent = window.input[axis];
        // Position in the padded input; geometry keeps it below 2^31.
        let padded = out[axis] * window.stride[axis] + tap[axis] * window.dilation[axis];
        let begin = window.pad_begin[axis];
        let at = match mode {
            PaddingMode::Zeros => padded.checked_sub(begin).filter(|&at| at < extent)?,
            PaddingMode::Replicate => padded.saturating_sub(begin).min(extent - 1),
            // Cannot underflow: circular padding is at most the extent.
            PaddingMode::Circular => (padded + extent - begin) % extent,
            PaddingMode::Reflect => {
                let distance = padded.abs_diff(begin);
                if distance < extent { distance } else { 2 * (extent - 1) - distance }
            }
        };
        flat = flat * extent + at;
    }
    Some(flat)
}
