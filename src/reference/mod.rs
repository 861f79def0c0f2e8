//! CPU oracles in f64, written from the mathematics: plain loops, no code shared with the shaders or with what
//! prepares them beyond the problem types. Extents are found by counting window positions. Large problems are shared by
//! threads, as many as the machine runs at once or the system lets start; where memory does not suffice, the answer is
//! [`Error::Memory`].

mod conv;
mod conv_transpose;
mod cooperative;
mod deform;
mod gradient;
mod judge;
mod locally_connected;
mod parallel;
mod pool;
mod rearrange;
mod separable;
mod sum;
mod window;
mod winograd;

pub use deform::{Corner, bilinear, bilinear_corners};
pub use gradient::{activation_derivative, gradients};
pub use judge::error_over_tolerance;
pub use sum::activate;

pub use crate::tensor::Inputs;

use crate::algorithm::Algorithm;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::memory;
use crate::problem::Problem;
use crate::tensor::{Storage, TensorName};

/// What an operation yields.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Shape of the output.
    pub shape: Vec<usize>,
    /// The output, after the epilogue.
    pub output: Vec<f64>,
    /// For each output Σ|a||b| over its products, with |bias| and |residual|: the scale of its rounding errors.
    pub magnitude: Vec<f64>,
    /// The most products accumulated into one output, bias and residual included.
    pub terms: usize,
    /// Of max pooling: the flat position of each maximum in the input plane, `u32::MAX` in the padding.
    pub indices: Option<Vec<u32>>,
    bounds: Vec<f64>,
}

impl Outcome {
    /// The largest allowed |got - want| of element `i` for a computation in f32, whatever its order of summation.
    ///
    /// With K = `terms`, u = 2^-24 and γ(n) = n·u/(1 - n·u):
    ///
    /// - A sum of products errs by at most γ(K+2)·magnitude: every product goes through at most K roundings, one more
    ///   where a weight is itself a product, and there is one to spare. Flushed subnormals add K·2^-126.
    /// - An activation multiplies that with its Lipschitz constant and adds its own error: a few u of the result, for
    ///   gelu of the argument (1 + erf cancels), for silu growing with |x| as WGSL's `exp` does.
    /// - A deformable sample is Σ corner weight · pixel. Each corner weight takes three roundings, the product, the sum
    ///   of four and the mask five more: 9u per product. Where the sampling coordinate is not exact in f32 it errs by
    ///   2u(|y| + 1), times the steepest slope nearby.
    /// - A mean adds 6u of the result for its division.
    /// - An lp norm takes each power with the error that WGSL allows `pow`, and the root divides it by p.
    /// - Maxima and moved elements are exact: zero.
    /// - A gradient starts from `grad_output · activation'(pre)`. Its error is that of `pre` times the largest
    ///   |activation''|, the whole jump of the derivative where `pre` may lie on either side of a kink, and the
    ///   derivative's own evaluation. A sampling coordinate that is not exact in f32 moves every corner's share by as much
    ///   as it errs itself, and may land in the neighbouring cell, whose derivative is another.
    ///
    /// Where the output is not finite the bound is not either: [`error_over_tolerance`] compares the class instead.
    pub fn tolerance(&self, i: usize) -> f64 {
        self.bounds[i]
    }

    /// With bounds for a result that was stored: of f16, wider by the distance of neighbours at the largest value that the
    /// bounds allow, as a device may round up or down, and by the largest subnormal, as it may flush those to zero.
    #[must_use]
    pub fn stored(mut self, storage: Storage) -> Outcome {
        // Not for f32: nothing times infinity is no number.
        if storage == Storage::F16 {
            let (relative, absolute) = storage.error();
            for (bound, value) in self.bounds.iter_mut().zip(&self.output) {
                *bound += relative * (value.abs() + *bound) + absolute;
            }
        }
        self
    }

