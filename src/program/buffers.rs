//! The caller's buffers, and whether they can hold what a program reads and writes.

use std::collections::BTreeMap;

use super::{Memory, Program};
use crate::error::{Error, Result};
use crate::tensor::{Access, TensorName, TensorSpec, buffer_bytes};

/// Where a tensor, the workspace or the packed weights begin. `Id` tells buffers apart: two ranges of equal `id` lie in one buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BufferRange<Id> {
    /// The buffer.
    pub id: Id,
    /// First byte of the range.
    pub offset: u64,
    /// Bytes of the whole buffer.
    pub size: u64,
}

/// Buffers for a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buffers<Id> {
    /// One for each tensor of the problem.
    pub tensors: BTreeMap<TensorName, BufferRange<Id>>,
    /// At least [`Program::workspace_bytes`] from its offset on, where that is not zero.
    pub workspace: Option<BufferRange<Id>>,
    /// At least [`Program::packed_bytes`] from its offset on, where that is not zero.
    pub packed: Option<BufferRange<Id>>,
}

impl<Id> Default for Buffers<Id> {
    fn default() -> Self {
        Buffers { tensors: BTreeMap::new(), workspace: None, packed: None }
    }
}

impl<Id> Buffers<Id> {
    /// Where a [`Span`](super::Span) lies: its offset is counted from this range's. `None` for a dummy, which is the host's own, and
    /// for what was not given.
    pub fn get(&self, memory: Memory) -> Option<&BufferRange<Id>> {
        match memory {
            Memory::Tensor(name) => self.tensors.get(&name),
            Memory::Workspace => self.workspace.as_ref(),
            Memory::Packed => self.packed.as_ref(),
            Memory::Unused => None,
        }
    }

    /// Every range with the name that errors have for it.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &BufferRange<Id>)> {
        let tensors = self.tensors.iter().map(|(name, range)| (name.as_str(), range));
        let scratch = [(WORKSPACE, &self.workspace), (PACKED, &self.packed)];
        tensors.chain(scratch.into_iter().filter_map(|(name, range)| Some((name, range.as_ref()?))))
    }
}

/// What errors call the workspace.
const WORKSPACE: &str = "workspace";

/// What errors call the packed weights.
const PACKED: &str = "packed weights";

/// A range that may be written or read, whose size and alignment were checked.
struct Checked<'a, Id> {
    name: &'static str,
    access: Access,
    id: &'a Id,
    start: u64,
    end: u64,
}

/// An error of a buffer: its name, the field, its value and the rule.
pub(crate) fn binding_error(
    name: &str,
    field: &'static str,
    value: impl std::fmt::Display,
    rule: impl Into<String>,
) -> Error {
    Error::Binding { tensor: name.into(), field, value: value.to_string(), rule: rule.into() }
}

impl Program {
    /// Bytes from the start of a tensor's range to behind its last element, in its layout and storage: what its buffer must hold.
    pub fn tensor_bytes(&self, spec: &TensorSpec) -> u64 {
        // Layout::check has bounded the span.
        let span = self.options.layout_of(spec).span(&spec.shape).unwrap_or(usize::MAX) as u64;
        buffer_bytes(span, spec.element.bytes(self.options.storage))
    }

    /// Checks presence, alignment, sizes and overlap of buffers: with them no launch reads or writes beyond its tensors. Whether a
    /// buffer may be bound as storage at all, the host knows. `alignment` is the device's for storage bindings, in bytes.
    ///
    /// [`Error::Binding`] names the tensor, the property of its buffer, the value and the rule. Allocates a list of the ranges.
    pub fn check_buffers<Id: PartialEq>(&self, buffers: &Buffers<Id>, alignment: u32) -> Result<()> {
        for name in buffers.tensors.keys() {
            if self.geometry.tensor(*name).is_none() {
                let op = self.geometry.problem().op_name();
                return Err(binding_error(name.as_str(), "buffer", "given", format!("this {op} has no such tensor")));
            }
        }
        let mut ranges = Vec::new();
        for spec in self.geometry.tensors() {
            let name = spec.name.as_str();
            let range = buffers
                .tensors
                .get(&spec.name)
                .ok_or_else(|| binding_error(name, "buffer", "absent", "the problem needs this tensor"))?;
            check_range(name, range, self.tensor_bytes(spec), alignment)?;
            let layout = self.options.layout_of(spec);
            let span = layout.span(&spec.shape).unwrap_or(usize::MAX) as u64;
            let element = spec.element.bytes(self.options.storage);
            let end = range.offset + span.saturating_mul(element);
            let start = range.offset + layout.offset as u64 * element;
            ranges.push(Checked { name, access: spec.access, id: &range.id, start, end });
        }
        let scratch = [
            (WORKSPACE, self.workspace_bytes, buffers.workspace.as_ref()),
            (PACKED, self.packed_bytes, buffers.packed.as_ref()),
        ];
        for (name, bytes, range) in scratch {
            if bytes > 0 {
                let absent = || binding_error(name, "buffer", "absent", format!("the plan needs {bytes} bytes of it"));
                let range = range.ok_or_else(absent)?;
                check_range(name, range, bytes, alignment)?;
                let end = range.offset + bytes;
                ranges.push(Checked { name, access: Access::Write, id: &range.id, start: range.offset, end });
            }
        }
        self.check_sharing(&ranges)
    }

    /// A written range must overlap nothing, and shares its buffer with a read one only when the plan allows it.
    fn check_sharing<Id: PartialEq>(&self, ranges: &[Checked<'_, Id>]) -> Result<()> {
        for (i, written) in ranges.iter().enumerate() {
            if written.access == Access::Read {
                continue;
            }
            for (j, other) in ranges.iter().enumerate() {
                if i == j || written.id != other.id {
                    continue;
                }
                if written.start < other.end && other.start < written.end {
                    let value = format!("bytes {}..{}", written.start, written.end);
                    let rule = format!("it must not overlap {} at {}..{}", other.name, other.start, other.end);
                    return Err(binding_error(written.name, "buffer", value, rule));
                }
                if !self.options.shared_buffers {
                    let rule = format!(
                        "one dispatch cannot bind a buffer both read-only and writable; {} lies in it too, which \
                         Options::shared_buffers allows",
                        other.name
                    );
                    return Err(binding_error(written.name, "buffer", "shared", rule));
                }
            }
        }
        Ok(())
    }
}

fn check_range<Id>(name: &str, range: &BufferRange<Id>, bytes: u64, alignment: u32) -> Result<()> {
    if !range.offset.is_multiple_of(alignment.into()) {
        let rule = format!("it must be a multiple of min_storage_buffer_offset_alignment = {alignment}");
        return Err(binding_error(name, "offset", range.offset, rule));
    }
    let needed = range.offset.saturating_add(bytes);
    if needed > range.size {
        return Err(binding_error(name, "size", range.size, format!("the tensor ends at byte {needed}")));
    }
    Ok(())
}
