//! Launcher of `shaders/gemm_subgroup.wgsl`.

use super::catalog::{Kernel, kernel};
use super::lanes::LaneProduct;
use super::program::{Dispatch, GemmTask, broadcast_step_for};
use crate::capabilities::Capabilities;

kernel!(
    "gemm_subgroup", Gemm,
    parts: [VIEW, GEMM_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT, OUTER, WRITE_COLUMN, GEMM_BROADCAST],
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "SLICED", "STEP", "TILE_M", "WIDE"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more",
);

pub(super) fn dispatch(task: &GemmTask, caps: &Capabilities) -> Dispatch {
    dispatch_by(&KERNEL, task, caps)
}

/// By this kernel or its twin that reads four columns at a time.
pub(super) fn dispatch_by(kernel: &'static Kernel, task: &GemmTask, caps: &Capabilities) -> Dispatch {
    let length = task.slices.map_or(task.k, |slices| slices.slice);
    let product = LaneProduct::matrix(task.batch * task.groups, task.m, task.n, length);
    let tile = product.tile();
    let constants = vec![
        tile.workgroup.into(),
        task.slices.is_some().into(),
        broadcast_step_for(task.k, caps).into(),
        tile.rows.into(),
        tile.wide.into(),
    ];
    Dispatch::new(kernel, constants, task.params(), task.operands(), product.workgroups(tile))
}
