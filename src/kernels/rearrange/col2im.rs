//! Launcher of `shaders/rearrange/col2im.wgsl`.

use crate::geometry::Window;
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::problem::Epilogue;
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

/// What follows the sum.
pub(crate) struct Tail {
    pub epilogue: Epilogue,
    pub bias: Slot,
    pub residual: Slot,
    /// Factor of what the image held before.
    pub beta: f32,
}

impl Tail {
    /// Nothing but what the image held before.
    pub fn plain(beta: f32) -> Self {
        Tail { epilogue: Epilogue::default(), bias: Slot::UNUSED, residual: Slot::UNUSED, beta }
    }
}

/// `window.input` is the image that is written, `window.output` counts the columns.
pub(crate) fn dispatch(window: &Window, flip_kernel: bool, columns: Slot, tail: &Tail, image: Slot) -> Dispatch {
    let params = WindowParams {
        columns: columns.view,
        output: image.view,
        residual: tail.residual.view,
        beta: tail.beta,
        ..WindowParams::new(window)
    };
    let unit_stride = window.stride == [1; 3];
    let elements = (window.batch * window.c_in * window.input_len()) as u64;
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into()), ("FLIP_KERNEL", flip_kernel.into()), ("UNIT_STRIDE", unit_stride.into())],
        Params::Window(Box::new(params.with_epilogue(&tail.epilogue))),
        vec![columns.operand, tail.bias.operand, tail.residual.operand, image.operand],
        workgroups_for(elements),
    )
}
