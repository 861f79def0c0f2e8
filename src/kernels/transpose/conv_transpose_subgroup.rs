//! Launcher of `shaders/transpose/conv_transpose_subgroup.wgsl`.

use crate::capabilities::Capabilities;
use crate::geometry::Window;
use crate::kernels::lane_tile::LaneProduct;
use crate::kernels::task::{ConvTask, broadcast_step_for};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    conv_transpose_subgroup, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL", "STEP", "TILE_CO"],
    precondition: "stride within the output; a CPU adapter with subgroups of a fixed size of 4 or more",
    loops: |l| {
        // Every axis searches its first tap and then visits one in so many.
        let steps = [l.params.tap_step_d, l.params.tap_step_h, l.params.tap_step_w];
        let axis = |axis: usize| (u64::from(l.params.kernel_size[axis]), u64::from(steps[axis].max(1)));
        let searched = (0..3).map(axis).map(|(kernel, step)| step.min(kernel) + 1).sum::<u64>();
        let [d, h, w] = [axis(0), axis(1), axis(2)].map(|(kernel, step)| kernel.div_ceil(step));
        let channels = l.c_in.div_ceil(l.constant("STEP"));
        searched + nest(&[d, h, w, channels])
    },
);

/// Of the phases of one image.
pub(crate) fn product(w: &Window) -> LaneProduct {
    let phases: usize = w.stride.iter().product();
    let lattice: usize = (0..3).map(|axis| w.output[axis].div_ceil(w.stride[axis])).product();
    let matrix = LaneProduct::matrix(w.groups * phases, w.c_out_per_group(), lattice, w.c_in_per_group());
    let places = w.kernel_len().div_ceil(phases);
    LaneProduct { steps: places * matrix.steps, places, ..matrix }
}

pub(crate) fn dispatch(task: &ConvTask, caps: &Capabilities) -> Dispatch {
    let w = &task.window;
    let product = product(w);
    let tile = product.narrow();
    let step = broadcast_step_for(w.c_in_per_group(), caps);
    let constants = [
        ("WORKGROUP", tile.workgroup.into()),
        ("FLIP_KERNEL", task.flip_kernel.into()),
        ("STEP", step.into()),
        ("TILE_CO", tile.rows.into()),
    ];
    let workgroups = w.batch as u64 * product.workgroups(tile);
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
