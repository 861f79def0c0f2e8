//! Launcher of `shaders/conv/conv_thread_tile.wgsl`.

use crate::capabilities::KernelClass;
use crate::kernels::task::{ConvTask, padding_code, workgroup_along};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    conv_thread_tile, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL"],
    precondition: "none",
    loops: |l| nest(&[l.kd, l.kh, l.kw, l.c_in]),
);

/// Output channels and positions of one invocation, as in the shader.
const TILE_CO: u64 = 8;
const TILE_POSITIONS: u32 = 4;

pub(crate) fn dispatch(task: &ConvTask, class: KernelClass) -> Dispatch {
    let w = &task.window;
    let workgroup = workgroup_along(w.output_len(), TILE_POSITIONS, class);
    let co_tiles = (w.c_out_per_group() as u64).div_ceil(TILE_CO);
    let position_tiles = (w.output_len() as u64).div_ceil(u64::from(TILE_POSITIONS * workgroup));
    let workgroups = (w.batch * w.groups) as u64 * co_tiles * position_tiles;
    let constants = [
        ("WORKGROUP", workgroup.into()),
        ("PADDING_MODE", padding_code(task.padding_mode)),
        ("FLIP_KERNEL", task.flip_kernel.into()),
    ];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
