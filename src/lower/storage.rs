//! Programs over f32 tensors -> programs over f16 tensors.
//!
//! Kernels read and write real numbers through functions of the prelude ([`Element`]), so most of them run on f16 tensors
//! as they stand. What a device cannot do in place goes through the workspace: stores without `SHADER_F16`, and atomics.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::Builder;
use crate::capabilities::Capabilities;
use crate::geometry::Geometry;
use crate::kernels::{narrow, widen};
use crate::options::Options;
use crate::program::{Element, Operand};
use crate::tensor::{Access, ElementType, TensorName, TensorSpec};

/// Stores the tensors of a program as f16; the workspace stays f32. `whole` says that the program computes the whole batch
/// and not a part of it. `Err` says why it cannot.
pub(crate) fn to_f16(
    program: &mut Builder,
    geometry: &Geometry,
    caps: &Capabilities,
    options: &Options,
    whole: bool,
) -> Result<(), String> {
    let widened = widened(program, geometry, caps);
    let mut ranges = BTreeMap::new();
    for &tensor in &widened {
        let Some(spec) = geometry.tensor(tensor) else { continue };
        let span = span(spec, options);
        let slot = program.append(span).ok_or_else(|| format!("a workspace of {span} elements is too large"))?;
        let Operand::Workspace { offset, bytes } = slot.operand else { continue };
        ranges.insert(tensor, Operand::Widened { tensor, offset, bytes });
    }
    let direct = if caps.f16 { Element::F16 } else { Element::F16Pair };
    for dispatch in program.packing.iter_mut().chain(&mut program.dispatches) {
        for (i, spec) in dispatch.variant.kernel.bindings.iter().enumerate() {
            let Operand::Tensor(tensor) = dispatch.operands[i] else { continue };
            match ranges.get(&tensor) {
                Some(&range) => {
                    dispatch.operands[i] = range;
                    dispatch.params.set_base(spec.name, 0);
                }
                None if is_real(geometry, tensor) => dispatch.variant.elements[i] = direct,
                None => {}
            }
        }
    }
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (&tensor, &range) in &ranges {
        let Some(spec) = geometry.tensor(tensor) else { continue };
        let span = span(spec, options);
        // Parts of a batch add to what the part before them stored.
        if spec.access != Access::Write || !(whole || tensor.is_per_image()) {
            let mut dispatch = widen::dispatch(Operand::Tensor(tensor), span, range);
            dispatch.variant.elements[0] = direct;
            before.push(dispatch);
        }
        if spec.access != Access::Read {
            after.push(narrow::dispatch(range, &axes(spec, options), span, Operand::Tensor(tensor)));
        }
    }
    program.dispatches.splice(..0, before);
    program.dispatches.extend(after);
    Ok(())
}

/// The tensors that some dispatch can only have as f32.
fn widened(program: &Builder, geometry: &Geometry, caps: &Capabilities) -> BTreeSet<TensorName> {
    let mut widened = BTreeSet::new();
    for dispatch in program.packing.iter().chain(&program.dispatches) {
        let kernel = dispatch.variant.kernel;
        for (spec, operand) in kernel.bindings.iter().zip(&dispatch.operands) {
            let Operand::Tensor(tensor) = *operand else { continue };
            let in_place = kernel.is_accessed(spec.name) && (caps.f16 || spec.access == Access::Read);
            if is_real(geometry, tensor) && !in_place {
                widened.insert(tensor);
            }
        }
    }
    widened
}

fn is_real(geometry: &Geometry, tensor: TensorName) -> bool {
    geometry.tensor(tensor).is_some_and(|spec| spec.element == ElementType::Real)
}

/// Elements from the tensor's first one to its last.
fn span(spec: &TensorSpec, options: &Options) -> usize {
    let layout = options.layout_of(spec);
    layout.span(&spec.shape).unwrap_or(usize::MAX) - layout.offset
}

/// Stride and extent of every axis; of a dense tensor there is one.
fn axes(spec: &TensorSpec, options: &Options) -> Vec<[usize; 2]> {
    let layout = options.layout_of(spec);
    if layout.is_dense(&spec.shape) {
        return vec![[1, spec.len()]];
    }
    layout.strides.iter().zip(&spec.shape).map(|(&stride, &extent)| [stride, extent]).collect()
}
