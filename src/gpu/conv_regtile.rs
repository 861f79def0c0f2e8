//! Launcher of `shaders/conv_regtile.wgsl`.

use super::catalog::kernel;
use super::program::{ConvTask, Dispatch, WORKGROUP, padding_code};

kernel!(
    "conv_regtile", Window,
    parts: [WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, WRITE_TILE],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL"],
    precondition: "none",
);

/// Output channels and positions of one invocation, as in the shader.
const TILE_CO: u64 = 8;
const TILE_POSITIONS: u64 = 2;

pub(super) fn dispatch(task: &ConvTask) -> Dispatch {
    let w = &task.window;
    let co_tiles = (w.c_out_per_group() as u64).div_ceil(TILE_CO);
    let position_tiles = (w.output_len() as u64).div_ceil(TILE_POSITIONS * u64::from(WORKGROUP));
    let workgroups = (w.batch * w.groups) as u64 * co_tiles * position_tiles;
    let constants = vec![WORKGROUP.into(), padding_code(task.padding_mode), task.flip_kernel.into()];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
