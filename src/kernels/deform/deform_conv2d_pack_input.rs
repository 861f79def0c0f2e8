//! Launcher of `shaders/deform/deform_conv2d_pack_input.wgsl`.

use crate::geometry::Window;
use crate::kernels::deform_conv2d_direct::Sampling;
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    deform_conv2d_pack_input, Window,
    read: ["input"],
    write: ["packed"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |_| 0,
);

/// Extents of the packed input: images, offset groups, channels by four, rows and columns with the frame, and the four
/// channels. `None` where the channels of an offset group are so few that scalars take fewer loads.
pub(crate) fn shape(window: &Window, sampling: &Sampling) -> Option<[usize; 6]> {
    let channels = window.c_in / sampling.offset_groups;
    let [_, height, width] = window.input;
    (channels >= 4).then(|| [window.batch, sampling.offset_groups, channels.div_ceil(4), height + 2, width + 2, 4])
}

pub(crate) fn dispatch(window: &Window, sampling: &Sampling, input: Slot, packed: Slot) -> Dispatch {
    let params =
        WindowParams { input: input.view, offset_groups: sampling.offset_groups as u32, ..WindowParams::new(window) };
    let vec4s =
        shape(window, sampling).map_or(0, |[n, groups, vec4s, height, width, _]| n * groups * vec4s * height * width);
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        Params::Window(Box::new(params)),
        vec![input.operand, packed.operand],
        workgroups_for(vec4s as u64),
    )
}
