//! Launcher of `shaders/deform/deform_conv2d_subgroup.wgsl`.

use crate::capabilities::Capabilities;
use crate::kernels::deform_conv2d_direct::Sampling;
use crate::kernels::task::{ConvTask, broadcast_step};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    deform_conv2d_subgroup, Window,
    read: ["input", "weight", "offset", "mask", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "HAS_MASK", "STEP", "TILE_CO"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more",
    loops: |l| {
        let stretches = l.c_in / l.offset_channels.max(1) + 2;
        let chunks = l.c_in / l.constant("STEP") + stretches;
        // Four columns of up to 32 rows at once, which may take a loop of four each.
        let written = l.constant("TILE_CO").div_ceil(32) * nest(&[4, 8, 4]);
        nest(&[stretches, l.taps]) + l.taps * (chunks + stretches) + written
    },
);

/// Positions of one invocation, as in the shader.
const TILE_POSITIONS: u32 = 4;
/// One subgroup: the tiles are so large that a plane has few of them, which more lanes would leave unevenly to the cores.
const WORKGROUP: u32 = 8;

pub(crate) fn applies(caps: &Capabilities) -> bool {
    broadcast_step(caps).is_some()
}

/// Output channels of one invocation. For eight products a tile loads 128 corners and as many weights as it has rows; the
/// multiply-adds cost about half as much as the latter.
fn tile(rows: usize) -> u32 {
    let cost = |&tile: &u32| rows.div_ceil(tile as usize) * (256 + 3 * tile as usize);
    [8, 16, 32, 64, 128].into_iter().min_by_key(cost).unwrap_or(128)
}

pub(crate) fn dispatch(task: &ConvTask, sampling: &Sampling, caps: &Capabilities) -> Dispatch {
    let w = &task.window;
    let tile_co = tile(w.c_out_per_group());
    let co_tiles = (w.c_out_per_group() as u64).div_ceil(tile_co.into());
    let position_tiles = (w.output_len() as u64).div_ceil(u64::from(TILE_POSITIONS * WORKGROUP));
    let step = broadcast_step(caps).unwrap_or(4);
    Dispatch::new(
        &KERNEL,
        [
            ("WORKGROUP", WORKGROUP.into()),
            ("HAS_MASK", sampling.mask.is_some().into()),
            ("STEP", step.into()),
            ("TILE_CO", tile_co.into()),
        ],
        sampling.params(task),
        sampling.operands(task),
        (w.batch * w.groups) as u64 * co_tiles * position_tiles,
    )
}
