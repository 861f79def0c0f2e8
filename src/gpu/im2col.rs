//! Launcher of `shaders/im2col.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, padding_code, workgroups_for};
use crate::geometry::Window;
use crate::problem::PaddingMode;

kernel!(
    "im2col", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING],
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "POSITION_MAJOR"],
    precondition: "none",
);

pub(super) fn dispatch(
    window: &Window,
    padding_mode: PaddingMode,
    flip_kernel: bool,
    input: Slot,
    columns: Slot,
    beta: f32,
) -> Dispatch {
    // Neighbours write neighbours.
    let position_major = columns.view.c == 1 && columns.view.w > 1;
    let params = WindowParams { input: input.view, output: columns.view, beta, ..WindowParams::new(window) };
    let elements = window.batch as u64 * (window.c_in * window.kernel_len()) as u64 * window.output_len() as u64;
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), padding_code(padding_mode), flip_kernel.into(), position_major.into()],
        Params::Window(Box::new(params)),
        vec![input.operand, columns.operand],
        workgroups_for(elements),
    )
}
