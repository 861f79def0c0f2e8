//! Launcher of `shaders/conv/conv_grad_weight_subgroup.wgsl`.

use crate::capabilities::Capabilities;
use crate::geometry::Window;
use crate::kernels::lane_tile::{LaneProduct, LaneTile};
use crate::kernels::task::{Slot, broadcast_step_for, padding_code};
use crate::problem::PaddingMode;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    conv_grad_weight_subgroup, Window,
    read: ["input", "grad_output"],
    write: ["grad_weight"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "HAS_DEPTH", "STEP", "TILE_CO", "WIDE"],
    precondition: "a CPU adapter with subgroups of a fixed size of 4 or more",
    loops: |l| u64::from(l.params.slice) / l.constant("STEP") + 2,
);

/// Workgroups no larger than this: they share nothing, and a device wants to be filled.
const WIDEST: u32 = 16;
/// Workgroups that fill a device, the shortest slice of a sum that is worth a partial result, and the longest one: every
/// STEP positions are an iteration, of which a driver may allow only so many.
const ENOUGH_WORKGROUPS: usize = 64;
const SHORTEST_SLICE: usize = 256;
const LONGEST_SLICE: usize = 1 << 17;

fn columns(w: &Window) -> usize {
    w.c_in_per_group() * w.kernel_len()
}

/// The tile, and its workgroups of one slice.
fn tile(w: &Window) -> (LaneTile, usize) {
    let product = LaneProduct::matrix(w.groups, w.c_out_per_group(), columns(w), w.batch * w.output_len());
    let tile = product.tile();
    let tile = LaneTile { workgroup: tile.workgroup.min(WIDEST), ..tile };
    (tile, product.workgroups(tile) as usize)
}

/// Positions of a slice, and how many slices there are.
pub(crate) fn slices(w: &Window) -> (usize, usize) {
    let positions = w.batch * w.output_len();
    let most = positions.div_ceil(SHORTEST_SLICE);
    let wanted = (ENOUGH_WORKGROUPS / tile(w).1).clamp(1, most).max(positions.div_ceil(LONGEST_SLICE));
    let each = positions.div_ceil(wanted).next_multiple_of(8);
    (each, positions.div_ceil(each))
}

/// `window` slides over `input` and has the positions of `grad_output`; slices of `grad_weight` lie one behind the other.
pub(crate) fn dispatch(
    window: &Window,
    padding_mode: PaddingMode,
    flip_kernel: bool,
    [input, grad_output, grad_weight]: [Slot; 3],
    beta: f32,
    caps: &Capabilities,
) -> Dispatch {
    let (each, count) = slices(window);
    let (tile, tiles) = tile(window);
    let params = WindowParams {
        input: input.view,
        grad_output: grad_output.view,
        slice: each as u32,
        beta,
        ..WindowParams::new(window)
    };
    let constants = [
        ("WORKGROUP", tile.workgroup.into()),
        ("PADDING_MODE", padding_code(padding_mode)),
        ("FLIP_KERNEL", flip_kernel.into()),
        ("HAS_DEPTH", window.has_depth().into()),
        ("STEP", broadcast_step_for(window.batch * window.output_len(), caps).into()),
        ("TILE_CO", tile.rows.into()),
        ("WIDE", tile.wide.into()),
    ];
    let operands = vec![input.operand, grad_output.operand, grad_weight.operand];
    let workgroups = (count * tiles) as u64;
    Dispatch::new(&KERNEL, constants, Params::Window(Box::new(params)), operands, workgroups)
}
