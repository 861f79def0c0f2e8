//! Launcher of `shaders/conv2d_depthwise.wgsl`.

use super::catalog::kernel;
use super::program::{ConvTask, Dispatch, WORKGROUP, padding_code, workgroups_for};

kernel!(
    "conv2d_depthwise", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "SLIDE"],
    precondition: "one or two spatial axes, one input channel per group",
);

/// Output rows of one invocation, as in the shader.
const TILE_Y: usize = 4;

pub(super) fn applies(task: &ConvTask) -> Result<(), String> {
    let w = &task.window;
    if w.c_in_per_group() != 1 {
        return Err(format!("{} input channels per group, it needs 1", w.c_in_per_group()));
    }
    if w.input[0] != 1 || w.kernel[0] != 1 || w.output[0] != 1 {
        return Err("three spatial axes, it takes two".into());
    }
    Ok(())
}

pub(super) fn dispatch(task: &ConvTask) -> Dispatch {
    let task = &task.upright();
    let w = &task.window;
    let invocations = w.batch * w.c_out * w.output[1].div_ceil(TILE_Y) * w.output[2];
    let slide = w.stride[1] == w.dilation[1];
    let constants = vec![WORKGROUP.into(), padding_code(task.padding_mode), task.flip_kernel.into(), slide.into()];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups_for(invocations as u64))
}
