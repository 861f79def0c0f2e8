//! Launcher of `shaders/deform/deform_conv2d_im2col_vec4.wgsl`.

use crate::geometry::Window;
use crate::kernels::deform_conv2d_direct::Sampling;
use crate::kernels::deform_conv2d_im2col::{CHANNELS, launch};
use crate::kernels::task::Slot;
use crate::program::Dispatch;
use crate::program::loops::nest;

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

pub(crate) fn dispatch(window: &Window, sampling: &Sampling, packed: Slot, columns: Slot) -> Dispatch {
    launch(&KERNEL, CHANNELS, window, sampling, packed, columns)
}
