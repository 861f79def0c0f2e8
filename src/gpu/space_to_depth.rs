//! Launcher of `shaders/space_to_depth.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, workgroups_for};
use crate::problem::ShuffleOrder;
use crate::tensor::TensorSpec;

kernel!(
    "space_to_depth", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID],
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP", "DCR"],
    precondition: "none",
);

pub(super) fn dispatch(
    block: usize,
    order: ShuffleOrder,
    specs: [&TensorSpec; 2],
    input: Slot,
    output: Slot,
    beta: f32,
) -> Dispatch {
    let params = WindowParams { beta, ..WindowParams::shuffle(block, specs, input.view, output.view) };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), (order == ShuffleOrder::Dcr).into()],
        Params::Window(Box::new(params)),
        vec![input.operand, output.operand],
        workgroups_for(specs[1].len() as u64),
    )
}
