//! Launcher of `shaders/convert/widen.wgsl`.

use crate::kernels::task::{WORKGROUP, workgroups_for};
use crate::program::{Dispatch, Operand, Params, WindowParams};

kernel!(
    widen, Window,
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |_| 0,
);

/// Copies the `span` elements from a tensor's first one on.
pub(crate) fn dispatch(tensor: Operand, span: usize, workspace: Operand) -> Dispatch {
    let params = WindowParams { count: span as u32, ..WindowParams::default() };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        Params::Window(Box::new(params)),
        vec![tensor, workspace],
        workgroups_for(span as u64),
    )
}
