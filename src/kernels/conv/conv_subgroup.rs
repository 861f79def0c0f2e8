//! Launcher of `shaders/conv/conv_subgroup.wgsl`.

use crate::capabilities::Capabilities;
use crate::geometry::Window;
use crate::kernels::lane_tile::{LaneProduct, STEP};
use crate::kernels::task::{ConvTask, broadcast_step_for, padding_code};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    conv_subgroup, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "STEP", "TILE_CO"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more",
    loops: |l| {
        let step = l.constant("STEP");
        nest(&[l.kd, l.kh, l.kw, l.c_in.div_ceil(step)])
    },
);

/// Whether there are enough input channels to fill its chunks; taps do where there are not.
pub(crate) fn wants(w: &Window) -> bool {
    w.c_in_per_group() >= 8 || w.c_in_per_group() == 4
}

/// Of one image.
pub(crate) fn product(w: &Window) -> LaneProduct {
    let (c_in, taps) = (w.c_in_per_group(), w.kernel_len());
    let matrix = LaneProduct::matrix(w.groups, w.c_out_per_group(), w.output_len(), c_in * taps);
    LaneProduct { steps: taps * c_in.div_ceil(STEP), places: taps, ..matrix }
}

pub(crate) fn dispatch(task: &ConvTask, caps: &Capabilities) -> Dispatch {
    let w = &task.window;
    let product = product(w);
    let tile = product.narrow();
    let constants = [
        ("WORKGROUP", tile.workgroup.into()),
        ("PADDING_MODE", padding_code(task.padding_mode)),
        ("FLIP_KERNEL", task.flip_kernel.into()),
        ("STEP", broadcast_step_for(w.c_in_per_group(), caps).into()),
        ("TILE_CO", tile.rows.into()),
    ];
    let workgroups = w.batch as u64 * product.workgroups(tile);
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
