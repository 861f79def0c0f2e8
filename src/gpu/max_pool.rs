//! Launcher of `shaders/max_pool.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, strips};
use crate::capabilities::KernelClass;
use crate::geometry::Window;

kernel!(
    "max_pool", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, TAP_RANGE, CLASSIFY, MAX_RULE],
    read: ["input"],
    write: ["output", "indices"],
    constants: ["WORKGROUP", "ROWS", "DILATED", "HAS_PAD_VALUE", "HAS_INDICES"],
    precondition: "none",
);

pub(super) fn dispatch(
    window: &Window,
    pad_value: Option<f32>,
    input: Slot,
    output: Slot,
    indices: Option<Slot>,
    class: KernelClass,
) -> Dispatch {
    let (rows, workgroups) = strips(window.batch, window.c_out, window.output, class);
    let dilated = window.dilation != [1; 3];
    let indices_slot = indices.unwrap_or(Slot::UNUSED);
    let params = WindowParams {
        input: input.view,
        output: output.view,
        indices: indices_slot.view,
        // Without a padding value it is that of windows without an element.
        value: pad_value.unwrap_or(f32::NEG_INFINITY),
        ..WindowParams::new(window)
    };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), rows.into(), dilated.into(), pad_value.is_some().into(), indices.is_some().into()],
        Params::Window(Box::new(params)),
        vec![input.operand, output.operand, indices_slot.operand],
        workgroups,
    )
}
