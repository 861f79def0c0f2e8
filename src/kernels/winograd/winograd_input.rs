//! Launcher of `shaders/winograd/winograd_input.wgsl`.

use crate::capabilities::KernelClass;
use crate::kernels::task::{ConvTask, Slot, WORKGROUP, padding_code};
use crate::kernels::winograd::{channels_at_once, tiles};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    winograd_input, Window,
    read: ["input"],
    write: ["points"],
    constants: ["WORKGROUP", "PADDING_MODE", "TILE", "CHANNELS"],
    precondition: "a 3x3 kernel with stride and dilation 1",
    loops: |l| nest(&[l.constant("CHANNELS")]),
);

/// `patches` has axes of input channels, points and tiles.
pub(crate) fn dispatch(task: &ConvTask, tile: u32, class: KernelClass, patches: Slot) -> Dispatch {
    let w = &task.window;
    let channels = channels_at_once(class);
    let params = WindowParams { input: task.input.view, points: patches.view, ..WindowParams::new(w) };
    Dispatch::new(
        &KERNEL,
        [
            ("WORKGROUP", WORKGROUP.into()),
            ("PADDING_MODE", padding_code(task.padding_mode)),
            ("TILE", tile.into()),
            ("CHANNELS", channels.into()),
        ],
        Params::Window(Box::new(params)),
        vec![task.input.operand, patches.operand],
        (w.c_in as u64).div_ceil(channels.into()) * (tiles(w, tile) as u64).div_ceil(WORKGROUP.into()),
    )
}
