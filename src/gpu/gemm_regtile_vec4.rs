//! Launcher of `shaders/gemm_regtile_vec4.wgsl`.

use super::catalog::kernel;
use super::program::{Dispatch, GemmTask, Operand, Slices, workgroup_along};
use crate::capabilities::KernelClass;

kernel!(
    "gemm_regtile_vec4", Gemm,
    parts: [VIEW, GEMM_PARAMS, GRID, ACTIVATION, WRITE_OUTPUT],
    read: ["a", "b", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "SLICED"],
    precondition: "rows of a and b start at multiples of four elements, k is one, columns are dense",
);

/// Rows and columns of one invocation, as in the shader.
const TILE_M: u64 = 8;
const TILE_N: u32 = 4;

pub(super) fn applies(task: &GemmTask) -> bool {
    let [a_group, a_row, a_column] = task.a_strides;
    let [b_batch, b_group, b_row, b_column] = task.b_strides;
    // A tensor is bound from a multiple of 16 bytes, and the uniform says where in the binding it starts; a workspace range
    // is bound at its start. The last quad of a row may reach past n in a workspace, whose pitch holds it, but not in a
    // tensor, whose binding may end there.
    let (b_base, n) = match task.b.operand {
        Operand::Tensor(_) => (task.b.view.base as usize, task.n),
        _ => (0, task.n.next_multiple_of(4)),
    };
    let a_base = task.a.view.base as usize;
    let [slice, run, a_run, b_run] = match task.slices {
        Some(Slices { slice, run, run_strides: [a_run, b_run] }) => [slice, run, a_run, b_run],
        None => [0; 4],
    };
    a_column == 1
        && b_column == 1
        && n <= b_row
        && [a_base, a_group, a_row, a_run, b_batch, b_group, b_row, b_run, b_base, n, task.k, run, slice]
            .iter()
            .all(|n| n % 4 == 0)
}

pub(super) fn dispatch(task: &GemmTask, class: KernelClass) -> Dispatch {
    let workgroup = workgroup_along(task.n, TILE_N, class);
    let row_tiles = (task.m as u64).div_ceil(TILE_M);
    let column_tiles = (task.n as u64).div_ceil(u64::from(TILE_N * workgroup));
    let workgroups = (task.batch * task.groups) as u64 * row_tiles * column_tiles;
    Dispatch::new(
        &KERNEL,
        vec![workgroup.into(), task.slices.is_some().into()],
        task.params(),
        task.operands(),
        workgroups,
    )
}
