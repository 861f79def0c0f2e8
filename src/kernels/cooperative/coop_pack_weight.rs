//! Launcher of `shaders/cooperative/coop_pack_weight.wgsl`.

use crate::kernels::conv_coop_packed::BLOCK;
use crate::kernels::task::{ConvTask, Slot};
use crate::program::loops::nest;
use crate::program::{Dispatch, Element, Params, WindowParams};

kernel!(
    coop_pack_weight, Window,
    read: ["weight"],
    write: ["output", "exponents"],
    constants: ["WORKGROUP", "SCALED", "FLIP_KERNEL"],
    precondition: "a device with f16",
    loops: |l| {
        let packed = l.c_in.next_multiple_of(BLOCK as u64) * l.taps;
        nest(&[(l.c_in * l.taps).div_ceil(l.lanes())]) + nest(&[(packed / 4).div_ceil(l.lanes())])
    },
);

/// Invocations of a workgroup: one row.
const INVOCATIONS: u32 = 128;

/// Packs the weights of `task`; with a slot of exponents scaled.
pub(crate) fn dispatch(task: &ConvTask, packed: Slot, exponents: Option<Slot>) -> Dispatch {
    let mut dispatch = Dispatch::new(
        &KERNEL,
        [
            ("WORKGROUP", INVOCATIONS.into()),
            ("SCALED", exponents.is_some().into()),
            ("FLIP_KERNEL", task.flip_kernel.into()),
        ],
        Params::Window(Box::new(WindowParams::new(&task.window))),
        vec![task.weight, packed.operand, exponents.unwrap_or(Slot::UNUSED).operand],
        task.window.c_out as u64,
    );
    dispatch.variant.elements[1] = Element::F16;
    dispatch
}
