//! Gradients of `L = Σ output · grad_output`, each a plain sum over the products of the operation that its tensor takes
//! part in. What follows the accumulation comes first: every sum below starts from `grad_output · activation'(pre)`,
//! where `pre` is the output before its activation.

mod activation;
mod conv;
mod deform;
mod links;
mod locally_connected;
mod pool;
mod rearrange;
mod separable;

use std::collections::BTreeMap;

pub use activation::activation_derivative;

use super::sum::{Sum, U, outcome};
use super::window::axes;
use super::{Inputs, Outcome, activations, no_single_output, parallel, run};
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::memory;
use crate::problem::{Activation, Problem};
use crate::tensor::TensorName;

/// Gradients of `L = Σ output · grad_output` with respect to the wanted tensors of the problem, by name. In each
/// [`Outcome`], `output` is the gradient and `shape` that of the tensor; magnitude, terms and tolerance are those of a
/// computation in f32, in any order, with `pre` recomputed in f32 too.
///
/// Only tensors that a gradient depends on are read: that of a convolution's weight needs no weight, unless an
/// activation has to know the output.
///
/// Where L has no derivative, these are the conventions (PyTorch's and torchvision's):
///
/// - A maximum sends its gradient to the first winner in scan order; padding that wins swallows it.
/// - Bilinear interpolation at an integer coordinate has the derivative of the cell `floor(y)..floor(y)+1`, the
///   right-hand one: at y = -1, where the sample is 0, that of the cell towards the image; at y = height zero.
/// - A sampling point that is NaN or infinite contributes nothing to any gradient.
/// - An lp norm has the derivative 0 where it is 0, and with respect to every element that is 0.
/// - Kinks of activations: see [`activation_derivative`].
///
/// ```
/// use wgconv::reference::{Inputs, gradients};
/// use wgconv::{Conv, TensorName};
/// let problem = Conv::new(1, 1, [4], 1, [2]).into();
/// let inputs =
///     Inputs::from([(TensorName::Input, vec![1.0, 2.0, 4.0, 8.0]), (TensorName::Weight, vec![-1.0, 1.0])]);
/// let grads = gradients(&problem, &inputs, &[1.0, 0.0, 10.0], &[TensorName::Input, TensorName::Weight])?;
/// assert_eq!(grads[&TensorName::Input].output, [-1.0, 1.0, -10.0, 10.0]);
/// assert_eq!(grads[&TensorName::Weight].output, [41.0, 82.0]);
/// # Ok::<(), wgconv::Error>(())
/// ```
pub fn gradients(
    problem: &Problem,
    inputs: &Inputs,
    grad_output: &[f32],
    wanted: &[TensorName],
) -> Result<BTreeMap<TensorName, Outcome>> {
    // Refuses what has no meaning, so that the loops need no checks. Its extents are not used.
    Geometry::new(problem)?;
    if matches!(problem, Problem::Gradient(_)) {
        return Err(no_single_output(problem));
    }
    let names = problem.differentiable();
    if let Some(name) = wanted.iter().find(|name| !names.contains(name)) {
        let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
        let rule = format!("this {} has gradients for {}", problem.op_name(), names.join(", "));
        return Err(Error::invalid("wanted gradient", name, rule));
    }
    let shape = output_shape(problem);
    if grad_output.len() != shape.iter().product::<usize>() {
        let rule = format!("it has the output's shape {shape:?}");
        return Err(Error::invalid("grad_output", format!("{} elements", grad_output.len()), rule));
    }
    let grad = through_activation(problem, inputs, grad_output)?;
    let one = |&name: &TensorName| Ok((name, gradient(problem, name, inputs, &grad, &shape)?));
    wanted.iter().map(one).collect()
}

/// One gradient. `grad` is that of the output before its activation.
fn gradient(
    problem: &Problem,
    name: TensorName,
    inputs: &Inputs,
    grad: &[Sum],
    output_shape: &[usize],
) -> Result<Outcome> {
    match name {
        TensorName::Bias => return bias(problem, grad, output_shape),
        TensorName::Residual => return residual(problem, grad, output_shape),
        _ => {}
    }
    match problem {
        Problem::Conv(p) => conv::conv(p, name, inputs, grad),
        Problem::ConvTranspose(p) => conv::conv_transpose(p, name, inputs, grad),
        Problem::DeformConv2d(p) => deform::deform_conv2d(p, name, inputs, grad),
        Problem::LocallyConnected2d(p) => locally_connected::locally_connected2d(p, name, inputs, grad),
        Problem::SpatialSeparable2d(p) => separable::spatial_separable2d(p, name, inputs, grad),
        Problem::DepthwiseSeparable2d(p) => separable::depthwise_separable2d(p, name, inputs, grad),
        Problem::Pool(p) => pool::pool(p, inputs, grad),
        Problem::DepthToSpace(p) => rearrange::depth_to_space(p, grad),
        Problem::SpaceToDepth(p) => rearrange::space_to_depth(p, grad),
        Problem::Im2col(p) => rearrange::im2col(p, grad),
        Problem::Col2im(p) => rearrange::col2im(p, grad),
        Problem::Gradient(_) => Err(no_single_output(problem)),
    }
}

