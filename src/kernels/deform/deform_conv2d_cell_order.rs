//! Launcher of `shaders/deform/deform_conv2d_cell_order.wgsl`.

use crate::kernels::deform::{DeformTask, LIST_RUN};
use crate::kernels::task::workgroup_for_sum;
use crate::program::loops::{FIXED, nest};
use crate::program::{Dispatch, Operand};

kernel!(
    deform_conv2d_cell_order, Window,
    read: ["keys", "starts", "listed"],
    write: ["order"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |l| {
        let (points, stretch) = (l.taps * l.positions, CELL_WORDS / l.lanes());
        let list_run = LIST_RUN as u64;
        let windows = points.div_ceil(32 * CELL_WORDS);
        // The more points a cell has, the more workgroups share its windows: about LIST_RUN points of a cell to a window, or
        // one window of however many.
        let read = windows * (2 * list_run / l.lanes()) + points / l.lanes();
        let fixed = 2 * (stretch + 1) + nest(&[stretch, 32]) + FIXED / 4;
        nest(&[list_run / l.lanes(), list_run]) + read + (windows + 1) * fixed
    },
);

/// Cells of a window, as in the shader.
const CELL_WORDS: u64 = 2048;

pub(crate) fn dispatch(
    task: &DeformTask<'_>,
    [keys, starts, listed, order]: [Operand; 4],
    max_invocations: u32,
) -> Dispatch {
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", workgroup_for_sum(usize::MAX, max_invocations).into())],
        task.params(|_| {}),
        vec![keys, starts, listed, order],
        (task.sequences() * task.points().div_ceil(LIST_RUN)) as u64,
    )
}
