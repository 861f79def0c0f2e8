//! Launcher of `shaders/coop_pack_weight.wgsl`.

use super::catalog::{Element, kernel};
use super::params::WindowParams;
use super::program::{ConvTask, Dispatch, Params, Slot};

kernel!(
    "coop_pack_weight", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, HALVES],
    read: ["weight"],
    write: ["output", "exponents"],
    constants: ["WORKGROUP", "SCALED", "FLIP_KERNEL"],
    precondition: "a device with f16",
);

/// Invocations of a workgroup: one row.
const INVOCATIONS: u32 = 128;

/// Packs the weights of `task`; with a slot of exponents scaled.
pub(super) fn dispatch(task: &ConvTask, packed: Slot, exponents: Option<Slot>) -> Dispatch {
    let mut dispatch = Dispatch::new(
        &KERNEL,
        vec![INVOCATIONS.into(), exponents.is_some().into(), task.flip_kernel.into()],
        Params::Window(Box::new(WindowParams::new(&task.window))),
        vec![task.weight, packed.operand, exponents.unwrap_or(Slot::UNUSED).operand],
        task.window.c_out as u64,
    );
    dispatch.variant.elements[1] = Element::F16;
    dispatch
}
