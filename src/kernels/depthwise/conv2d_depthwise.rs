//! Launcher of `shaders/depthwise/conv2d_depthwise.wgsl`.

use crate::capabilities::KernelClass;
use crate::geometry::Window;
use crate::kernels::task::{ConvTask, WORKGROUP, padding_code, workgroups_for};
use crate::kernels::{conv2d_depthwise_rows, conv2d_depthwise_rows_vec4};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    conv2d_depthwise, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "SLIDE", "TILE_Y"],
    precondition: "one or two spatial axes, one input channel per group",
    loops: |l| nest(&[l.kw, l.kh]),
);

/// Output rows of one invocation. A GPU wants the invocations. A software rasteriser wants few indices, which cost it as
/// much as 20 loads, and few loads of rows that two invocations share and of weights that all do.
fn tile_rows(w: &Window, slide: bool, class: KernelClass) -> usize {
    const INDEX: usize = 20;
    const STORE: usize = 2;
    let [_, kernel_h, kernel_w] = w.kernel;
    let loads = |rows: usize| kernel_w * (kernel_h + rows + kernel_h - 1);
    let cost = |&rows: &usize| w.output[1].div_ceil(rows) * (INDEX + loads(rows) + STORE * rows);
    match class {
        // Where rows do not slide, there is nothing to share.
        KernelClass::Cpu if slide => [4, 8, 16].into_iter().min_by_key(cost).unwrap_or(4),
        _ => 4,
    }
}

pub(crate) fn applies(task: &ConvTask) -> Result<(), String> {
    let w = &task.window;
    if w.c_in_per_group() != 1 {
        return Err(format!("{} input channels per group, it needs 1", w.c_in_per_group()));
    }
    if w.input[0] != 1 || w.kernel[0] != 1 || w.output[0] != 1 {
        return Err("three spatial axes, it takes two".into());
    }
    Ok(())
}

/// Strips with the filter in registers, where there is a kernel for them and they pay. A row that could be stood up as a column
/// saves a software rasteriser loads that way, and costs a GPU those that coalesce. A GPU wants vec4s: neighbours that read
/// every fourth element do not coalesce either.
fn by_rows(task: &ConvTask, class: KernelClass, stands: bool) -> Option<Dispatch> {
    if !stands && class == KernelClass::Cpu {
        return None;
    }
    if conv2d_depthwise_rows_vec4::applies(task) {
        return Some(conv2d_depthwise_rows_vec4::dispatch(task, class));
    }
    let pays = class == KernelClass::Cpu && conv2d_depthwise_rows::applies(task);
    pays.then(|| conv2d_depthwise_rows::dispatch(task, class))
}

pub(crate) fn dispatch(task: &ConvTask, class: KernelClass) -> Dispatch {
    let swapped = task.swap_hw();
    if let Some(dispatch) = by_rows(task, class, swapped.window == task.window) {
        return dispatch;
    }
    let task = &swapped;
    let w = &task.window;
    let slide = w.stride[1] == w.dilation[1];
    let rows = tile_rows(w, slide, class);
    let invocations = w.batch * w.c_out * w.output[1].div_ceil(rows) * w.output[2];
    let constants = [
        ("WORKGROUP", WORKGROUP.into()),
        ("PADDING_MODE", padding_code(task.padding_mode)),
        ("FLIP_KERNEL", task.flip_kernel.into()),
        ("SLIDE", slide.into()),
        ("TILE_Y", (rows as u32).into()),
    ];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups_for(invocations as u64))
}
