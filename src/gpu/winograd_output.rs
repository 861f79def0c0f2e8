//! Launcher of `shaders/winograd_output.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{ConvTask, Dispatch, Params, Slot, WORKGROUP};
use super::winograd::{channels_at_once, tiles};
use crate::capabilities::KernelClass;

kernel!(
    "winograd_output", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT, WINOGRAD, WINOGRAD_TILES, WINOGRAD_OUTPUTS],
    read: ["input", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "TILE", "CHANNELS"],
    precondition: "a 3x3 kernel with stride and dilation 1",
);

/// `products` has axes of output channels, points and tiles.
pub(super) fn dispatch(task: &ConvTask, tile: u32, class: KernelClass, products: Slot) -> Dispatch {
    let w = &task.window;
    let channels = channels_at_once(class);
    let params = WindowParams {
        input: products.view,
        output: task.output.view,
        residual: task.residual.view,
        beta: task.beta,
        ..WindowParams::new(w)
    };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), tile.into(), channels.into()],
        Params::Window(Box::new(params.with_epilogue(&task.epilogue))),
        vec![products.operand, task.bias.operand, task.residual.operand, task.output.operand],
        (w.c_out as u64).div_ceil(channels.into()) * (tiles(w, tile) as u64).div_ceil(WORKGROUP.into()),
    )
}
