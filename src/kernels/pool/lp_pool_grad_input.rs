//! Launcher of `shaders/pool/lp_pool_grad_input.wgsl`.

use crate::geometry::Window;
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    lp_pool_grad_input, Window,
    read: ["input", "output", "grad_output"],
    write: ["grad_input"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |l| nest(&l.windows()) + l.n_windows() * (l.powers() + 1),
);

/// `norms` holds the forward output.
pub(crate) fn dispatch(
    window: &Window,
    p: f32,
    [input, norms, grad_output, grad_input]: [Slot; 4],
    beta: f32,
) -> Dispatch {
    let params = WindowParams {
        input: input.view,
        output: norms.view,
        grad_output: grad_output.view,
        grad_input: grad_input.view,
        exponent: p,
        beta,
        ..WindowParams::new(window)
    };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        Params::Window(Box::new(params)),
        vec![input.operand, norms.operand, grad_output.operand, grad_input.operand],
        workgroups_for((window.batch * window.c_in * window.input_len()) as u64),
    )
}
