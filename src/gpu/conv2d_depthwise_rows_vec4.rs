//! Launcher of `shaders/conv2d_depthwise_rows_vec4.wgsl`.

use super::catalog::kernel;
use super::conv2d_depthwise_rows;
use super::program::{ConvTask, Dispatch, Operand, Slot};
use crate::capabilities::KernelClass;

kernel!(
    "conv2d_depthwise_rows_vec4", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, ACTIVATION, WRITE_ROW, DEPTHWISE_ROWS],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL", "KERNEL_H", "KERNEL_W", "STRIDE_W", "DILATION_W", "PAD_W", "PER_STEP", "TILE_Y"],
    precondition: "as conv2d_depthwise_rows; rows start at multiples of four elements and are as long, columns are dense",
);

/// Whether rows of so many elements can be read and written as vec4s.
fn has_quads(slot: Slot, width: usize) -> bool {
    let view = slot.view;
    // A workspace range is bound at its start.
    let base = if matches!(slot.operand, Operand::Tensor(_)) { view.base } else { 0 };
    view.w == 1 && width.is_multiple_of(4) && [base, view.n, view.c, view.h].iter().all(|n| n.is_multiple_of(4))
}

pub(super) fn applies(task: &ConvTask) -> bool {
    let (input, output) = (task.window.input[2], task.window.output[2]);
    conv2d_depthwise_rows::applies(task)
        && has_quads(task.input, input)
        && has_quads(task.output, output)
        && (task.residual.operand == Operand::Unused || has_quads(task.residual, output))
}

pub(super) fn dispatch(task: &ConvTask, class: KernelClass) -> Dispatch {
    conv2d_depthwise_rows::dispatch_by(&KERNEL, task, class)
}
