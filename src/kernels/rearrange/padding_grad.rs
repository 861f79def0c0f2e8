//! Launcher of `shaders/rearrange/padding_grad.wgsl`.

use crate::geometry::Window;
use crate::kernels::task::{Slot, WORKGROUP, padding_code, workgroups_for};
use crate::problem::PaddingMode;
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    padding_grad, Window,
    read: ["grad_output"],
    write: ["grad_input"],
    constants: ["WORKGROUP", "PADDING_MODE"],
    precondition: "none",
    loops: |l| {
        let readers = |axis: usize| match l.constant("PADDING_MODE") {
            2 => 1 + u64::from(l.params.pad_begin[axis]) + u64::from(l.params.pad_end[axis]),
            _ => 3,
        };
        nest(&[readers(0), readers(1), readers(2)])
    },
);

/// `padded` holds the gradient of the padded image, whose extents are those of the input and both paddings.
pub(crate) fn dispatch(window: &Window, mode: PaddingMode, padded: Slot, grad_input: Slot, beta: f32) -> Dispatch {
    let params =
        WindowParams { grad_output: padded.view, grad_input: grad_input.view, beta, ..WindowParams::new(window) };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into()), ("PADDING_MODE", padding_code(mode))],
        Params::Window(Box::new(params)),
        vec![padded.operand, grad_input.operand],
        workgroups_for((window.batch * window.c_in * window.input_len()) as u64),
    )
}
