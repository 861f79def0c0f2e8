//! Launcher of `shaders/winograd/conv2d_winograd.wgsl`.

use crate::kernels::task::{ConvTask, padding_code};
use crate::kernels::winograd::tiles;
use crate::program::loops::nest;
use crate::program::{Dispatch, Operand};

kernel!(
    conv2d_winograd, Window,
    read: ["input", "filters", "bias", "residual"],
    write: ["output"],
    constants: ["PADDING_MODE"],
    precondition: "a 3x3 kernel with stride and dilation 1; 256 invocations in a workgroup",
    loops: |l| {
        let panels = l.c_in.div_ceil(4) + 1;
        nest(&[panels]) + nest(&[panels, 4]) + nest(&[4, 4])
    },
);

/// Channels and tiles of a workgroup, and its invocations, as in the shader.
const BLOCK: u64 = 32;
pub(crate) const INVOCATIONS: u32 = 256;

/// `filters` are dense, with axes of groups, points, input channels and output channels of a group, the last one a multiple of
/// four.
pub(crate) fn dispatch(task: &ConvTask, filters: Operand) -> Dispatch {
    let w = &task.window;
    let blocks = (w.c_out_per_group() as u64).div_ceil(BLOCK) * (tiles(w, 2) as u64).div_ceil(BLOCK);
    let operands =
        vec![task.input.operand, filters, task.sink.bias.operand, task.sink.residual.operand, task.sink.output.operand];
    let constants = [("PADDING_MODE", padding_code(task.padding_mode))];
    Dispatch::new(&KERNEL, constants, task.params(), operands, w.groups as u64 * blocks)
}
