//! The launches of one part of a batch while they are put together.

use super::WORKSPACE_ALIGNMENT;
use crate::kernels::task::Slot;
use crate::program::{Dispatch, Operand, View};
use crate::tensor::Layout;

/// Launches in order, with the workspace that they share.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Builder {
    pub dispatches: Vec<Dispatch>,
    pub workspace_bytes: u64,
    /// The launches that pack the weights.
    pub packing: Vec<Dispatch>,
    pub packed_bytes: u64,
    /// Where the next reservation starts.
    next: u64,
}

impl Builder {
    /// Reserves a contiguous N C spatial tensor in the workspace.
    pub fn reserve(&mut self, shape: &[usize]) -> Option<Slot> {
        let (bytes, view) = contiguous(shape)?;
        let offset = self.next;
        self.next = (offset + bytes).next_multiple_of(WORKSPACE_ALIGNMENT);
        self.workspace_bytes = self.workspace_bytes.max(self.next);
        Some(Slot { operand: Operand::Workspace { offset, bytes }, view })
    }

    /// Reserves so many elements behind everything that the dispatches so far use.
    pub fn append(&mut self, elements: usize) -> Option<Slot> {
        self.next = self.workspace_bytes;
        self.reserve(&[elements])
    }

    /// Reserves a contiguous tensor among the packed weights.
    pub fn reserve_packed(&mut self, shape: &[usize]) -> Option<Slot> {
        let (bytes, view) = contiguous(shape)?;
        let offset = self.packed_bytes;
        self.packed_bytes = (offset + bytes).next_multiple_of(WORKSPACE_ALIGNMENT);
        Some(Slot { operand: Operand::Packed { offset, bytes }, view })
    }

    /// What is reserved so far; [`Builder::release`] gives back what came later.
    pub fn mark(&self) -> u64 {
        self.next
    }

    /// Lets later dispatches use the workspace from a mark on: those before have run by then.
    pub fn release(&mut self, mark: u64) {
        self.next = mark;
    }
}

/// Bytes of an element in workspace and packed weights, which hold f32 whatever the storage of the tensors.
const WORKSPACE_ELEMENT: u64 = 4;

/// Bytes and view of a contiguous tensor; `None` beyond what a shader can index.
fn contiguous(shape: &[usize]) -> Option<(u64, View)> {
    let elements = shape.iter().try_fold(1_u64, |product, &n| product.checked_mul(n as u64))?;
    let view = View::new(&Layout::contiguous(shape));
    (elements <= i32::MAX as u64).then_some((elements * WORKSPACE_ELEMENT, view))
}
