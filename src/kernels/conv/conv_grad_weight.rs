//! Launcher of `shaders/conv/conv_grad_weight.wgsl`.

use crate::geometry::Window;
use crate::kernels::task::{Slot, padding_code, workgroup_for_sum};
use crate::problem::PaddingMode;
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    conv_grad_weight, Window,
    read: ["input", "grad_output"],
    write: ["grad_weight"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL"],
    precondition: "none",
    loops: |l| nest(&[l.batch, l.positions.div_ceil(l.lanes())]),
);

/// `window` slides over `input` and has the positions of `grad_output`.
pub(crate) fn dispatch(
    window: &Window,
    padding_mode: PaddingMode,
    flip_kernel: bool,
    [input, grad_output, grad_weight]: [Slot; 3],
    beta: f32,
    max_invocations: u32,
) -> Dispatch {
    let params = WindowParams { input: input.view, grad_output: grad_output.view, beta, ..WindowParams::new(window) };
    let workgroup = workgroup_for_sum(window.output_len(), max_invocations);
    let weights = window.c_out as u64 * (window.c_in_per_group() * window.kernel_len()) as u64;
    Dispatch::new(
        &KERNEL,
        [
            ("WORKGROUP", workgroup.into()),
            ("PADDING_MODE", padding_code(padding_mode)),
            ("FLIP_KERNEL", flip_kernel.into()),
        ],
        Params::Window(Box::new(params)),
        vec![input.operand, grad_output.operand, grad_weight.operand],
        weights,
    )
}
