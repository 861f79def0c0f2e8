//! Launcher of `shaders/winograd/winograd_output.wgsl`.

use crate::capabilities::KernelClass;
use crate::kernels::task::{ConvTask, Slot, WORKGROUP};
use crate::kernels::winograd::{channels_at_once, tiles};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    winograd_output, Window,
    read: ["points", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "TILE", "CHANNELS"],
    precondition: "a 3x3 kernel with stride and dilation 1",
    loops: |l| {
        let tile = l.constant("TILE");
        nest(&[l.constant("CHANNELS"), tile * tile])
    },
);

/// `products` has axes of output channels, points and tiles.
pub(crate) fn dispatch(task: &ConvTask, tile: u32, class: KernelClass, products: Slot) -> Dispatch {
    let w = &task.window;
    let channels = channels_at_once(class);
    let params = WindowParams {
        points: products.view,
        output: task.sink.output.view,
        residual: task.sink.residual.view,
        beta: task.sink.beta,
        ..WindowParams::new(w)
    };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into()), ("TILE", tile.into()), ("CHANNELS", channels.into())],
        Params::Window(Box::new(params.with_epilogue(&task.sink.epilogue))),
        vec![products.operand, task.sink.bias.operand, task.sink.residual.operand, task.sink.output.operand],
        (w.c_out as u64).div_ceil(channels.into()) * (tiles(w, tile) as u64).div_ceil(WORKGROUP.into()),
    )
}
