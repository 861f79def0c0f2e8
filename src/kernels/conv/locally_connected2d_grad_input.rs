//! Launcher of `shaders/conv/locally_connected2d_grad_input.wgsl`.

use crate::geometry::Window;
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, Operand, Params, WindowParams};

kernel!(
    locally_connected2d_grad_input, Window,
    read: ["weight", "grad_output"],
    write: ["grad_input"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |l| nest(&[l.taps, l.c_out]),
);

pub(crate) fn dispatch(window: &Window, weight: Operand, grad_output: Slot, grad_input: Slot, beta: f32) -> Dispatch {
    let params =
        WindowParams { grad_output: grad_output.view, grad_input: grad_input.view, beta, ..WindowParams::new(window) };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        Params::Window(Box::new(params)),
        vec![weight, grad_output.operand, grad_input.operand],
        workgroups_for((window.batch * window.c_in * window.input_len()) as u64),
    )
}
