//! Launcher of `shaders/conv2d_winograd.wgsl`.

use super::catalog::kernel;
use super::program::{ConvTask, Dispatch, Operand, padding_code};
use super::winograd::tiles;

kernel!(
    "conv2d_winograd", Window,
    parts: [
        VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, WINOGRAD, WINOGRAD_TILES, WINOGRAD_PATCH,
        WINOGRAD_OUTPUTS
    ],
    read: ["input", "filters", "bias", "residual"],
    write: ["output"],
    constants: ["PADDING_MODE"],
    precondition: "a 3x3 kernel with stride and dilation 1; 256 invocations in a workgroup",
);

/// Channels and tiles of a workgroup, and its invocations, as in the shader.
const BLOCK: u64 = 32;
pub(super) const INVOCATIONS: u32 = 256;

/// `filters` are dense, with axes of groups, points, input channels and output channels of a group, the last one a multiple of
/// four.
pub(super) fn dispatch(task: &ConvTask, filters: Operand) -> Dispatch {
    let w = &task.window;
    let blocks = (w.c_out_per_group() as u64).div_ceil(BLOCK) * (tiles(w, 2) as u64).div_ceil(BLOCK);
    let operands = vec![task.input.operand, filters, task.bias.operand, task.residual.operand, task.output.operand];
    let constants = vec![padding_code(task.padding_mode)];
    Dispatch::new(&KERNEL, constants, task.params(), operands, w.groups as u64 * blocks)
}
