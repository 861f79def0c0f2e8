//! Launcher of `shaders/gemm_tiled.wgsl`.

use super::catalog::kernel;
use super::program::{Dispatch, GemmTask};
use super::tiles::tile_shape;
use crate::capabilities::Capabilities;

kernel!(
    "gemm_tiled", Gemm,
    parts: [VIEW, GEMM_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT, IMPLICIT_TILE],
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["ROW_THREADS", "COLUMN_THREADS", "SLICED"],
    precondition: "64 to 256 invocations per workgroup, as many as the tile wants",
);

pub(super) fn dispatch(task: &GemmTask, caps: &Capabilities) -> Dispatch {
    let count = task.batch * task.groups;
    let shape = tile_shape(count, task.m, task.n, caps);
    let constants = shape.constants([task.slices.is_some().into()]);
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), shape.tiles(count, task.m, task.n))
}
