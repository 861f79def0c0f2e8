//! Where the bindings of a program lie, and its parameters with every start filled in.

use super::kernel::MOST_BINDINGS;
use super::{Dispatch, Operand, Params, Program};
use crate::capabilities::Capabilities;
use crate::error::{Error, Result};
use crate::tensor::{Access, TensorName, buffer_bytes};

/// Bytes of a dummy binding, one that a shader declares and does not touch: enough for any minimum binding size, and for the next
/// one to be aligned.
pub const UNUSED_BYTES: u64 = 256;

/// Bytes of a dummy buffer, which holds a dummy for each binding that a kernel may have. A host has two, one for what is read and one
/// for what is written, as one dispatch may not bind a buffer both ways.
pub const DUMMY_BYTES: u64 = UNUSED_BYTES * MOST_BINDINGS;

/// What a binding lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// A tensor of the problem.
    Tensor(TensorName),
    /// The workspace.
    Workspace,
    /// The packed weights.
    Packed,
    /// A dummy buffer that is not touched.
    Unused,
}

/// The bytes behind a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What it lies in.
    pub memory: Memory,
    /// Start within the memory, a multiple of the storage alignment.
    pub offset: u64,
    /// Length.
    pub bytes: u64,
}

/// A launch of a run, ready to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Which of [`Program::launches`] it is: hosts compile each of those once.
    pub launch: usize,
    /// The bytes behind each of the kernel's storage bindings, in order.
    pub spans: Vec<Span>,
    /// Contents of the uniform at binding 0.
    pub params: Params,
    /// Workgroups in each dimension.
    pub grid: [u32; 3],
    /// Images that it computes.
    pub images: usize,
    /// The first of them.
    pub first_image: usize,
}

impl Program {
    /// The launches that pack the weights, for the device that the program was chosen for. Allocates the list, and the spans and the
    /// parameters of each step. [`Error::Limit`] where a grid has no room on a device with other limits.
    pub fn packing_steps(&self, capabilities: &Capabilities) -> Result<Vec<Step>> {
        let images = self.images_at_once();
        let step = |(launch, dispatch)| self.step(launch, dispatch, images, 0, capabilities);
        self.packing.iter().enumerate().map(step).collect()
    }

    /// The launches of the whole batch in order, for the device that the program was chosen for. Each sees what the one before has
    /// written. Allocates and fails as [`Program::packing_steps`] does.
    pub fn steps(&self, capabilities: &Capabilities) -> Result<Vec<Step>> {
        let mut steps = Vec::with_capacity(self.dispatch_count());
        let (mut first_launch, mut first_image) = (self.packing.len(), 0);
        for part in &self.parts {
            for _ in 0..part.count {
                for (launch, dispatch) in (first_launch..).zip(&part.dispatches) {
                    steps.push(self.step(launch, dispatch, part.images, first_image, capabilities)?);
                }
                first_image += part.images;
            }
            first_launch += part.dispatches.len();
        }
        Ok(steps)
    }

    fn step(
        &self,
        launch: usize,
        dispatch: &Dispatch,
        images: usize,
        first_image: usize,
        capabilities: &Capabilities,
    ) -> Result<Step> {
        let grid = dispatch.grid_within(capabilities.max_workgroups_per_dimension)?;
        let (spans, params) = self.place(dispatch, images, first_image, capabilities.storage_alignment)?;
        Ok(Step { launch, spans, params, grid, images, first_image })
    }

    /// The spans of one dispatch in the order of its bindings, for so many images from `first_image` on, and its
    /// parameters with every tensor's start. Bindings start at multiples of `alignment` bytes.
    fn place(
        &self,
        dispatch: &Dispatch,
        images: usize,
        first_image: usize,
        alignment: u32,
    ) -> Result<(Vec<Span>, Params)> {
        let kernel = dispatch.variant.kernel;
        let mut params = dispatch.params.clone();
        let mut spans = Vec::with_capacity(kernel.bindings.len());
        // What all images share is summed over the parts of the batch.
        let accumulates = |access, name: TensorName| first_image > 0 && access != Access::Read && !name.is_per_image();
        for (binding, (spec, operand)) in (0..).zip(kernel.bindings.iter().zip(&dispatch.operands)) {
            spans.push(match *operand {
                Operand::Tensor(name) => {
                    let (span, base) = self.tensor(name, images, first_image, alignment)?;
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
    fn tensor(&self, name: TensorName, images: usize, first_image: usize, alignment: u32) -> Result<(Span, u32)> {
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
        let offset = start - start % u64::from(alignment);
        let end = buffer_bytes(layout.span(&shape).unwrap_or(usize::MAX) as u64, element);
        let span = Span { memory: Memory::Tensor(name), offset, bytes: end - offset };
        Ok((span, ((start - offset) / element) as u32))
    }
}
