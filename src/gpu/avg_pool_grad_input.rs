//! Launcher of `shaders/avg_pool_grad_input.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, strips};
use crate::capabilities::KernelClass;
use crate::geometry::Window;

kernel!(
    "avg_pool_grad_input", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, WINDOWS_OF, TAP_RANGE],
    read: ["grad_output"],
    write: ["grad_input"],
    constants: ["WORKGROUP", "ROWS", "DILATED", "COUNT_PADDING"],
    precondition: "none",
);

/// A divisor of zero counts the taps.
pub(super) fn dispatch(
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
        count: divisor as u32,
        beta,
        ..WindowParams::new(window)
    };
    let dilated = window.dilation != [1; 3];
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), rows.into(), dilated.into(), count_padding.into()],
        Params::Window(Box::new(params)),
        vec![grad_output.operand, grad_input.operand],
        workgroups,
    )
}
