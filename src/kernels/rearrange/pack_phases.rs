//! Launcher of `shaders/rearrange/pack_phases.wgsl`.

use crate::kernels::task::{ConvTask, Slot, WORKGROUP, workgroups_for};
use crate::program::loops::{nest, product};
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    pack_phases, Window,
    read: ["weight"],
    write: ["packed"],
    constants: ["WORKGROUP", "FLIP_KERNEL", "STEP", "TILE_CO", "PHASE_W"],
    precondition: "no dilation, a kernel of at least the stride",
    loops: |l| nest(&[product(l.params.stride), l.taps]),
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

pub(crate) fn dispatch(p: &Packing, task: &ConvTask, packed: Slot) -> Dispatch {
    let [groups, _, columns, rows] = p.shape;
    let invocations = 4 * groups * rows.div_ceil(16) * columns;
    Dispatch::new(
        &KERNEL,
        [
            ("WORKGROUP", WORKGROUP.into()),
            ("FLIP_KERNEL", task.flip_kernel.into()),
            ("STEP", p.step.into()),
            ("TILE_CO", p.tile_rows.into()),
            ("PHASE_W", p.start.into()),
        ],
        Params::Window(Box::new(WindowParams::new(&task.window))),
        vec![task.weight, packed.operand],
        workgroups_for(invocations as u64),
    )
}
