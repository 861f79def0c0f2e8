//! Launcher of `shaders/pool/max_pool_grad_input.wgsl`.

use crate::capabilities::KernelClass;
use crate::geometry::Window;
use crate::kernels::task::{Slot, WORKGROUP, strips};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    max_pool_grad_input, Window,
    read: ["indices", "grad_output"],
    write: ["grad_input"],
    constants: ["WORKGROUP", "ROWS"],
    precondition: "none",
    loops: |l| {
        nest(&[l.constant("ROWS"), l.windows()[0], l.windows()[1], l.windows()[2]])
    },
);

pub(crate) fn dispatch(
    window: &Window,
    indices: Slot,
    grad_output: Slot,
    grad_input: Slot,
    beta: f32,
    class: KernelClass,
) -> Dispatch {
    let (rows, workgroups) = strips(window.batch, window.c_in, window.input, class);
    let params = WindowParams {
        indices: indices.view,
        grad_output: grad_output.view,
        grad_input: grad_input.view,
        beta,
        ..WindowParams::new(window)
    };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into()), ("ROWS", rows.into())],
        Params::Window(Box::new(params)),
        vec![indices.operand, grad_output.operand, grad_input.operand],
        workgroups,
    )
}
