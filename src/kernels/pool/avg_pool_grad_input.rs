//! Launcher of `shaders/pool/avg_pool_grad_input.wgsl`.

use crate::capabilities::KernelClass;
use crate::geometry::Window;
use crate::kernels::task::{Slot, WORKGROUP, strips};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    avg_pool_grad_input, Window,
    read: ["grad_output"],
    write: ["grad_input"],
    constants: ["WORKGROUP", "ROWS", "DILATED", "COUNT_PADDING"],
    precondition: "none",
    loops: |l| {
        nest(&[l.constant("ROWS"), l.windows()[0], l.windows()[1], l.windows()[2]])
    },
);

/// A divisor of zero counts the taps.
pub(crate) fn dispatch(
    window: &Window,
    count_padding: bool,
    divisor: usize,
    grad_output: Slot,
    grad_input: Slot,
    beta: f32,
    class: KernelClass,
) -> Dispatch {
    let (rows, workgroups) = strips(window.batch, window.c_in, window.input, class);
    let params = WindowParams {
        grad_output: grad_output.view,
        grad_input: grad_input.view,
        divisor: divisor as u32,
        beta,
        ..WindowParams::new(window)
    };
    let dilated = window.dilation != [1; 3];
    Dispatch::new(
        &KERNEL,
        [
            ("WORKGROUP", WORKGROUP.into()),
            ("ROWS", rows.into()),
            ("DILATED", dilated.into()),
            ("COUNT_PADDING", count_padding.into()),
        ],
        Params::Window(Box::new(params)),
        vec![grad_output.operand, grad_input.operand],
        workgroups,
    )
}
