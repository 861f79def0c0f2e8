//! Launcher of `shaders/deform_conv2d_im2col.wgsl`.

use super::catalog::kernel;
use super::deform_conv2d_direct::Sampling;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, workgroups_for};
use crate::geometry::Window;

kernel!(
    "deform_conv2d_im2col", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CLASSIFY, BILINEAR, SAMPLE_PLANE],
    read: ["input", "offset", "mask"],
    write: ["output"],
    constants: ["WORKGROUP", "HAS_MASK"],
    precondition: "none",
);

pub(super) fn dispatch(window: &Window, sampling: &Sampling, input: Slot, columns: Slot) -> Dispatch {
    let params = WindowParams {
        input: input.view,
        output: columns.view,
        offset: sampling.offset.view,
        mask: sampling.mask_slot().view,
        offset_groups: sampling.offset_groups as u32,
        ..WindowParams::new(window)
    };
    let invocations = (window.batch * sampling.offset_groups * window.kernel_len() * window.output_len()) as u64;
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), sampling.mask.is_some().into()],
        Params::Window(Box::new(params)),
        vec![input.operand, sampling.offset.operand, sampling.mask_slot().operand, columns.operand],
        workgroups_for(invocations),
    )
}
