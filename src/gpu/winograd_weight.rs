//! Launcher of `shaders/winograd_weight.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{ConvTask, Dispatch, Params, Slot, WORKGROUP, workgroups_for};

kernel!(
    "winograd_weight", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, WINOGRAD, WINOGRAD_POINTS],
    read: ["weight"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL", "TILE"],
    precondition: "a 3x3 kernel",
);

/// The view of `filters` has strides of points (n), groups (d), output channels (c) and input channels (w) of a group.
pub(super) fn dispatch(task: &ConvTask, tile: u32, filters: Slot) -> Dispatch {
    let w = &task.window;
    let params = WindowParams { output: filters.view, ..WindowParams::new(w) };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), task.flip_kernel.into(), tile.into()],
        Params::Window(Box::new(params)),
        vec![task.weight, filters.operand],
        workgroups_for((w.c_out * w.c_in_per_group()) as u64),
    )
}
