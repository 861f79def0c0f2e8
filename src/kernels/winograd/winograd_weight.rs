//! Launcher of `shaders/winograd/winograd_weight.wgsl`.

use crate::kernels::task::{ConvTask, Slot, WORKGROUP, workgroups_for};
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    winograd_weight, Window,
    read: ["weight"],
    write: ["points"],
    constants: ["WORKGROUP", "FLIP_KERNEL", "TILE"],
    precondition: "a 3x3 kernel",
    loops: |_| 0,
);

/// The view of `filters` has strides of points (n), groups (d), output channels (c) and input channels (w) of a group.
pub(crate) fn dispatch(task: &ConvTask, tile: u32, filters: Slot) -> Dispatch {
    let w = &task.window;
    let params = WindowParams { points: filters.view, ..WindowParams::new(w) };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into()), ("FLIP_KERNEL", task.flip_kernel.into()), ("TILE", tile.into())],
        Params::Window(Box::new(params)),
        vec![task.weight, filters.operand],
        workgroups_for((w.c_out * w.c_in_per_group()) as u64),
    )
}
