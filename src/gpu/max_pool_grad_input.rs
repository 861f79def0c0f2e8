//! Launcher of `shaders/max_pool_grad_input.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, strips};
use crate::capabilities::KernelClass;
use crate::geometry::Window;

kernel!(
    "max_pool_grad_input", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, WINDOWS_OF],
    read: ["indices", "grad_output"],
    write: ["grad_input"],
    constants: ["WORKGROUP", "ROWS"],
    precondition: "none",
);

pub(super) fn dispatch(
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
        vec![WORKGROUP.into(), rows.into()],
        Params::Window(Box::new(params)),
        vec![indices.operand, grad_output.operand, grad_input.operand],
        workgroups,
    )
}
