//! Launcher of `shaders/deform/deform_conv2d_im2col_vec4.wgsl`.

use crate::geometry::Window;
use crate::kernels::deform_conv2d_direct::Sampling;
use crate::kernels::deform_conv2d_im2col::{params, points};
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params};

kernel!(
    deform_conv2d_im2col_vec4, Window,
    read: ["packed", "offset", "mask"],
    write: ["columns"],
    constants: ["WORKGROUP", "HAS_MASK", "CHANNELS", "PARTIAL"],
    precondition: "an input packed by deform_conv2d_pack_input",
    loops: |l| {
        nest(&[l.offset_channels.div_ceil(4)])
    },
);

/// Channels of an invocation: as many as `deform_conv2d_im2col` takes on a GPU.
const CHANNELS: u32 = 32;

pub(crate) fn dispatch(window: &Window, sampling: &Sampling, packed: Slot, columns: Slot) -> Dispatch {
    let channels = window.c_in / sampling.offset_groups;
    let parts = channels.div_ceil(CHANNELS as usize);
    Dispatch::new(
        &KERNEL,
        [
            ("WORKGROUP", WORKGROUP.into()),
            ("HAS_MASK", sampling.mask.is_some().into()),
            ("CHANNELS", CHANNELS.into()),
            ("PARTIAL", (!channels.is_multiple_of(4)).into()),
        ],
        Params::Window(Box::new(params(window, sampling, columns))),
        vec![packed.operand, sampling.offset.operand, sampling.mask_slot().operand, columns.operand],
        workgroups_for(points(window, sampling) * parts as u64),
    )
}
