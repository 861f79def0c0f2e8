//! Launcher of `shaders/convert/widen.wgsl`.

use crate::kernels::task::{WORKGROUP, workgroups_for};
use crate::program::{CopyParams, Dispatch, Operand, Params};

kernel!(
    widen, Copy,
    read: ["tensor"],
    write: ["workspace"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |_| 0,
);

/// Copies the `span` elements from a tensor's first one on.
pub(crate) fn dispatch(tensor: Operand, span: usize, workspace: Operand) -> Dispatch {
    let params = CopyParams { span: span as u32, ..CopyParams::default() };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        Params::Copy(params),
        vec![tensor, workspace],
        workgroups_for(span as u64),
    )
}
