//! Launcher of `shaders/reduce/grad_bias.wgsl`.

use crate::capabilities::{Capabilities, KernelClass};
use crate::geometry::Window;
use crate::kernels::task::{Slot, workgroup_for_sum};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    grad_bias, Window,
    read: ["grad_output"],
    write: ["grad_bias"],
    constants: ["WORKGROUP", "TREE"],
    precondition: "none",
    loops: |l| {
        if l.is("TREE") { nest(&[l.batch, l.positions.div_ceil(l.lanes())]) } else { nest(&[l.batch, l.od, l.oh, l.ow]) }
    },
);

/// Invocations of a workgroup without a tree: the lanes of a software rasteriser.
const LANES: u32 = 8;
/// Longest sum of one invocation; a driver may allow only so many iterations.
const LONGEST: usize = 1 << 15;

pub(crate) fn dispatch(
    window: &Window,
    grad_output: Slot,
    grad_bias: Slot,
    beta: f32,
    caps: &Capabilities,
) -> Dispatch {
    let params = WindowParams { grad_output: grad_output.view, beta, ..WindowParams::new(window) };
    let [d, h, w] = window.output;
    let short = window.batch * (d + 1) * (h + 1) * (w + 1) <= LONGEST;
    let tree = caps.class == KernelClass::Gpu || !short;
    let (workgroup, workgroups) = if tree {
        (workgroup_for_sum(window.output_len(), caps.max_invocations_per_workgroup), window.c_out as u64)
    } else {
        (LANES, (window.c_out as u64).div_ceil(LANES.into()))
    };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", workgroup.into()), ("TREE", tree.into())],
        Params::Window(Box::new(params)),
        vec![grad_output.operand, grad_bias.operand],
        workgroups,
    )
}
