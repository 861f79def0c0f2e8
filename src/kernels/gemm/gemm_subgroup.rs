//! Launcher of `shaders/gemm/gemm_subgroup.wgsl` and its twins, which read a, b or both by vec4s.

use crate::capabilities::Capabilities;
use crate::kernels::lane_tile::{LaneProduct, LaneTile};
use crate::kernels::task::{GemmTask, broadcast_step_for};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    gemm_subgroup, Gemm,
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "SPLIT_K", "STEP", "TILE_M", "WIDE"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more",
    loops: |l| {
        nest(&[l.runs()]) + l.k / l.constant("STEP") + 2 * l.runs()
    },
    twins: [
        VEC4_A = gemm_subgroup_vec4_a: "as gemm_subgroup; columns of a start at multiples of four elements, rows are dense",
        VEC4_B = gemm_subgroup_vec4_b: "as gemm_subgroup; rows of b start at multiples of four elements, columns are dense",
        VEC4_AB = gemm_subgroup_vec4_ab: "as gemm_subgroup_vec4_a and gemm_subgroup_vec4_b",
    ],
);

/// The product and its tile.
pub(crate) fn product(task: &GemmTask) -> (LaneProduct, LaneTile) {
    let length = task.split_k.map_or(task.k, |slices| slices.slice);
    let product = LaneProduct {
        rows_vec4_aligned: task.a_is_vec4_aligned(),
        columns_vec4_aligned: task.b_is_vec4_aligned(),
        ..LaneProduct::matrix(task.batch * task.groups, task.m, task.n, length)
    };
    (product, product.tile())
}

pub(crate) fn dispatch(task: &GemmTask, caps: &Capabilities) -> Dispatch {
    let (product, tile) = product(task);
    let kernel = match (product.rows_vec4_aligned, product.columns_vec4_aligned) {
        (false, false) => &KERNEL,
        (true, false) => &VEC4_A,
        (false, true) => &VEC4_B,
        (true, true) => &VEC4_AB,
    };
    let constants = [
        ("WORKGROUP", tile.workgroup.into()),
        ("SPLIT_K", task.split_k.is_some().into()),
        ("STEP", broadcast_step_for(task.k, caps).into()),
        ("TILE_M", tile.rows.into()),
        ("WIDE", tile.wide.into()),
    ];
    Dispatch::new(kernel, constants, task.params(), task.operands(), product.workgroups(tile))
}
