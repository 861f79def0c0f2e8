//! Launcher of `shaders/conv_transpose_subgroup.wgsl`.

use super::catalog::kernel;
use super::lanes::LaneProduct;
use super::program::{ConvTask, Dispatch, broadcast_step_for};
use crate::capabilities::Capabilities;
use crate::geometry::Window;

kernel!(
    "conv_transpose_subgroup", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, FIRST_TAP, PHASE_TAPS, ACTIVATION, WRITE_OUTPUT, LANE_CHANNELS, LANE_WEIGHTS, OUTER, WRITE_COLUMN],
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL", "STEP", "TILE_CO"],
    precondition: "stride within the output; a CPU adapter with subgroups of a fixed size of 4 or more",
);

/// Of the phases of one image.
pub(super) fn product(w: &Window) -> LaneProduct {
    let phases: usize = w.stride.iter().product();
    let lattice: usize = (0..3).map(|axis| w.output[axis].div_ceil(w.stride[axis])).product();
    let matrix = LaneProduct::matrix(w.groups * phases, w.c_out_per_group(), lattice, w.c_in_per_group());
    let places = w.kernel_len().div_ceil(phases);
    LaneProduct { steps: places * matrix.steps, places, ..matrix }
}

pub(super) fn dispatch(task: &ConvTask, caps: &Capabilities) -> Dispatch {
    let w = &task.window;
    let product = product(w);
    let tile = product.narrow();
    let step = broadcast_step_for(w.c_in_per_group(), caps);
    let constants = vec![tile.workgroup.into(), task.flip_kernel.into(), step.into(), tile.rows.into()];
    let workgroups = w.batch as u64 * product.workgroups(tile);
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
