//! Launcher of `shaders/deform/deform_conv2d_im2col.wgsl`.

use crate::capabilities::KernelClass;
use crate::geometry::Window;
use crate::kernels::deform_conv2d_direct::Sampling;
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    deform_conv2d_im2col, Window,
    read: ["input", "offset", "mask"],
    write: ["columns"],
    constants: ["WORKGROUP", "HAS_MASK", "CHANNELS"],
    precondition: "none",
    loops: |l| nest(&[l.offset_channels]),
);

/// Channels of an invocation: a GPU wants the invocations, a software rasteriser finds a point once.
fn channels_at_once(class: KernelClass) -> u32 {
    match class {
        KernelClass::Gpu => 32,
        KernelClass::Cpu => 1 << 31,
    }
}

/// The uniform but for the input's view.
pub(crate) fn params(window: &Window, sampling: &Sampling, columns: Slot) -> WindowParams {
    WindowParams {
        columns: columns.view,
        offset: sampling.offset.view,
        mask: sampling.mask_slot().view,
        offset_groups: sampling.offset_groups as u32,
        ..WindowParams::new(window)
    }
}

/// Sampling points of all images and offset groups.
pub(crate) fn points(window: &Window, sampling: &Sampling) -> u64 {
    (window.batch * sampling.offset_groups * window.kernel_len() * window.output_len()) as u64
}

pub(crate) fn dispatch(
    window: &Window,
    sampling: &Sampling,
    class: KernelClass,
    input: Slot,
    columns: Slot,
) -> Dispatch {
    let channels = channels_at_once(class);
    let params = WindowParams { input: input.view, ..params(window, sampling, columns) };
    let parts = (window.c_in / sampling.offset_groups).div_ceil(channels as usize);
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into()), ("HAS_MASK", sampling.mask.is_some().into()), ("CHANNELS", channels.into())],
        Params::Window(Box::new(params)),
        vec![input.operand, sampling.offset.operand, sampling.mask_slot().operand, columns.operand],
        workgroups_for(points(window, sampling) * parts as u64),
    )
}
