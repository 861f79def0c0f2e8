//! The backward pass of an operation.

use std::collections::BTreeSet;

use super::{Activation, Epilogue, PoolMode, Problem};
use crate::tensor::TensorName;

/// Gradients of `L = Σ output · grad_output` with respect to some of the tensors that an operation reads.
///
/// Tensors: `grad_output` with the shape of the output; those tensors of the operation that the wanted gradients depend
/// on ([`Gradient::needs`]); and for every wanted tensor its gradient, with its shape, named by
/// [`TensorName::gradient`]. All gradients of one plan share what they have in common: the output before an activation,
/// the columns, the sampling of a deformable convolution.
///
/// Gradients are the same bits every time on one device, whatever the operation, unless
/// [`Algorithm::AtomicScatter`](crate::Algorithm::AtomicScatter) is asked for.
///
/// ```
/// use wgconv::{Conv, Geometry, Gradient, TensorName};
/// let conv = Conv::new(8, 64, [56, 56], 64, [3, 3]).padding(1).bias(true);
/// let backward = Gradient::all(conv).beta(1.0);
/// let geometry = Geometry::new(&backward.into())?;
/// assert_eq!(geometry.tensor(TensorName::GradWeight).unwrap().shape, [64, 64, 3, 3]);
/// # Ok::<(), wgconv::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Gradient {
    /// The operation.
    pub of: Box<Problem>,
    /// The tensors of the operation whose gradients are computed.
    pub wanted: BTreeSet<TensorName>,
    /// Factor of what the gradients' buffers held before, which is added to the result. Zero overwrites without reading.
    #[cfg_attr(feature = "serde", serde(default))]
    pub beta: f32,
}

impl Gradient {
    /// Of some tensors, overwriting.
    pub fn new(of: impl Into<Problem>, wanted: impl IntoIterator<Item = TensorName>) -> Self {
        Gradient { of: Box::new(of.into()), wanted: wanted.into_iter().collect(), beta: 0.0 }
    }

    /// Of every tensor that the operation reads.
    pub fn all(of: impl Into<Problem>) -> Self {
        let of = of.into();
        let wanted = of.differentiable();
        Gradient::new(of, wanted)
    }

    /// Accumulates: `gradient = beta · (what the buffer holds) + gradient`.
    #[must_use]
    pub fn beta(mut self, beta: f32) -> Self {
        self.beta = beta;
        self
    }

    /// Whether the gradient of a tensor is wanted.
    pub fn wants(&self, name: TensorName) -> bool {
        self.wanted.contains(&name)
    }

    /// The tensors of the operation that the wanted gradients depend on. With an activation these are all that it reads:
    /// its output before the activation is recomputed.
    pub fn needs(&self) -> BTreeSet<TensorName> {
        use TensorName::{Input, Mask, Offset, Weight, WeightDw, WeightH, WeightPw, WeightV};
        let all = self.of.differentiable();
        if self.of.epilogue().is_some_and(|epilogue| epilogue.activation != Activation::Identity) {
            return all.into_iter().collect();
        }
        let sampling: &[TensorName] = match &*self.of {
            Problem::DeformConv2d(p) if p.mask => &[Offset, Mask],
            _ => &[Offset],
        };
        let mut needs = BTreeSet::new();
        for name in &self.wanted {
            let more: &[TensorName] = match (&*self.of, name) {
                (_, TensorName::Bias | TensorName::Residual) => &[],
                (Problem::Conv(_) | Problem::ConvTranspose(_) | Problem::LocallyConnected2d(_), Input) => &[Weight],
                (Problem::Conv(_) | Problem::ConvTranspose(_) | Problem::LocallyConnected2d(_), _) => &[Input],
                (Problem::DeformConv2d(_), Input) => &[Weight],
                (Problem::DeformConv2d(_), Weight) => &[Input],
                (Problem::DeformConv2d(_), _) => &[Input, Weight],
                (Problem::SpatialSeparable2d(_), Input) => &[WeightV, WeightH],
                (Problem::SpatialSeparable2d(_), WeightV) => &[Input, WeightH],
                (Problem::SpatialSeparable2d(_), _) => &[Input, WeightV],
                (Problem::DepthwiseSeparable2d(_), Input) => &[WeightDw, WeightPw],
                (Problem::DepthwiseSeparable2d(_), WeightDw) => &[Input, WeightPw],
                (Problem::DepthwiseSeparable2d(_), _) => &[Input, WeightDw],
                (Problem::Pool(p), _) if !matches!(p.mode, PoolMode::Average { .. }) => &[Input],
                _ => &[],
            };
            needs.extend(more);
            if matches!(&*self.of, Problem::DeformConv2d(_)) && !matches!(name, TensorName::Bias | TensorName::Residual)
            {
                needs.extend(sampling);
            }
        }
        needs
    }
}

impl Problem {
    /// The tensors that [`Gradient`] can differentiate with respect to: all that the operation reads. A gradient itself
    /// has none: second derivatives are not served.
    pub fn differentiable(&self) -> Vec<TensorName> {
        let mut names = vec![TensorName::Input];
        match self {
            Problem::Conv(_) | Problem::ConvTranspose(_) | Problem::LocallyConnected2d(_) => {
                names.push(TensorName::Weight);
            }
            Problem::DeformConv2d(p) => {
                names.extend([TensorName::Weight, TensorName::Offset]);
                names.extend(p.mask.then_some(TensorName::Mask));
            }
            Problem::SpatialSeparable2d(_) => names.extend([TensorName::WeightV, TensorName::WeightH]),
            Problem::DepthwiseSeparable2d(_) => names.extend([TensorName::WeightDw, TensorName::WeightPw]),
            Problem::Pool(_)
            | Problem::DepthToSpace(_)
            | Problem::SpaceToDepth(_)
            | Problem::Im2col(_)
            | Problem::Col2im(_) => {}
            Problem::Gradient(_) => names.clear(),
        }
        if let Some(epilogue) = self.epilogue() {
            names.extend(epilogue.bias.then_some(TensorName::Bias));
            names.extend(epilogue.residual.then_some(TensorName::Residual));
        }
        names
    }

    /// The same operation without its activation.
    pub(crate) fn before_activation(&self) -> Problem {
        let mut problem = self.clone();
        if let Some(epilogue) = problem.epilogue_mut() {
            epilogue.activation = Activation::Identity;
        }
        problem
    }

    fn epilogue_mut(&mut self) -> Option<&mut Epilogue> {
        match self {
            Problem::Conv(p) => Some(&mut p.epilogue),
            Problem::ConvTranspose(p) => Some(&mut p.epilogue),
            Problem::DeformConv2d(p) => Some(&mut p.epilogue),
            Problem::LocallyConnected2d(p) => Some(&mut p.epilogue),
            Problem::SpatialSeparable2d(p) => Some(&mut p.epilogue),
            Problem::DepthwiseSeparable2d(p) => Some(&mut p.epilogue),
            _ => None,
        }
    }
}
