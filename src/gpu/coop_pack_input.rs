//! Launcher of `shaders/coop_pack_input.wgsl`.

use super::catalog::{Element, kernel};
use super::conv_coop_packed::{BLOCK, Frame};
use super::coop_peaks;
use super::params::WindowParams;
use super::program::{ConvTask, Dispatch, Params, Slot, padding_code};

kernel!(
    "coop_pack_input", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING, HALVES],
    read: ["input", "peaks"],
    write: ["output", "exponents"],
    constants: ["PARTS", "SCALED", "PADDING_MODE"],
    precondition: "a device with f16",
);

/// Pixels of a workgroup, as in the shader.
const PIXELS: usize = 64;

/// Packs the input of `task`; with the slots of peaks and exponents scaled.
pub(super) fn dispatch(task: &ConvTask, frame: &Frame, packed: Slot, scale: Option<[Slot; 2]>) -> Dispatch {
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
        vec![(parts as u32).into(), scale.is_some().into(), padding_code(task.padding_mode)],
        Params::Window(Box::new(params)),
        vec![task.input.operand, peaks.operand, packed.operand, exponents.operand],
        (w.batch * blocks * frame.len().div_ceil(PIXELS)) as u64,
    );
    dispatch.variant.elements[2] = Element::F16;
    dispatch
}
