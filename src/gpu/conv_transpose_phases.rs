//! Launcher of `shaders/conv_transpose_phases.wgsl`.

use super::catalog::kernel;
use super::program::{ConvTask, Dispatch, workgroup_along};
use crate::capabilities::KernelClass;

kernel!(
    "conv_transpose_phases", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, FIRST_TAP, PHASE_TAPS, ACTIVATION, WRITE_OUTPUT, WRITE_TILE],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL"],
    precondition: "stride within the output",
);

const TILE_CO: u64 = 8;

pub(super) fn applies(task: &ConvTask) -> Result<(), String> {
    let w = &task.window;
    if (0..3).any(|axis| w.stride[axis] > w.output[axis] && w.stride[axis] > 1) {
        return Err("a stride beyond the output leaves phases empty".into());
    }
    Ok(())
}

pub(super) fn dispatch(task: &ConvTask, class: KernelClass) -> Dispatch {
    let w = &task.window;
    let phases: u64 = w.stride.iter().map(|&s| s as u64).product();
    let lattice: usize = (0..3).map(|axis| w.output[axis].div_ceil(w.stride[axis])).product();
    let workgroup = workgroup_along(lattice, 1, class);
    let co_tiles = (w.c_out_per_group() as u64).div_ceil(TILE_CO);
    let workgroups = (w.batch * w.groups) as u64 * co_tiles * phases * (lattice as u64).div_ceil(u64::from(workgroup));
    let constants = vec![workgroup.into(), task.flip_kernel.into()];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
