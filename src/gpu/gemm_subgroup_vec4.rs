//! Launcher of `shaders/gemm_subgroup_vec4.wgsl`.

use super::catalog::kernel;
use super::gemm_subgroup;
use super::program::{Dispatch, GemmTask, broadcast_step};
use crate::capabilities::Capabilities;

kernel!(
    "gemm_subgroup_vec4", Gemm,
    parts: [VIEW, GEMM_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT, OUTER, WRITE_COLUMN, GEMM_BROADCAST],
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "SLICED", "STEP", "TILE_M", "WIDE"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more; rows of b start at multiples of four elements, columns are dense",
);

pub(super) fn applies(task: &GemmTask, caps: &Capabilities) -> bool {
    broadcast_step(caps).is_some() && task.b_has_quads()
}

pub(super) fn dispatch(task: &GemmTask, caps: &Capabilities) -> Dispatch {
    gemm_subgroup::dispatch_by(&KERNEL, task, caps)
}
