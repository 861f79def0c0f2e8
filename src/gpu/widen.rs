//! Launcher of `shaders/widen.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Operand, Params, WORKGROUP, workgroups_for};

kernel!(
    "widen", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID],
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

/// Copies the `span` elements from a tensor's first one on.
pub(super) fn dispatch(tensor: Operand, span: usize, workspace: Operand) -> Dispatch {
    let params = WindowParams { count: span as u32, ..WindowParams::default() };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into()],
        Params::Window(Box::new(params)),
        vec![tensor, workspace],
        workgroups_for(span as u64),
    )
}
