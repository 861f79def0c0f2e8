//! Launcher of `shaders/depthwise/conv2d_depthwise_rows_vec4.wgsl`.

use crate::capabilities::KernelClass;
use crate::kernels::conv2d_depthwise_rows;
use crate::kernels::task::ConvTask;
use crate::program::loops::nest;
use crate::program::{Dispatch, Operand};

kernel!(
    conv2d_depthwise_rows_vec4, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL", "KERNEL_H", "KERNEL_W", "STRIDE_W", "DILATION_W", "PAD_W", "PER_STEP", "TILE_Y"],
    precondition: "as conv2d_depthwise_rows; rows start at multiples of four elements and are as long, columns are dense",
    loops: |l| nest(&[l.constant("TILE_Y") + l.kh]),
);

pub(crate) fn applies(task: &ConvTask) -> bool {
    let (input, output) = (task.window.input[2], task.window.output[2]);
    conv2d_depthwise_rows::applies(task)
        && task.input.is_vec4_aligned(input)
        && task.sink.output.is_vec4_aligned(output)
        && (task.sink.residual.operand == Operand::Unused || task.sink.residual.is_vec4_aligned(output))
}

pub(crate) fn dispatch(task: &ConvTask, class: KernelClass) -> Dispatch {
    conv2d_depthwise_rows::dispatch_by(&KERNEL, task, class)
}
