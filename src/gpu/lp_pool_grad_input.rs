//! Launcher of `shaders/lp_pool_grad_input.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, workgroups_for};
use crate::geometry::Window;

kernel!(
    "lp_pool_grad_input", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CLASSIFY, LP_NORM, WINDOWS_OF],
    read: ["input", "output", "grad_output"],
    write: ["grad_input"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

/// `norms` holds the forward output.
pub(super) fn dispatch(
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
        value: p,
        beta,
        ..WindowParams::new(window)
    };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into()],
        Params::Window(Box::new(params)),
        vec![input.operand, norms.operand, grad_output.operand, grad_input.operand],
        workgroups_for((window.batch * window.c_in * window.input_len()) as u64),
    )
}
