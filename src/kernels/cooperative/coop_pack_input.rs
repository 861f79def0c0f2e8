//! Launcher of `shaders/cooperative/coop_pack_input.wgsl`.

use crate::kernels::conv_coop_packed::{BLOCK, Frame};
use crate::kernels::coop_peaks;
use crate::kernels::task::{ConvTask, Slot, padding_code};
use crate::program::loops::nest;
use crate::program::{Dispatch, Element, Params, WindowParams};

kernel!(
    coop_pack_input, Window,
    read: ["input", "peaks"],
    write: ["output", "exponents"],
    constants: ["PARTS", "SCALED", "PADDING_MODE"],
    precondition: "a device with f16",
    loops: |_| nest(&[2]),
);

/// Pixels of a workgroup, as in the shader.
const PIXELS: usize = 64;

/// Packs the input of `task`; with the slots of peaks and exponents scaled.
pub(crate) fn dispatch(task: &ConvTask, frame: &Frame, packed: Slot, scale: Option<[Slot; 2]>) -> Dispatch {
    let w = &task.window;
    let axes = |values: [usize; 3]| values.map(|n| n as u32);
    let params = WindowParams {
        input: task.input.view,
        output_size: axes(frame.pixels),
        stride: axes(frame.step),
        ..WindowParams::new(w)
    };
    let parts = if scale.is_some() { coop_peaks::parts(task) } else { 1 };
    let [peaks, exponents] = scale.unwrap_or([Slot::UNUSED; 2]);
    let blocks = w.groups * w.c_in_per_group().div_ceil(BLOCK);
    let mut dispatch = Dispatch::new(
        &KERNEL,
        [
            ("PARTS", (parts as u32).into()),
            ("SCALED", scale.is_some().into()),
            ("PADDING_MODE", padding_code(task.padding_mode)),
        ],
        Params::Window(Box::new(params)),
        vec![task.input.operand, peaks.operand, packed.operand, exponents.operand],
        (w.batch * blocks * frame.len().div_ceil(PIXELS)) as u64,
    );
    dispatch.variant.elements[2] = Element::F16;
    dispatch
}