    /// Elements that are copies of inputs.
    fn copied(shape: Vec<usize>, output: Vec<f64>) -> Result<Self> {
        let magnitude = memory::collect(parallel::WHAT, output.iter().map(|x| x.abs()))?;
        let bounds = memory::filled(parallel::WHAT, output.len(), 0.0)?;
        Ok(Outcome { shape, output, magnitude, terms: 1, indices: None, bounds })
    }
}

/// Computes a problem. The inputs must have the number of elements that the problem defines.
///
/// ```
/// use wgconv::reference::{Inputs, run};
/// use wgconv::{Conv, TensorName};
/// let problem = Conv::new(1, 1, [4], 1, [2]).into();
/// let inputs =
///     Inputs::from([(TensorName::Input, vec![1.0, 2.0, 4.0, 8.0]), (TensorName::Weight, vec![-1.0, 1.0])]);
/// assert_eq!(run(&problem, &inputs)?.output, [1.0, 2.0, 4.0]);
/// # Ok::<(), wgconv::Error>(())
/// ```
pub fn run(problem: &Problem, inputs: &Inputs) -> Result<Outcome> {
    outcome_by(problem, inputs, None)
}

/// Computes a problem and what `algorithm` may err by: the values of [`run`], and wider bounds where the algorithm is no
/// plain sum of the problem's products. Winograd's adds and subtracts neighbours first, so that its bound depends on the
/// largest values around an output and not on the output's own products alone; cooperative matrices have factors of fewer
/// bits, scaled together.
pub fn run_by(problem: &Problem, inputs: &Inputs, algorithm: Algorithm) -> Result<Outcome> {
    outcome_by(problem, inputs, Some(algorithm))
}

fn outcome_by(problem: &Problem, inputs: &Inputs, algorithm: Option<Algorithm>) -> Result<Outcome> {
    // Refuses what has no meaning, so that the loops need no checks. Its extents are not used.
    Geometry::new(problem)?;
    match problem {
        Problem::Conv(p) => conv::conv(p, inputs, algorithm),
        Problem::ConvTranspose(p) => conv_transpose::conv_transpose(p, inputs),
        Problem::DeformConv2d(p) => deform::deform_conv2d(p, inputs),
        Problem::LocallyConnected2d(p) => locally_connected::locally_connected2d(p, inputs),
        Problem::SpatialSeparable2d(p) => separable::spatial_separable2d(p, inputs),
        Problem::DepthwiseSeparable2d(p) => separable::depthwise_separable2d(p, inputs),
        Problem::Pool(p) => pool::pool(p, inputs),
        Problem::DepthToSpace(p) => rearrange::depth_to_space(p, inputs),
        Problem::SpaceToDepth(p) => rearrange::space_to_depth(p, inputs),
        Problem::Im2col(p) => rearrange::im2col(p, inputs),
        Problem::Col2im(p) => rearrange::col2im(p, inputs),
        Problem::Gradient(_) => Err(no_single_output(problem)),
    }
}

/// A backward pass has one outcome for each tensor: [`gradients`] computes it.
fn no_single_output(problem: &Problem) -> Error {
    let reason = "the reference computes it by `gradients` of the operation";
    Error::Unsupported { what: problem.op_name(), reason: reason.into() }
}

/// An input with the shape that the oracle derived.
fn tensor<'a>(inputs: &'a Inputs, name: TensorName, shape: &[usize]) -> Result<&'a [f32]> {
    let data =
        inputs.get(&name).ok_or_else(|| Error::invalid(name.as_str(), "nothing", "the problem reads this tensor"))?;
    if data.len() != shape.iter().product::<usize>() {
        return Err(Error::Shape { tensor: name, got: vec![data.len()], want: shape.to_vec() });
    }
    Ok(data)
}

/// N C spatial.
fn activations(batch: usize, channels: usize, spatial: &[usize]) -> Vec<usize> {
    [&[batch, channels], spatial].concat()
}
