//! Names, element types, shapes and strided layouts of the tensors that an operation reads and writes.

use std::collections::BTreeMap;
use std::fmt;

use half::f16;

use crate::error::{Error, Result};

/// The role of a tensor in an operation. The names are those of the public documentation and of case files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TensorName {
    /// Activations, N C spatial. For col2im the columns, N (C·∏k) L.
    Input,
    /// Kernel weights, O (I/groups) k; transposed: I (O/groups) k; locally connected: Ho Wo O (I/groups) kh kw.
    Weight,
    /// Vertical factor of a spatially separable kernel, C kh.
    WeightV,
    /// Horizontal factor of a spatially separable kernel, C kw.
    WeightH,
    /// Depthwise stage of a depthwise separable convolution, (C·multiplier) 1 kh kw.
    WeightDw,
    /// Pointwise stage of a depthwise separable convolution, O (C·multiplier) 1 1.
    WeightPw,
    /// One value per output channel; locally connected: O Ho Wo.
    Bias,
    /// Added to the result before the activation; the output's shape.
    Residual,
    /// Deformable sampling displacements, N (2·offset_groups·kh·kw) Ho Wo, in input pixels.
    Offset,
    /// Deformable modulation, N (offset_groups·kh·kw) Ho Wo.
    Mask,
    /// The result.
    Output,
    /// Of max pooling: flat row-major index of the maximum in the unpadded input plane, `u32`; a maximum that lies
    /// in the padding has index `u32::MAX`.
    Indices,
    /// What a backward pass starts from: the derivative of a loss with respect to the output, of its shape.
    GradOutput,
    /// Gradient of the input, of its shape; likewise the following.
    GradInput,
    /// Gradient of the weight.
    GradWeight,
    /// Gradient of the vertical factor.
    GradWeightV,
    /// Gradient of the horizontal factor.
    GradWeightH,
    /// Gradient of the depthwise weight.
    GradWeightDw,
    /// Gradient of the pointwise weight.
    GradWeightPw,
    /// Gradient of the bias.
    GradBias,
    /// Gradient of the residual.
    GradResidual,
    /// Gradient of the sampling offsets.
    GradOffset,
    /// Gradient of the modulation.
    GradMask,
}

impl TensorName {
    /// Every name.
    pub const ALL: [TensorName; 23] = [
        TensorName::Input,
        TensorName::Weight,
        TensorName::WeightV,
        TensorName::WeightH,
        TensorName::WeightDw,
        TensorName::WeightPw,
        TensorName::Bias,
        TensorName::Residual,
        TensorName::Offset,
        TensorName::Mask,
        TensorName::Output,
        TensorName::Indices,
        TensorName::GradOutput,
        TensorName::GradInput,
        TensorName::GradWeight,
        TensorName::GradWeightV,
        TensorName::GradWeightH,
        TensorName::GradWeightDw,
        TensorName::GradWeightPw,
        TensorName::GradBias,
        TensorName::GradResidual,
        TensorName::GradOffset,
        TensorName::GradMask,
    ];

    /// The name as case files and the command line spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            TensorName::Input => "input",
            TensorName::Weight => "weight",
            TensorName::WeightV => "weight_v",
            TensorName::WeightH => "weight_h",
            TensorName::WeightDw => "weight_dw",
            TensorName::WeightPw => "weight_pw",
            TensorName::Bias => "bias",
            TensorName::Residual => "residual",
            TensorName::Offset => "offset",
            TensorName::Mask => "mask",
            TensorName::Output => "output",
            TensorName::Indices => "indices",
            TensorName::GradOutput => "grad_output",
            TensorName::GradInput => "grad_input",
            TensorName::GradWeight => "grad_weight",
            TensorName::GradWeightV => "grad_weight_v",
            TensorName::GradWeightH => "grad_weight_h",
            TensorName::GradWeightDw => "grad_weight_dw",
            TensorName::GradWeightPw => "grad_weight_pw",
            TensorName::GradBias => "grad_bias",
            TensorName::GradResidual => "grad_residual",
            TensorName::GradOffset => "grad_offset",
            TensorName::GradMask => "grad_mask",
        }
    }

    /// The name of this tensor's gradient; `None` for indices and for what is a gradient already.
    pub fn gradient(self) -> Option<TensorName> {
        Some(match self {
            TensorName::Input => TensorName::GradInput,
            TensorName::Weight => TensorName::GradWeight,
            TensorName::WeightV => TensorName::GradWeightV,
            TensorName::WeightH => TensorName::GradWeightH,
            TensorName::WeightDw => TensorName::GradWeightDw,
            TensorName::WeightPw => TensorName::GradWeightPw,
            TensorName::Bias => TensorName::GradBias,
            TensorName::Residual => TensorName::GradResidual,
            TensorName::Offset => TensorName::GradOffset,
            TensorName::Mask => TensorName::GradMask,
            TensorName::Output => TensorName::GradOutput,
            _ => return None,
        })
    }

    /// Whether it has an image axis first and may lie in memory as a [`Layout`] says: activations do, weights and biases
    /// are contiguous and shared by all images.
    pub fn is_per_image(self) -> bool {
        use TensorName::*;
        match self {
            Input | Residual | Offset | Mask | Output | Indices => true,
            GradOutput | GradInput | GradResidual | GradOffset | GradMask => true,
            Weight | WeightV | WeightH | WeightDw | WeightPw | Bias => false,
            GradWeight | GradWeightV | GradWeightH | GradWeightDw | GradWeightPw | GradBias => false,
        }
    }

    /// The tensor of that name.
    pub fn parse(name: &str) -> Option<TensorName> {
        TensorName::ALL.into_iter().find(|tensor| tensor.as_str() == name)
    }
}

