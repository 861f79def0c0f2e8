//! Launcher of `shaders/reduce/conv_sum_slices.wgsl`.

use crate::kernels::task::{ConvTask, Slot, WORKGROUP, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, Operand, Params, View, WindowParams};

kernel!(
    conv_sum_slices, Window,
    read: ["partial", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "DENSE"],
    precondition: "none",
    loops: |l| nest(&[l.params.slices.into()]),
);

/// Finishes a convolution of which `partial` holds `slices` times all images.
pub(crate) fn dispatch(task: &ConvTask, slices: usize, partial: Slot) -> Dispatch {
    let w = &task.window;
    let absent = task.sink.residual.operand == Operand::Unused;
    let dense = task.sink.output.view.is_dense(w) && (absent || task.sink.residual.view.is_dense(w));
    let view = |view: View| if dense { View { base: view.base, w: 1, ..View::default() } } else { view };
    let params = WindowParams {
        output: view(task.sink.output.view),
        residual: view(task.sink.residual.view),
        beta: task.sink.beta,
        slices: slices as u32,
        ..WindowParams::new(w)
    };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into()), ("DENSE", dense.into())],
        Params::Window(Box::new(params.with_epilogue(&task.sink.epilogue))),
        vec![partial.operand, task.sink.bias.operand, task.sink.residual.operand, task.sink.output.operand],
        workgroups_for(task.n_outputs()),
    )
}
