//! Launcher of `shaders/deform/deform_conv2d_direct.wgsl`.

use crate::kernels::task::{ConvTask, Slot, WORKGROUP, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, Operand, Params, WindowParams};

kernel!(
    deform_conv2d_direct, Window,
    read: ["input", "weight", "offset", "mask", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "HAS_MASK"],
    precondition: "none",
    loops: |l| {
        let stretches = l.c_in / l.offset_channels.max(1) + 2;
        nest(&[l.taps, stretches]) + l.taps * (l.c_in + stretches)
    },
);

/// Where a deformable convolution samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
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
            output: task.sink.output.view,
            residual: task.sink.residual.view,
            offset: self.offset.view,
            mask: self.mask_slot().view,
            offset_groups: self.offset_groups as u32,
            ..WindowParams::new(&task.window)
        };
        Params::Window(Box::new(params.with_epilogue(&task.sink.epilogue)))
    }

    /// input, weight, offset, mask, bias, residual, output
    pub fn operands(&self, task: &ConvTask) -> Vec<Operand> {
        vec![
            task.input.operand,
            task.weight,
            self.offset.operand,
            self.mask_slot().operand,
            task.sink.bias.operand,
            task.sink.residual.operand,
            task.sink.output.operand,
        ]
    }
}

/// Output channels of one invocation, as in the shader.
const TILE_CO: u64 = 4;

pub(crate) fn dispatch(task: &ConvTask, sampling: &Sampling) -> Dispatch {
    let w = &task.window;
    let co_tiles = (w.c_out_per_group() as u64).div_ceil(TILE_CO);
    let invocations = (w.batch * w.groups) as u64 * co_tiles * w.output_len() as u64;
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into()), ("HAS_MASK", sampling.mask.is_some().into())],
        sampling.params(task),
        sampling.operands(task),
        workgroups_for(invocations),
    )
}
