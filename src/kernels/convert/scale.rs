//! Launcher of `shaders/convert/scale.wgsl`.

use crate::geometry::Window;
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    scale, Window,
    read: [],
    write: ["output"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |_| 0,
);

/// Scales a tensor of the window's output shape.
pub(crate) fn dispatch(window: &Window, output: Slot, beta: f32) -> Dispatch {
    let params = WindowParams { output: output.view, beta, ..WindowParams::new(window) };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        Params::Window(Box::new(params)),
        vec![output.operand],
        workgroups_for((window.batch * window.c_out * window.output_len()) as u64),
    )
}
