//! Launcher of `shaders/transpose/conv_transpose_phases.wgsl`.

use crate::capabilities::KernelClass;
use crate::kernels::task::{ConvTask, workgroup_along};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    conv_transpose_phases, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "FLIP_KERNEL"],
    precondition: "stride within the output",
    loops: |l| {
        // Every axis searches its first tap and then visits one in so many.
        let steps = [l.params.tap_step_d, l.params.tap_step_h, l.params.tap_step_w];
        let axis = |axis: usize| (u64::from(l.params.kernel_size[axis]), u64::from(steps[axis].max(1)));
        let searched = (0..3).map(axis).map(|(kernel, step)| step.min(kernel) + 1).sum::<u64>();
        let [d, h, w] = [axis(0), axis(1), axis(2)].map(|(kernel, step)| kernel.div_ceil(step));
        let channels = l.c_in;
        searched + nest(&[d, h, w, channels])
    },
);

const TILE_CO: u64 = 8;

pub(crate) fn applies(task: &ConvTask) -> Result<(), String> {
    let w = &task.window;
    if (0..3).any(|axis| w.stride[axis] > w.output[axis] && w.stride[axis] > 1) {
        return Err("a stride beyond the output leaves phases empty".into());
    }
    Ok(())
}

pub(crate) fn dispatch(task: &ConvTask, class: KernelClass) -> Dispatch {
    let w = &task.window;
    let phases: u64 = w.stride.iter().map(|&s| s as u64).product();
    let lattice: usize = (0..3).map(|axis| w.output[axis].div_ceil(w.stride[axis])).product();
    let workgroup = workgroup_along(lattice, 1, class);
    let co_tiles = (w.c_out_per_group() as u64).div_ceil(TILE_CO);
    let workgroups = (w.batch * w.groups) as u64 * co_tiles * phases * (lattice as u64).div_ceil(u64::from(workgroup));
    let constants = [("WORKGROUP", workgroup.into()), ("FLIP_KERNEL", task.flip_kernel.into())];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
