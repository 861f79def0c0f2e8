//! Launcher of `shaders/deform_conv2d_direct.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{ConvTask, Dispatch, Operand, Params, Slot, WORKGROUP, workgroups_for};

kernel!(
    "deform_conv2d_direct", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, CLASSIFY, BILINEAR, SAMPLE_PLANE, ACTIVATION, WRITE_OUTPUT, WRITE_TILE],
    read: ["input", "weight", "offset", "mask", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "HAS_MASK"],
    precondition: "none",
);

/// Where a deformable convolution samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampling {
    pub offset_groups: usize,
    pub offset: Slot,
    pub mask: Option<Slot>,
}

impl Sampling {
    pub fn mask_slot(&self) -> Slot {
        self.mask.unwrap_or(Slot::UNUSED)
    }

    /// The uniform of a forward kernel.
    pub fn params(&self, task: &ConvTask) -> Params {
        let params = WindowParams {
            input: task.input.view,
            output: task.output.view,
            residual: task.residual.view,
            offset: self.offset.view,
            mask: self.mask_slot().view,
            offset_groups: self.offset_groups as u32,
            ..WindowParams::new(&task.window)
        };
        Params::Window(Box::new(params.with_epilogue(&task.epilogue)))
    }

    /// input, weight, offset, mask, bias, residual, output
    pub fn operands(&self, task: &ConvTask) -> Vec<Operand> {
        vec![
            task.input.operand,
            task.weight,
            self.offset.operand,
            self.mask_slot().operand,
            task.bias.operand,
            task.residual.operand,
            task.output.operand,
        ]
    }
}

/// Output channels of one invocation, as in the shader.
const TILE_CO: u64 = 4;

pub(super) fn dispatch(task: &ConvTask, sampling: &Sampling) -> Dispatch {
    let w = &task.window;
    let co_tiles = (w.c_out_per_group() as u64).div_ceil(TILE_CO);
    let invocations = (w.batch * w.groups) as u64 * co_tiles * w.output_len() as u64;
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), sampling.mask.is_some().into()],
        sampling.params(task),
        sampling.operands(task),
        workgroups_for(invocations),
    )
}
