//! Launcher of `shaders/reduce/sum_slices.wgsl`.

use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, SumParams};

kernel!(
    sum_slices, Sum,
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |l| {
        let slices = u64::from(l.params.slices);
        nest(&[slices.div_ceil(SLICES), SLICES]) + slices
    },
);

/// SplitSum that are added at once, as in the shader.
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
    let params = SumParams {
        input: input.view,
        output: output.view,
        slices: slices as u32,
        rows: rows as u32,
        size: positions.map(|n| n as u32),
        beta,
        ..SumParams::default()
    };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        Params::Sum(Box::new(params)),
        vec![input.operand, output.operand],
        workgroups_for(rows as u64 * positions.iter().product::<usize>() as u64),
    )
}
