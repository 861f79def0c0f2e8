//! Geometry + algorithm -> program: which kernels run over which tensors, and in how many parts of the batch.

mod backward;
mod builder;
mod deform;
mod forward;
mod limits;
mod packed;
mod storage;
mod winograd;

use builder::Builder;
use forward::{Applies, Lowering, column_pitch, lower_f32, pointwise_window, separable_passes};
use limits::{check_limits, check_tile};

use crate::algorithm::Algorithm;
use crate::capabilities::Capabilities;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::options::Options;
use crate::program::{Dispatch, Operand, Part, Program};
use crate::tensor::Storage;

/// Workspace ranges start at multiples of this, the largest storage alignment that WebGPU allows a device to ask for.
pub(crate) const WORKSPACE_ALIGNMENT: u64 = 256;

/// What an error that keeps an algorithm from applying says, without repeating the algorithm.
pub(crate) fn reason(error: &Error) -> String {
    match error {
        Error::Unsupported { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

/// The program that computes a problem by one algorithm, in the fewest parts of the batch that the limits allow. Needs no device:
/// what a host would run can be looked at, validated and exported without one.
///
/// Fails where the algorithm does not apply, where a layout or a tile of the options is wrong, and where a limit of the device
/// refuses even a single image.
pub fn lower(
    geometry: &Geometry,
    algorithm: Algorithm,
    capabilities: &Capabilities,
    options: &Options,
) -> Result<Program> {
    if let Some(tile) = options.tile {
        check_tile(tile, capabilities)?;
    }
    for (&name, layout) in &options.layouts {
        let spec = geometry.tensor(name).ok_or_else(|| Error::Layout {
            tensor: name,
            rule: format!("{} has no such tensor", geometry.problem().op_name()),
        })?;
        layout.check(spec)?;
    }
    let batch = geometry.problem().batch();
    let of_images = |images: usize| -> Result<Builder> {
        if images == batch {
            return lower_part(geometry, algorithm, capabilities, options, true);
        }
        let part = Geometry::new(&geometry.problem().clone().with_batch(images))?;
        lower_part(&part, algorithm, capabilities, options, false)
    };
    let (mut images, mut whole) = match of_images(batch) {
        Ok(whole) => (batch, whole),
        // Even one image may be too much; if so, its error is the one to report.
        Err(_) => (1, of_images(1)?),
    };
    let mut too_many = batch;
    while too_many > images + 1 {
        let middle = images + (too_many - images) / 2;
        match of_images(middle) {
            Ok(program) => (images, whole) = (middle, program),
            Err(_) => too_many = middle,
        }
    }
    let mut program = Program {
        geometry: geometry.clone(),
        algorithm,
        options: options.clone(),
        packing: whole.packing,
        parts: vec![Part { images, count: batch / images, dispatches: whole.dispatches }],
        workspace_bytes: whole.workspace_bytes,
        packed_bytes: whole.packed_bytes,
    };
    let remainder = batch % images;
    if remainder > 0 {
        add_remainder(&mut program, remainder, of_images(remainder)?, capabilities)?;
    }
    Ok(program)
}

/// Adds the last part of a batch, which may want its weights packed another way.
fn add_remainder(program: &mut Program, images: usize, mut rest: Builder, capabilities: &Capabilities) -> Result<()> {
    if rest.packing != program.packing || rest.packed_bytes != program.packed_bytes {
        let start = program.packed_bytes;
        for dispatch in rest.packing.iter_mut().chain(&mut rest.dispatches) {
            for operand in &mut dispatch.operands {
                if let Operand::Packed { offset, .. } = operand {
                    *offset += start;
                }
            }
        }
        program.packing.append(&mut rest.packing);
        program.packed_bytes += rest.packed_bytes;
        if program.packed_bytes > capabilities.max_buffer_bytes {
            return Err(Error::Limit {
                limit: "max_buffer_size",
                available: capabilities.max_buffer_bytes,
                what: program.geometry.problem().op_name(),
                needed: program.packed_bytes,
            });
        }
    }
    program.parts.push(Part { images, count: 1, dispatches: rest.dispatches });
    program.workspace_bytes = program.workspace_bytes.max(rest.workspace_bytes);
    Ok(())
}

/// The launches of a part of a batch, or of all of it where it is `whole`.
fn lower_part(
    part: &Geometry,
    algorithm: Algorithm,
    capabilities: &Capabilities,
    options: &Options,
    whole: bool,
) -> Result<Builder> {
    let mut program = lower_f32(part, algorithm, capabilities, options)?;
    if !whole {
        program.dispatches.iter_mut().for_each(Dispatch::expect_accumulation);
    }
    if options.storage == Storage::F16 {
        storage::to_f16(&mut program, part, capabilities, options, whole).map_err(|reason| {
            let what = format!("{} by {algorithm} in f16", part.problem().op_name());
            Error::Unsupported { what, reason }
        })?;
    }
    check_limits(part, &program, capabilities, options)?;
    Ok(program)
}
