//! Launcher of `shaders/winograd_input.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{ConvTask, Dispatch, Params, Slot, WORKGROUP, padding_code};
use super::winograd::{channels_at_once, tiles};
use crate::capabilities::KernelClass;

kernel!(
    "winograd_input", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, WINOGRAD, WINOGRAD_TILES, WINOGRAD_PATCH, WINOGRAD_POINTS],
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "TILE", "CHANNELS"],
    precondition: "a 3x3 kernel with stride and dilation 1",
);

/// `patches` has axes of input channels, points and tiles.
pub(super) fn dispatch(task: &ConvTask, tile: u32, class: KernelClass, patches: Slot) -> Dispatch {
    let w = &task.window;
    let channels = channels_at_once(class);
    let params = WindowParams { input: task.input.view, output: patches.view, ..WindowParams::new(w) };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), padding_code(task.padding_mode), tile.into(), channels.into()],
        Params::Window(Box::new(params)),
        vec![task.input.operand, patches.operand],
        (w.c_in as u64).div_ceil(channels.into()) * (tiles(w, tile) as u64).div_ceil(WORKGROUP.into()),
    )
}
