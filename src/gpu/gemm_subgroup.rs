//! Launcher of `shaders/gemm_subgroup.wgsl` and its twins, which read a, b or both by vec4s.

use super::catalog::kernel;
use super::lanes::{LaneProduct, LaneTile};
use super::program::{Dispatch, GemmTask, broadcast_step_for};
use super::{gemm_subgroup_vec4_a, gemm_subgroup_vec4_ab, gemm_subgroup_vec4_b};
use crate::capabilities::Capabilities;

kernel!(
    "gemm_subgroup", Gemm,
    parts: [VIEW, GEMM_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT, OUTER, WRITE_COLUMN, ROW_SCALARS, COLUMN_SCALARS, GEMM_BROADCAST],
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "SLICED", "STEP", "TILE_M", "WIDE"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more",
);

/// The product and its tile.
pub(super) fn product(task: &GemmTask) -> (LaneProduct, LaneTile) {
    let length = task.slices.map_or(task.k, |slices| slices.slice);
    let product = LaneProduct {
        row_quads: task.a_has_quads(),
        column_quads: task.b_has_quads(),
        ..LaneProduct::matrix(task.batch * task.groups, task.m, task.n, length)
    };
    (product, product.tile())
}

pub(super) fn dispatch(task: &GemmTask, caps: &Capabilities) -> Dispatch {
    let (product, tile) = product(task);
    let kernel = match (product.row_quads, product.column_quads) {
        (false, false) => &KERNEL,
        (true, false) => &gemm_subgroup_vec4_a::KERNEL,
        (false, true) => &gemm_subgroup_vec4_b::KERNEL,
        (true, true) => &gemm_subgroup_vec4_ab::KERNEL,
    };
    let constants = vec![
        tile.workgroup.into(),
        task.slices.is_some().into(),
        broadcast_step_for(task.k, caps).into(),
        tile.rows.into(),
        tile.wide.into(),
    ];
    Dispatch::new(kernel, constants, task.params(), task.operands(), product.workgroups(tile))
}
