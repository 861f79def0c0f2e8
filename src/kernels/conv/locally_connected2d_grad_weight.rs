//! Launcher of `shaders/conv/locally_connected2d_grad_weight.wgsl`.

use crate::geometry::Window;
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    locally_connected2d_grad_weight, Window,
    read: ["input", "grad_output"],
    write: ["grad_weight"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |l| nest(&[l.batch]),
);

pub(crate) fn dispatch(window: &Window, [input, grad_output, grad_weight]: [Slot; 3], beta: f32) -> Dispatch {
    let params = WindowParams { input: input.view, grad_output: grad_output.view, beta, ..WindowParams::new(window) };
    let weights = (window.output_len() * window.c_out) as u64 * (window.c_in_per_group() * window.kernel_len()) as u64;
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        Params::Window(Box::new(params)),
        vec![input.operand, grad_output.operand, grad_weight.operand],
        workgroups_for(weights),
    )
}
