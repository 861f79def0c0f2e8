//! Launcher of `shaders/deform/deform_conv2d_im2col.wgsl`.

use crate::capabilities::KernelClass;
use crate::geometry::Window;
use crate::kernels::deform_conv2d_direct::Sampling;
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, Kernel, Params, WindowParams};

kernel!(
    deform_conv2d_im2col, Window,
    read: ["input", "offset", "mask"],
    write: ["columns"],
    constants: ["WORKGROUP", "HAS_MASK", "CHANNELS", "PARTIAL"],
    precondition: "none",
    loops: |l| {
        nest(&[l.offset_channels.div_ceil(4)])
    },
);

/// Channels of an invocation on a GPU, which wants the invocations.
pub(crate) const CHANNELS: u32 = 32;

pub(crate) fn dispatch(
    window: &Window,
    sampling: &Sampling,
    class: KernelClass,
    input: Slot,
    columns: Slot,
) -> Dispatch {
    let channels = match class {
        KernelClass::Gpu => CHANNELS,
        // A software rasteriser finds a point once.
        KernelClass::Cpu => 1 << 31,
    };
    launch(&KERNEL, channels, window, sampling, input, columns)
}

/// By either kernel, which differ in where they find the corners.
pub(crate) fn launch(
    kernel: &'static Kernel,
    channels_at_once: u32,
    window: &Window,
    sampling: &Sampling,
    input: Slot,
    columns: Slot,
) -> Dispatch {
    let channels = window.c_in / sampling.offset_groups;
    let parts = channels.div_ceil(channels_at_once as usize);
    let points = window.batch * sampling.offset_groups * window.kernel_len() * window.output_len();
    let params = WindowParams {
        input: input.view,
        columns: columns.view,
        offset: sampling.offset.view,
        mask: sampling.mask_slot().view,
        offset_groups: sampling.offset_groups as u32,
        ..WindowParams::new(window)
    };
    Dispatch::new(
        kernel,
        [
            ("WORKGROUP", WORKGROUP.into()),
            ("HAS_MASK", sampling.mask.is_some().into()),
            ("CHANNELS", channels_at_once.into()),
            ("PARTIAL", (!channels.is_multiple_of(4)).into()),
        ],
        Params::Window(Box::new(params)),
        vec![input.operand, sampling.offset.operand, sampling.mask_slot().operand, columns.operand],
        workgroups_for(points as u64 * parts as u64),
    )
}
