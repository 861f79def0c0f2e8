//! Launcher of `shaders/sum_slices.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, WORKGROUP, workgroups_for};

kernel!(
    "sum_slices", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID],
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP"],
    precondition: "none",
);

/// Adds `slices` tensors of (rows, positions).
pub(super) fn dispatch(
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
        vec![WORKGROUP.into()],
        Params::Window(Box::new(params)),
        vec![input.operand, output.operand],
        workgroups_for(rows as u64 * positions.iter().product::<usize>() as u64),
    )
}