impl fmt::Display for TensorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Data of the tensors that an operation reads: row-major, contiguous.
pub type Inputs = BTreeMap<TensorName, Vec<f32>>;

/// Element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// A real number, stored as [`Options::storage`](crate::Options::storage) says.
    Real,
    /// Unsigned 32-bit integer.
    U32,
}

impl ElementType {
    /// Bytes of one element.
    pub fn bytes(self, storage: Storage) -> u64 {
        match self {
            ElementType::Real => storage.bytes(),
            ElementType::U32 => 4,
        }
    }
}

/// How the real numbers of an operation's tensors lie in their buffers. Sums are f32 whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Storage {
    /// IEEE binary32.
    #[default]
    F32,
    /// IEEE binary16, two bytes each. What is written is rounded to one of the two nearest values, as the device does it;
    /// beyond 65504 it may become infinite. A buffer holds a multiple of four bytes: a tensor of an odd number of elements
    /// takes two bytes more.
    F16,
}

impl Storage {
    /// Every storage.
    pub const ALL: [Storage; 2] = [Storage::F32, Storage::F16];

    /// Bytes of one real number.
    pub fn bytes(self) -> u64 {
        match self {
            Storage::F32 => 4,
            Storage::F16 => 2,
        }
    }

    /// The value that is stored for a number: the nearest, the even one of two that are as near.
    pub fn round(self, value: f32) -> f32 {
        match self {
            Storage::F32 => value,
            Storage::F16 => f16::from_f32(value).to_f32(),
        }
    }

    /// What is stored for every tensor.
    pub fn round_all(self, inputs: &Inputs) -> Inputs {
        let rounded = |values: &Vec<f32>| values.iter().map(|&value| self.round(value)).collect();
        inputs.iter().map(|(&name, values)| (name, rounded(values))).collect()
    }

    /// What storing a number may err by: so much of it, and so much on top. A device may round up or down, which is one
    /// spacing of f16, and may flush what is below its least normal number. Nothing for f32, in which numbers are computed.
    pub fn error(self) -> (f64, f64) {
        match self {
            Storage::F32 => (0.0, 0.0),
            Storage::F16 => (1.0 / 1024.0, 1.0 / 16384.0),
        }
    }

    /// `f32` or `f16`.
    pub fn name(self) -> &'static str {
        match self {
            Storage::F32 => "f32",
            Storage::F16 => "f16",
        }
    }

    /// The storage of that name.
    pub fn parse(name: &str) -> Option<Storage> {
        Storage::ALL.into_iter().find(|storage| storage.name() == name)
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Bytes that so many elements take in a buffer: storage bindings are multiples of four bytes.
pub(crate) fn buffer_bytes(elements: u64, element: u64) -> u64 {
    elements.saturating_mul(element).next_multiple_of(4)
}

/// Whether an operation reads or writes a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Access {
    /// Read only.
    Read,
    /// Written whole.
    Write,
    /// Read and written whole: accumulated into.
    Update,
}

/// What the geometry of a problem says about one of its tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its role.
    pub name: TensorName,
    /// Its extents, outermost first.
    pub shape: Vec<usize>,
    /// Its element type.
    pub element: ElementType,
    /// Read or written.
    pub access: Access,
}

impl TensorSpec {
    /// Number of elements. Geometry has checked that it fits.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of its elements.
    pub fn bytes(&self, storage: Storage) -> u64 {
        self.len() as u64 * self.element.bytes(storage)
    }

    /// Whether there is no element. Geometry rejects empty tensors.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a strided [`Layout`] may describe it: activations yes, weights and bias are contiguous.
    pub fn takes_layout(&self) -> bool {
        self.name.is_per_image()
    }
}

/// Where the elements of a tensor lie in its binding: a start and one stride per axis, all in elements.
///
/// A layout is made for a parent shape and then narrowed:
///
/// ```
/// use wgconv::Layout;
/// // Channels 64..128 of a 1x256x56x56 NCHW tensor: concatenation for free.
/// let slice = Layout::contiguous(&[1, 256, 56, 56]).slice(1, 64);
/// assert_eq!(slice.offset, 64 * 56 * 56);
/// // The same tensor held channels-last; shapes stay N C H W.
/// let nhwc = Layout::channels_last(&[1, 256, 56, 56]);
/// assert_eq!(nhwc.strides, [256 * 56 * 56, 1, 56 * 256, 256]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Layout {
    /// Position of the first element, in elements from the start of the binding.
    pub offset: usize,
    /// Distance between neighbours along each axis, in elements. Zero repeats an element (inputs only).
    pub strides: Vec<usize>,
}

