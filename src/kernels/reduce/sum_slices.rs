//! Launcher of `shaders/reduce/sum_slices.wgsl`.

use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    sum_slices, Window,
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |l| nest(&[l.batch.div_ceil(SLICES), SLICES]) + l.batch,
);

/// Slices that are added at once, as in the shader.
const SLICES: u64 = 16;

/// Adds `slices` tensors of (rows, positions).
pub(crate) fn dispatch(
    slices: usize,
    rows: usize,
    positions: [usize; 3],
    input: Slot,
    output: Slot,
    beta: f32,
) -> Dispatch {
    let params = WindowParams {
        input: input.view,
        output: output.view,
        batch: slices as u32,
        c_out: rows as u32,
        output_size: positions.map(|n| n as u32),
        beta,
        ..WindowParams::default()
    };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        Params::Window(Box::new(params)),
        vec![input.operand, output.operand],
        workgroups_for(rows as u64 * positions.iter().product::<usize>() as u64),
    )
}
