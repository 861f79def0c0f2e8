//! What one encode consists of: every dispatch of every part of the batch, the bytes behind each of its bindings, and
//! its parameters with every start filled in. [`Bound`](super::Bound) adds buffers, an export writes it down.

use super::program::{Dispatch, Operand, Params};
use crate::choose::Options;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::tensor::{Access, TensorName, buffer_bytes};

/// Bytes that stand in for a tensor that a shader declares and a problem lacks: enough for any minimum binding size, and for
/// the next one to be aligned.
pub(crate) const UNUSED_BYTES: u64 = 256;

/// What a binding lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    /// A tensor of the problem.
    Tensor(TensorName),
    /// The workspace.
    Workspace,
    /// The packed weights.
    Packed,
    /// A stand-in that is not touched.
    Unused,
}

/// The bytes behind a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub memory: Memory,
    /// Start within the memory, a multiple of the storage alignment.
    pub offset: u64,
    pub bytes: u64,
}

/// A run of a part's launches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Number of the part.
    pub part: usize,
    /// Images that it computes.
    pub images: usize,
    /// The first of them.
    pub first_image: usize,
}

/// The runs of a batch in parts, of which each has a number of images and is run a number of times.
pub(crate) fn runs(parts: impl IntoIterator<Item = (usize, usize)>) -> impl Iterator<Item = Run> {
    let mut next = 0;
    parts.into_iter().enumerate().flat_map(|(part, (images, count))| (0..count).map(move |_| (part, images))).map(
        move |(part, images)| {
            let first_image = next;
            next += images;
            Run { part, images, first_image }
        },
    )
}

/// Where the tensors of a plan lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement<'a> {
    pub geometry: &'a Geometry,
    pub options: &'a Options,
    /// Bindings start at multiples of so many bytes.
    pub alignment: u32,
}

impl Placement<'_> {
    /// The spans of one dispatch in the order of its bindings, for so many images from `first_image` on, and its
    /// parameters with every tensor's start.
    pub fn place(&self, dispatch: &Dispatch, images: usize, first_image: usize) -> Result<(Vec<Span>, Params)> {
        let kernel = dispatch.variant.kernel;
        let mut params = dispatch.params.clone();
        let mut spans = Vec::with_capacity(kernel.bindings.len());
        // What all images share is summed over the parts of the batch.
        let accumulates = |access, name: TensorName| first_image > 0 && access != Access::Read && !name.is_per_image();
        for (binding, (spec, operand)) in (0..).zip(kernel.bindings.iter().zip(&dispatch.operands)) {
            spans.push(match *operand {
                Operand::Tensor(name) => {
                    let (span, base) = self.tensor(name, images, first_image)?;
                    params.set_base(spec.name, base);
                    if accumulates(spec.access, name) {
                        params.accumulate();
                    }
                    span
                }
                Operand::Workspace { offset, bytes } => Span { memory: Memory::Workspace, offset, bytes },
                Operand::Widened { tensor, offset, bytes } => {
                    if accumulates(spec.access, tensor) {
                        params.accumulate();
                    }
                    Span { memory: Memory::Workspace, offset, bytes }
                }
                Operand::Packed { offset, bytes } => Span { memory: Memory::Packed, offset, bytes },
                // Browsers refuse two writable bindings of the same bytes, untouched ones too.
                Operand::Unused => Span { memory: Memory::Unused, offset: binding * UNUSED_BYTES, bytes: UNUSED_BYTES },
            });
        }
        Ok((spans, params))
    }

    /// The span of a tensor's images, from an aligned byte at or before them, and the element within it at which they
    /// start.
    fn tensor(&self, name: TensorName, images: usize, first_image: usize) -> Result<(Span, u32)> {
        // Lowering names tensors of the problem alone.
        let missing = || Error::Device(format!("the problem has no {name}"));
        let spec = self.geometry.tensor(name).ok_or_else(missing)?;
        let mut layout = self.options.layout_of(spec);
        let mut shape = spec.shape.clone();
        if spec.takes_layout() {
            layout = layout.slice(0, first_image);
            shape[0] = images;
        }
        let element = spec.element.bytes(self.options.storage);
        let start = layout.offset as u64 * element;
        let offset = start - start % u64::from(self.alignment);
        let end = buffer_bytes(layout.span(&shape).unwrap_or(usize::MAX) as u64, element);
        let span = Span { memory: Memory::Tensor(name), offset, bytes: end - offset };
        Ok((span, ((start - offset) / element) as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_count_the_images_of_every_part() {
        let run = |part, images, first_image| Run { part, images, first_image };
        assert_eq!(runs([(3, 2), (1, 1)]).collect::<Vec<_>>(), [run(0, 3, 0), run(0, 3, 3), run(1, 1, 6)]);
    }
}
