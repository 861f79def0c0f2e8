//! Launcher of `shaders/pack_phases.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{ConvTask, Dispatch, Params, Slot, WORKGROUP, workgroups_for};

kernel!(
    "pack_phases", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PHASE_FRAME],
    read: ["weight"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL", "STEP", "TILE_CO", "PHASE_W"],
    precondition: "no dilation, a kernel of at least the stride",
);

/// How the weights of phases are packed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packing {
    /// Groups, taps of all phases, input channels and output channels.
    pub shape: [usize; 4],
    pub step: u32,
    pub tile_rows: u32,
    /// The first column of the phases.
    pub start: u32,
}

pub(super) fn dispatch(p: &Packing, task: &ConvTask, packed: Slot) -> Dispatch {
    let [groups, _, columns, rows] = p.shape;
    let invocations = 4 * groups * rows.div_ceil(16) * columns;
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), task.flip_kernel.into(), p.step.into(), p.tile_rows.into(), p.start.into()],
        Params::Window(Box::new(WindowParams::new(&task.window))),
        vec![task.weight, packed.operand],
        workgroups_for(invocations as u64),
    )
}
