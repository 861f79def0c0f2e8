//! Launcher of `shaders/max_pool.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, workgroups_for};
use crate::geometry::Window;

kernel!(
    "max_pool", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CLASSIFY, MAX_RULE],
    read: ["input"],
    write: ["output", "indices"],
    constants: ["WORKGROUP", "HAS_PAD_VALUE", "HAS_INDICES"],
    precondition: "none",
);

pub(super) fn dispatch(
    window: &Window,
    pad_value: Option<f32>,
    input: Slot,
    output: Slot,
    indices: Option<Slot>,
) -> Dispatch {
    let indices_slot = indices.unwrap_or(Slot::UNUSED);
    let params = WindowParams {
        input: input.view,
        output: output.view,
        indices: indices_slot.view,
        value: pad_value.unwrap_or(0.0),
        ..WindowParams::new(window)
    };
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), pad_value.is_some().into(), indices.is_some().into()],
        Params::Window(Box::new(params)),
        vec![input.operand, output.operand, indices_slot.operand],
        workgroups_for((window.batch * window.c_out * window.output_len()) as u64),
    )
}
