//! Launcher of `shaders/conv_regtile.wgsl`.

use super::catalog::kernel;
use super::program::{ConvTask, Dispatch, padding_code, workgroup_along};
use crate::capabilities::KernelClass;

kernel!(
    "conv_regtile", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, WRITE_TILE],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL"],
    precondition: "none",
);

/// Output channels and positions of one invocation, as in the shader.
const TILE_CO: u64 = 8;
const TILE_POSITIONS: u32 = 4;

pub(super) fn dispatch(task: &ConvTask, class: KernelClass) -> Dispatch {
    let w = &task.window;
    let workgroup = workgroup_along(w.output_len(), TILE_POSITIONS, class);
    let co_tiles = (w.c_out_per_group() as u64).div_ceil(TILE_CO);
    let position_tiles = (w.output_len() as u64).div_ceil(u64::from(TILE_POSITIONS * workgroup));
    let workgroups = (w.batch * w.groups) as u64 * co_tiles * position_tiles;
    let constants = vec![workgroup.into(), padding_code(task.padding_mode), task.flip_kernel.into()];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
