//! Limits of a device, and of the caller's.

use super::builder::Builder;
use crate::capabilities::Capabilities;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::options::Options;
use crate::program::{Operand, iterations};
use crate::tensor::{TensorSpec, buffer_bytes};
use crate::tile::Tile;

/// Whether a device has the invocations and the workgroup memory of a tile.
pub(super) fn check_tile(tile: Tile, caps: &Capabilities) -> Result<()> {
    let limit = |limit, available: u32, needed: u32| {
        Err(Error::Limit { limit, available: available.into(), what: format!("tile = {tile}"), needed: needed.into() })
    };
    if tile.invocations() > caps.max_invocations_per_workgroup {
        return limit("max_compute_invocations_per_workgroup", caps.max_invocations_per_workgroup, tile.invocations());
    }
    if tile.panel_bytes() > caps.max_workgroup_bytes {
        return limit("max_compute_workgroup_storage_size", caps.max_workgroup_bytes, tile.panel_bytes());
    }
    Ok(())
}

/// Whether a device has room for a part of a batch, and the caller for its workspace.
pub(super) fn check_limits(
    geometry: &Geometry,
    program: &Builder,
    caps: &Capabilities,
    options: &Options,
) -> Result<()> {
    let what = || geometry.problem().op_name();
    let limit = |limit, available, needed| Err(Error::Limit { limit, available, what: what(), needed });
    for spec in geometry.tensors() {
        let bytes = binding_bytes(spec, options, caps);
        if bytes > caps.max_binding_bytes {
            return limit("max_storage_buffer_binding_size", caps.max_binding_bytes, bytes);
        }
    }
    if program.workspace_bytes > caps.max_buffer_bytes {
        return limit("max_buffer_size", caps.max_buffer_bytes, program.workspace_bytes);
    }
    if program.packed_bytes > caps.max_buffer_bytes {
        return limit("max_buffer_size", caps.max_buffer_bytes, program.packed_bytes);
    }
    if let Some(most) = options.workspace_limit
        && program.workspace_bytes > most
    {
        return limit("workspace_limit", most, program.workspace_bytes);
    }
    for dispatch in program.packing.iter().chain(&program.dispatches) {
        for operand in &dispatch.operands {
            if let Operand::Workspace { bytes, .. } | Operand::Packed { bytes, .. } | Operand::Widened { bytes, .. } =
                operand
                && *bytes > caps.max_binding_bytes
            {
                return limit("max_storage_buffer_binding_size", caps.max_binding_bytes, *bytes);
            }
        }
        let buffers = dispatch.operands.len() as u64;
        if buffers > u64::from(caps.max_storage_buffers) {
            return limit("max_storage_buffers_per_shader_stage", caps.max_storage_buffers.into(), buffers);
        }
        if let Some(most) = caps.max_loop_iterations
            && iterations(dispatch) > most.into()
        {
            return limit("max_loop_iterations", most.into(), iterations(dispatch));
        }
        if dispatch.grid(caps.max_workgroups_per_dimension).is_none() {
            return limit(
                "max_compute_workgroups_per_dimension",
                caps.max_workgroups_per_dimension.into(),
                dispatch.workgroups,
            );
        }
    }
    Ok(())
}

/// Most bytes that one binding of the tensor spans: its own span from its first element, which may lie up to an
/// alignment step behind the binding's start.
fn binding_bytes(spec: &TensorSpec, options: &Options, caps: &Capabilities) -> u64 {
    let layout = options.layout_of(spec);
    let span = layout.span(&spec.shape).unwrap_or(usize::MAX) - layout.offset;
    let slack = if layout.offset == 0 && spec.shape[0] == 1 { 0 } else { u64::from(caps.storage_alignment) };
    buffer_bytes(span as u64, spec.element.bytes(options.storage)).saturating_add(slack)
}
