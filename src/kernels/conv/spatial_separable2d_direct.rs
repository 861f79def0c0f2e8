//! Launcher of `shaders/conv/spatial_separable2d_direct.wgsl`.

use crate::kernels::task::{ConvTask, WORKGROUP, padding_code, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, Operand};

kernel!(
    spatial_separable2d_direct, Window,
    read: ["input", "weight_v", "weight_h", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE"],
    precondition: "none",
    loops: |l| nest(&[l.kw, l.kh]),
);

/// `task.weight` is the vertical factor.
pub(crate) fn dispatch(task: &ConvTask, weight_h: Operand) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into()), ("PADDING_MODE", padding_code(task.padding_mode))],
        task.params(),
        vec![
            task.input.operand,
            task.weight,
            weight_h,
            task.sink.bias.operand,
            task.sink.residual.operand,
            task.sink.output.operand,
        ],
        workgroups_for(task.n_outputs()),
    )
}
