//! Launcher of `shaders/deform_conv2d_im2col_vec4.wgsl`.

use super::catalog::kernel;
use super::deform_conv2d_direct::Sampling;
use super::deform_conv2d_im2col::{params, points};
use super::program::{Dispatch, Params, Slot, WORKGROUP, workgroups_for};
use crate::geometry::Window;

kernel!(
    "deform_conv2d_im2col_vec4", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CLASSIFY, BILINEAR, SAMPLING_POINT, PACKED_INPUT],
    read: ["packed", "offset", "mask"],
    write: ["output"],
    constants: ["WORKGROUP", "HAS_MASK", "CHANNELS", "PARTIAL"],
    precondition: "an input packed by deform_conv2d_pack_input",
);

/// Channels of an invocation: as many as `deform_conv2d_im2col` takes on a GPU.
const CHANNELS: u32 = 32;

pub(super) fn dispatch(window: &Window, sampling: &Sampling, packed: Slot, columns: Slot) -> Dispatch {
    let channels = window.c_in / sampling.offset_groups;
    let parts = channels.div_ceil(CHANNELS as usize);
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), sampling.mask.is_some().into(), CHANNELS.into(), (!channels.is_multiple_of(4)).into()],
        Params::Window(Box::new(params(window, sampling, columns))),
        vec![packed.operand, sampling.offset.operand, sampling.mask_slot().operand, columns.operand],
        workgroups_for(points(window, sampling) * parts as u64),
    )
}
