//! Launcher of `shaders/rearrange/space_to_depth.wgsl`.

use crate::kernels::depth_to_space::launch;
use crate::kernels::task::Slot;
use crate::problem::ShuffleOrder;
use crate::program::Dispatch;
use crate::tensor::TensorSpec;

kernel!(
    space_to_depth, Window,
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
