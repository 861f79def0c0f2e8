//! Launcher of `shaders/rearrange/col2im.wgsl`.

use crate::geometry::Window;
use crate::kernels::task::{Sink, Slot, WORKGROUP, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    col2im, Window,
    read: ["columns", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL", "UNIT_STRIDE"],
    precondition: "none",
    loops: |l| nest(&[l.kd, l.kh, l.kw]) + l.kd + l.kh + l.kw + 3,
);

/// `window.input` is the image that is written, `window.output` counts the columns.
pub(crate) fn dispatch(window: &Window, flip_kernel: bool, columns: Slot, sink: &Sink) -> Dispatch {
    let params = WindowParams {
        columns: columns.view,
        output: sink.output.view,
        residual: sink.residual.view,
        beta: sink.beta,
        ..WindowParams::new(window)
    };
    let unit_stride = window.stride == [1; 3];
    let elements = (window.batch * window.c_in * window.input_len()) as u64;
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into()), ("FLIP_KERNEL", flip_kernel.into()), ("UNIT_STRIDE", unit_stride.into())],
        Params::Window(Box::new(params.with_epilogue(&sink.epilogue))),
        vec![columns.operand, sink.bias.operand, sink.residual.operand, sink.output.operand],
        workgroups_for(elements),
    )
}
