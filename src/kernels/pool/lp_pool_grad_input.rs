//! Launcher of `shaders/pool/lp_pool_grad_input.wgsl`.

use crate::capabilities::KernelClass;
use crate::geometry::Window;
use crate::kernels::task::{Slot, WORKGROUP, strips};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    lp_pool_grad_input, Window,
    read: ["input", "output", "grad_output"],
    write: ["grad_input"],
    constants: ["WORKGROUP", "ROWS"],
    precondition: "none",
    loops: |l| {
        let [d, h, w] = l.windows();
        let rows = l.constant("ROWS");
        nest(&[rows, d, h, w]) + rows * l.n_windows() * (l.powers() + 1)
    },
);

/// `norms` holds the forward output.
pub(crate) fn dispatch(
    window: &Window,
    p: f32,
    [input, norms, grad_output, grad_input]: [Slot; 4],
    beta: f32,
    class: KernelClass,
) -> Dispatch {
    let (rows, workgroups) = strips(window.batch, window.c_in, window.input, class);
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
        [("WORKGROUP", WORKGROUP.into()), ("ROWS", rows.into())],
        Params::Window(Box::new(params)),
        vec![input.operand, norms.operand, grad_output.operand, grad_input.operand],
        workgroups,
    )
}
