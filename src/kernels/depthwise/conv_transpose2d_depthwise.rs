//! Launcher of `shaders/depthwise/conv_transpose2d_depthwise.wgsl`.

use crate::geometry::gcd;
use crate::kernels::task::{ConvTask, WORKGROUP, workgroups_for};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    conv_transpose2d_depthwise, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL", "SLIDE"],
    precondition: "one or two spatial axes, one output channel per group",
    loops: |l| {
        let [step_y, step_x] = [l.params.tap_step_h, l.params.tap_step_w].map(|step| u64::from(step.max(1)));
        let searched = step_y.min(l.kh) + 1;
        let phases = u64::from(l.params.stride[2]).min(l.ow);
        let taps_y = l.kh.div_ceil(step_y);
        let taps_x = l.kw.div_ceil(step_x);
        searched + phases * (step_x.min(l.kw) + 1) + nest(&[phases, l.c_in, taps_x, taps_y])
    },
);

/// Output rows of one invocation, as in the shader.
const TILE_Y: usize = 4;

pub(crate) fn applies(task: &ConvTask) -> Result<(), String> {
    let w = &task.window;
    if w.c_out_per_group() != 1 {
        return Err(format!("{} output channels per group, it needs 1", w.c_out_per_group()));
    }
    if w.input[0] != 1 || w.kernel[0] != 1 || w.output[0] != 1 {
        return Err("three spatial axes, it takes two".into());
    }
    Ok(())
}

pub(crate) fn dispatch(task: &ConvTask) -> Dispatch {
    let task = &task.swap_hw();
    let w = &task.window;
    let [_, stride_h, stride_w] = w.stride;
    let tiles = w.output[1].div_ceil(stride_h).div_ceil(TILE_Y);
    let invocations = w.batch * w.c_out * stride_h.min(w.output[1]) * tiles * w.output[2].div_ceil(stride_w);
    let common = |axis: usize| gcd(w.stride[axis], w.dilation[axis]);
    let slide = w.dilation[1] == common(1);
    let constants =
        [("WORKGROUP", WORKGROUP.into()), ("FLIP_KERNEL", task.flip_kernel.into()), ("SLIDE", slide.into())];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups_for(invocations as u64))
}