/// `grad_output · activation'(pre)`, one product each.
fn through_activation(problem: &Problem, inputs: &Inputs, grad_output: &[f32]) -> Result<Vec<Sum>> {
    let term = |value: f64, slack: f64| Sum { value, magnitude: value.abs(), terms: 1, slack };
    let activation = problem.epilogue().map_or(Activation::Identity, |epilogue| epilogue.activation);
    if activation == Activation::Identity {
        return memory::collect(parallel::WHAT, grad_output.iter().map(|&g| term(g.into(), 0.0)));
    }
    let pre = run(&problem.before_activation(), inputs)?;
    let one = |(i, &g): (usize, &f32)| {
        let g = f64::from(g);
        let value = g * activation_derivative(activation, pre.output[i]);
        let slack = g.abs() * activation::derivative_error(activation, pre.output[i], pre.tolerance(i));
        term(value, slack + U * value.abs())
    };
    memory::collect(parallel::WHAT, grad_output.iter().enumerate().map(one))
}

/// The sum of the output gradients that a bias was added to.
fn bias(problem: &Problem, grad: &[Sum], output_shape: &[usize]) -> Result<Outcome> {
    let spatial: usize = output_shape[2..].iter().product();
    let (shape, len_of_one) = match problem {
        Problem::LocallyConnected2d(_) => (output_shape[1..].to_vec(), 1),
        _ => (vec![output_shape[1]], spatial),
    };
    let biases: usize = shape.iter().product();
    let mut sums = memory::filled(parallel::WHAT, biases, Sum::default())?;
    for (i, grad) in grad.iter().enumerate() {
        sums[i / len_of_one % biases].add_scaled(grad, 1.0);
    }
    outcome(shape, &sums, Activation::Identity)
}

/// The gradient of the output before its activation; without one, the gradient that came in.
fn residual(problem: &Problem, grad: &[Sum], output_shape: &[usize]) -> Result<Outcome> {
    match problem.epilogue().map(|epilogue| epilogue.activation) {
        Some(Activation::Identity) | None => {
            let values = memory::collect(parallel::WHAT, grad.iter().map(|sum| sum.value))?;
            Outcome::copied(output_shape.to_vec(), values)
        }
        Some(_) => outcome(output_shape.to_vec(), grad, Activation::Identity),
    }
}

/// Shape of the output, its extents found by counting windows.
fn output_shape(problem: &Problem) -> Vec<usize> {
    macro_rules! windows {
        ($p:expr, $input:expr) => {
            axes($input, $p.kernel, $p.stride, $p.padding, $p.dilation).map(|axis| axis.windows())
        };
    }
    let shape = |batch, channels, out: [usize; 3], rank: usize| activations(batch, channels, &out[3 - rank..]);
    match problem {
        Problem::Conv(p) => shape(p.batch, p.c_out, windows!(p, p.input), p.input.rank()),
        Problem::ConvTranspose(p) => shape(p.batch, p.c_out, conv::transposed_extents(p), p.input.rank()),
        Problem::DeformConv2d(p) => shape(p.batch, p.c_out, windows!(p, p.input), 2),
        Problem::LocallyConnected2d(p) => shape(p.batch, p.c_out, windows!(p, p.input), 2),
        Problem::SpatialSeparable2d(p) => shape(p.batch, p.channels, windows!(p, p.input), 2),
        Problem::DepthwiseSeparable2d(p) => shape(p.batch, p.c_out, windows!(p, p.input), 2),
        Problem::Pool(p) => {
            let window = axes(p.input, p.kernel, p.stride, p.padding, p.dilation);
            let out = window.map(|axis| if p.ceil_mode { axis.windows_with_overhang() } else { axis.windows() });
            shape(p.batch, p.channels, out, p.input.rank())
        }
        Problem::DepthToSpace(p) => {
            vec![p.batch, p.channels / p.block / p.block, p.input[0] * p.block, p.input[1] * p.block]
        }
        Problem::SpaceToDepth(p) => {
            vec![p.batch, p.channels * p.block * p.block, p.input[0] / p.block, p.input[1] / p.block]
        }
        Problem::Im2col(p) => {
            let taps: usize = p.kernel.iter().product();
            vec![p.batch, p.channels * taps, windows!(p, p.input).iter().product()]
        }
        Problem::Col2im(p) => activations(p.batch, p.channels, &p.output),
        Problem::Gradient(_) => Vec::new(),
    }
}
