//! Launcher of `shaders/gemm/gemm_tiled.wgsl`.

use crate::capabilities::Capabilities;
use crate::kernels::implicit_tile::{DEPTH, tile_shape};
use crate::kernels::task::GemmTask;
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    gemm_tiled, Gemm,
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["ROW_THREADS", "COLUMN_THREADS", "SPLIT_K"],
    precondition: "64 to 256 invocations per workgroup, as many as the tile wants",
    loops: |l| nest(&[l.k.div_ceil(u64::from(DEPTH))]),
);

pub(crate) fn dispatch(task: &GemmTask, caps: &Capabilities) -> Dispatch {
    let count = task.batch * task.groups;
    let shape = tile_shape(count, task.m, task.n, caps);
    let constants = shape.constants([("SPLIT_K", task.split_k.is_some().into())]);
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), shape.tiles(count, task.m, task.n))
}
