//! Launcher of `shaders/avg_pool.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, strips};
use crate::capabilities::KernelClass;
use crate::geometry::Window;

kernel!(
    "avg_pool", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, TAP_RANGE],
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP", "ROWS", "DILATED", "COUNT_PADDING"],
    precondition: "none",
);

/// A divisor of zero counts taps.
pub(super) fn dispatch(
    window: &Window,
    count_padding: bool,
    divisor: usize,
    [input, output]: [Slot; 2],
    class: KernelClass,
) -> Dispatch {
    let (rows, workgroups) = strips(window.batch, window.c_out, window.output, class);
    let dilated = window.dilation != [1; 3];
    let params =
        WindowParams { input: input.view, output: output.view, count: divisor as u32, ..WindowParams::new(window) };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), rows.into(), dilated.into(), count_padding.into()],
        Params::Window(Box::new(params)),
        vec![input.operand, output.operand],
        workgroups,
    )
}