impl Layout {
    /// Row-major: the last axis is dense. N C spatial for activations.
    pub fn contiguous(shape: &[usize]) -> Self {
        let mut strides = vec![1_usize; shape.len()];
        for axis in (0..shape.len().saturating_sub(1)).rev() {
            strides[axis] = strides[axis + 1].saturating_mul(shape[axis + 1]);
        }
        Layout { offset: 0, strides }
    }

    /// Channels-last (N spatial C in memory) for a shape given as N C spatial.
    pub fn channels_last(shape: &[usize]) -> Self {
        let mut strides = vec![1_usize; shape.len()];
        let mut step: usize = shape.get(1).copied().unwrap_or(1);
        for axis in (2..shape.len()).rev() {
            strides[axis] = step;
            step = step.saturating_mul(shape[axis]);
        }
        if let Some(batch) = strides.first_mut() {
            *batch = step;
        }
        Layout { offset: 0, strides }
    }

    /// The same elements from `start` on along `axis`. Panics when the layout has no such axis.
    #[must_use]
    pub fn slice(mut self, axis: usize, start: usize) -> Self {
        self.offset = self.offset.saturating_add(start.saturating_mul(self.strides[axis]));
        self
    }

    /// Elements from the start of the binding to one past the last element that `shape` reaches.
    pub fn span(&self, shape: &[usize]) -> Option<usize> {
        let mut last = self.offset;
        for (&extent, &stride) in shape.iter().zip(&self.strides) {
            last = last.checked_add(extent.checked_sub(1)?.checked_mul(stride)?)?;
        }
        last.checked_add(1)
    }

    /// Whether it is [`Layout::contiguous`] from element zero.
    pub fn is_contiguous(&self, shape: &[usize]) -> bool {
        self.offset == 0 && self.is_dense(shape)
    }

    /// Whether the strides are those of [`Layout::contiguous`], axes of extent one aside; the offset may be any.
    pub fn is_dense(&self, shape: &[usize]) -> bool {
        let dense = Layout::contiguous(shape);
        shape.iter().zip(&self.strides).zip(&dense.strides).all(|((&n, &s), &d)| n == 1 || s == d)
    }

    /// Checks that the layout fits the tensor, stays within 32-bit indices and, for a written tensor, that no two
    /// positions share an element.
    pub fn check(&self, spec: &TensorSpec) -> Result<()> {
        let fail = |rule: String| Err(Error::Layout { tensor: spec.name, rule });
        if self.strides.len() != spec.shape.len() {
            return fail(format!("{} strides for {} axes", self.strides.len(), spec.shape.len()));
        }
        if !spec.takes_layout() && !self.is_contiguous(&spec.shape) {
            return fail("weights and biases are contiguous".into());
        }
        match self.span(&spec.shape) {
            Some(span) if span <= i32::MAX as usize => {}
            _ => return fail("it must end within 2^31 - 1 elements".into()),
        }
        if spec.access != Access::Read {
            // Sorted by stride, each axis must step over everything that the finer axes reach.
            let mut axes: Vec<(usize, usize)> =
                self.strides.iter().copied().zip(spec.shape.iter().copied()).filter(|&(_, n)| n > 1).collect();
            axes.sort_unstable();
            let mut reach = 0;
            for (stride, extent) in axes {
                if stride <= reach {
                    return fail(format!(
                        "a written tensor needs distinct elements, strides {:?} overlap",
                        self.strides
                    ));
                }
                reach += (extent - 1) * stride;
            }
        }
        Ok(())
    }

    /// Copies a contiguous tensor to where this layout puts it. Elements of `into` that no position reaches stay.
    /// Panics when `dense` or `into` is too short.
    pub fn scatter<T: Copy>(&self, shape: &[usize], dense: &[T], into: &mut [T]) {
        let mut next = dense.iter();
        self.for_each(shape, |ix| {
            if let Some(value) = next.next() {
                into[ix] = *value;
            }
        });
    }

    /// Collects a tensor that lies as this layout says into a contiguous one. Panics when `from` is too short.
    pub fn gather<T: Copy>(&self, shape: &[usize], from: &[T]) -> Vec<T> {
        let mut dense = Vec::with_capacity(shape.iter().product());
        self.for_each(shape, |ix| dense.push(from[ix]));
        dense
    }

    /// Visits the element of every position in row-major order.
    fn for_each(&self, shape: &[usize], mut visit: impl FnMut(usize)) {
        let mut position = vec![0; shape.len()];
        let total: usize = shape.iter().product();
        let mut ix = self.offset;
        for _ in 0..total {
            visit(ix);
            for axis in (0..shape.len()).rev() {
                position[axis] += 1;
                ix += self.strides[axis];
                if position[axis] < shape[axis] {
                    break;
                }
                ix -= position[axis] * self.strides[axis];
                position[axis] = 0;
            }
        }
    }
}
