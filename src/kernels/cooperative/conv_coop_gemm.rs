//! Launcher of `shaders/cooperative/conv_coop_gemm.wgsl`, and of its twin of smaller matrices.

use crate::capabilities::Capabilities;
use crate::kernels::task::{ConvTask, padding_code, wants_large_tile};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    conv_coop_gemm, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["SUBGROUPS_M", "SUBGROUPS_N", "SUBGROUP_SIZE", "SPLIT", "PADDING_MODE", "FLIP_KERNEL"],
    precondition: "cooperative matrices of 16 x 16, f16 into f32; subgroups of one size; up to 32 KiB of workgroup memory",
    loops: |l| {
        let side: u64 = if l.stem() == "conv_coop_gemm" { 16 } else { 8 };
        let elements = (side * side).div_ceil(l.constant("SUBGROUP_SIZE"));
        nest(&[l.c_in.div_ceil(BLOCK_K.into()) * l.taps, u64::from(BLOCK_K) / side]) + nest(&[8, elements])
    },
    twins: [
        SMALL = conv_coop_gemm_8x8: "cooperative matrices of 8 x 8, f16 into f32; subgroups of one size; up to 32 KiB of workgroup memory",
    ],
);

/// Channels of a panel, as in the shader.
const BLOCK_K: u32 = 16;

/// How subgroups share a tile.
#[derive(Debug, Clone, Copy)]
struct Shape {
    side: u32,
    subgroups: [u32; 2],
    subgroup_size: u32,
}

impl Shape {
    /// Rows and columns of the tile.
    fn block(self) -> [u32; 2] {
        [self.subgroups[0] * 2 * self.side, self.subgroups[1] * 4 * self.side]
    }

    fn invocations(self) -> u32 {
        self.subgroups[0] * self.subgroups[1] * self.subgroup_size
    }

    /// Of workgroup memory, as in the shader.
    fn bytes(self, split: bool) -> u32 {
        let [rows, columns] = self.block();
        let parts = if split { 2 } else { 1 };
        let panels = 2 * parts * (rows * (BLOCK_K + 8) + BLOCK_K * (columns + 8));
        let sums = 4 * self.subgroups[0] * self.subgroups[1] * self.side * self.side;
        panels + sums + 16
    }

    /// What keeps a device from it.
    fn fits(self, split: bool, caps: &Capabilities) -> Result<(), String> {
        let [rows, columns] = self.block();
        let run = |elements: u32| elements * BLOCK_K / self.invocations();
        if ![4, 8].contains(&run(rows)) || ![4, 8, 16].contains(&run(columns)) {
            let Shape { side, subgroup_size, .. } = self;
            return Err(format!("subgroups of {subgroup_size} do not divide a panel of {side} x {side} matrices"));
        }
        let (invocations, bytes) = (self.invocations(), self.bytes(split));
        if invocations > caps.max_invocations_per_workgroup {
            return Err(format!("it needs {invocations} invocations in a workgroup"));
        }
        if bytes > caps.max_workgroup_bytes {
            return Err(format!("it needs {bytes} bytes of workgroup memory"));
        }
        Ok(())
    }
}

/// With `split` each factor is two f16. `Err` says why it does not apply.
pub(crate) fn dispatch(task: &ConvTask, caps: &Capabilities, split: bool) -> Result<Dispatch, String> {
    let Some(side) = caps.cooperative_side else {
        return Err("it needs cooperative matrices of f16 into f32, and a device that was opened with them".into());
    };
    let Some(subgroup_size) = caps.subgroup_size else {
        return Err("it needs subgroups that are always of one size".into());
    };
    let kernel = match side {
        16 => &KERNEL,
        8 => &SMALL,
        _ => return Err(format!("it has no kernel for matrices of {side} x {side}")),
    };
    let w = &task.window;
    let columns = (w.batch * w.output_len()) as u64;
    let tiles = |shape: Shape| {
        let [block_m, block_n] = shape.block().map(u64::from);
        w.groups as u64 * (w.c_out_per_group() as u64).div_ceil(block_m) * columns.div_ceil(block_n)
    };
    // As many as stage 4 to 16 elements of a panel each.
    let across = (4 * side).div_ceil(subgroup_size).max(2);
    let small = Shape { side, subgroups: [across, across], subgroup_size };
    let large = Shape { subgroups: [2 * across, across], ..small };
    small.fits(split, caps)?;
    let wants_large = wants_large_tile(w.c_out_per_group(), tiles(large), caps.max_invocations_per_workgroup);
    let shape = if wants_large && large.fits(split, caps).is_ok() { large } else { small };
    let constants = [
        ("SUBGROUPS_M", shape.subgroups[0].into()),
        ("SUBGROUPS_N", shape.subgroups[1].into()),
        ("SUBGROUP_SIZE", subgroup_size.into()),
        ("SPLIT", split.into()),
        ("PADDING_MODE", padding_code(task.padding_mode)),
        ("FLIP_KERNEL", task.flip_kernel.into()),
    ];
    Ok(Dispatch::new(kernel, constants, task.params(), task.operands(), tiles(shape)))
}
