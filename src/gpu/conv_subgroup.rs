//! Launcher of `shaders/conv_subgroup.wgsl`.

use super::catalog::kernel;
use super::lanes::{LaneProduct, STEP};
use super::program::{ConvTask, Dispatch, broadcast_step_for, padding_code};
use crate::capabilities::Capabilities;
use crate::geometry::Window;

kernel!(
    "conv_subgroup", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, ACTIVATION, WRITE_OUTPUT, LANE_CHANNELS, LANE_WEIGHTS, OUTER, WRITE_COLUMN],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "STEP", "TILE_CO"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more",
);

/// Whether there are enough input channels to fill its chunks; taps do where there are not.
pub(super) fn wants(w: &Window) -> bool {
    w.c_in_per_group() >= 8 || w.c_in_per_group() == 4
}

/// Of one image.
pub(crate) fn product(w: &Window) -> LaneProduct {
    let (c_in, taps) = (w.c_in_per_group(), w.kernel_len());
    let matrix = LaneProduct::matrix(w.groups, w.c_out_per_group(), w.output_len(), c_in * taps);
    LaneProduct { steps: taps * c_in.div_ceil(STEP), places: taps, ..matrix }
}

pub(super) fn dispatch(task: &ConvTask, caps: &Capabilities) -> Dispatch {
    let w = &task.window;
    let product = product(w);
    let tile = product.narrow();
    let constants = vec![
        tile.workgroup.into(),
        padding_code(task.padding_mode),
        task.flip_kernel.into(),
        broadcast_step_for(w.c_in_per_group(), caps).into(),
        tile.rows.into(),
    ];
    let workgroups = w.batch as u64 * product.workgroups(tile);
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
