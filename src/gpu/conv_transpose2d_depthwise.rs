//! Launcher of `shaders/conv_transpose2d_depthwise.wgsl`.

use super::catalog::kernel;
use super::program::{ConvTask, Dispatch, WORKGROUP, workgroups_for};
use crate::geometry::gcd;

kernel!(
    "conv_transpose2d_depthwise", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, FIRST_TAP, ACTIVATION, WRITE_OUTPUT],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL", "SLIDE"],
    precondition: "one or two spatial axes, one output channel per group",
);

/// Output rows of one invocation, as in the shader.
const TILE_Y: usize = 4;

pub(super) fn applies(task: &ConvTask) -> Result<(), String> {
    let w = &task.window;
    if w.c_out_per_group() != 1 {
        return Err(format!("{} output channels per group, it needs 1", w.c_out_per_group()));
    }
    if w.input[0] != 1 || w.kernel[0] != 1 || w.output[0] != 1 {
        return Err("three spatial axes, it takes two".into());
    }
    Ok(())
}

pub(super) fn dispatch(task: &ConvTask) -> Dispatch {
    let task = &task.upright();
    let w = &task.window;
    let [_, stride_h, stride_w] = w.stride;
    let tiles = w.output[1].div_ceil(stride_h).div_ceil(TILE_Y);
    let invocations = w.batch * w.c_out * stride_h.min(w.output[1]) * tiles * w.output[2].div_ceil(stride_w);
    let common = |axis: usize| gcd(w.stride[axis], w.dilation[axis]);
    let slide = w.dilation[1] == common(1);
    let constants = vec![WORKGROUP.into(), task.flip_kernel.into(), slide.into()];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups_for(invocations as u64))
}
