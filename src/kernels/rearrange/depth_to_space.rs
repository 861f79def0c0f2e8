//! Launcher of `shaders/rearrange/depth_to_space.wgsl`.

use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::problem::ShuffleOrder;
use crate::program::{Dispatch, Kernel, Params, WindowParams};
use crate::tensor::TensorSpec;

kernel!(
    depth_to_space, Window,
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP", "DCR"],
    precondition: "none",
    loops: |_| 0,
);

pub(crate) fn dispatch(
    block: usize,
    order: ShuffleOrder,
    specs: [&TensorSpec; 2],
    input: Slot,
    output: Slot,
    beta: f32,
) -> Dispatch {
    launch(&KERNEL, block, order, specs, input, output, beta)
}

/// By either kernel of the part shuffle.
pub(crate) fn launch(
    kernel: &'static Kernel,
    block: usize,
    order: ShuffleOrder,
    specs: [&TensorSpec; 2],
    input: Slot,
    output: Slot,
    beta: f32,
) -> Dispatch {
    let params = WindowParams { beta, ..WindowParams::shuffle(block, specs, input.view, output.view) };
    Dispatch::new(
        kernel,
        [("WORKGROUP", WORKGROUP.into()), ("DCR", (order == ShuffleOrder::Dcr).into())],
        Params::Window(Box::new(params)),
        vec![input.operand, output.operand],
        workgroups_for(specs[1].len() as u64),
    )
}
