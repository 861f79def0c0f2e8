//! Launcher of `shaders/conv/conv2d_dilated.wgsl`.

use crate::kernels::task::{ConvTask, padding_code};
use crate::program::Dispatch;
use crate::program::loops::nest;

kernel!(
    conv2d_dilated, Window,
    read: ["input", "weight", "bias", "residual"],
    write: ["output"],
    constants: ["TILE_H", "TILE_W", "CHANNELS", "KERNEL_H", "KERNEL_W", "PADDING_MODE", "FLIP_KERNEL"],
    precondition: "one or two spatial axes, stride 1, some dilation above 1, kernel at most 7 x 7, dilation within the output",
    loops: |l| {
        let [tile_h, tile_w, staged] = ["TILE_H", "TILE_W", "CHANNELS"].map(|name| l.constant(name));
        let patch = (tile_h + l.kh - 1) * (tile_w + l.kw - 1);
        let rounds = l.c_in.div_ceil(staged);
        rounds * (2 + (staged * patch).div_ceil(tile_h * tile_w) + 1 + nest(&[staged, l.kh, l.kw]))
    },
);

const TILE_CO: u64 = 8;
const TILE_H: usize = 8;
const TILE_W: usize = 8;
/// Input channels staged at a time; with the largest kernel they take 3.1 KiB.
const CHANNELS: u32 = 4;
const MAX_KERNEL: usize = 7;

pub(crate) fn applies(task: &ConvTask) -> Result<(), String> {
    let w = &task.window;
    if w.input[0] != 1 || w.kernel[0] != 1 || w.output[0] != 1 {
        return Err("three spatial axes, it takes two".into());
    }
    if w.stride != [1; 3] {
        return Err(format!("stride {:?}, it needs 1", &w.stride[1..]));
    }
    if w.dilation[1..] == [1, 1] {
        return Err("dilation 1, it needs more".into());
    }
    if w.kernel[1] > MAX_KERNEL || w.kernel[2] > MAX_KERNEL {
        return Err(format!("kernel {:?} beyond {MAX_KERNEL} x {MAX_KERNEL}", &w.kernel[1..]));
    }
    if w.dilation[1] > w.output[1] || w.dilation[2] > w.output[2] {
        return Err("a dilation beyond the output leaves lattices empty".into());
    }
    Ok(())
}

pub(crate) fn dispatch(task: &ConvTask) -> Dispatch {
    let w = &task.window;
    let lattices = (w.dilation[1] * w.dilation[2]) as u64;
    let tiles_y = w.output[1].div_ceil(w.dilation[1]).div_ceil(TILE_H) as u64;
    let tiles_x = w.output[2].div_ceil(w.dilation[2]).div_ceil(TILE_W) as u64;
    let co_tiles = (w.c_out_per_group() as u64).div_ceil(TILE_CO);
    let workgroups = (w.batch * w.groups) as u64 * co_tiles * lattices * tiles_y * tiles_x;
    let constants = [
        ("TILE_H", (TILE_H as u32).into()),
        ("TILE_W", (TILE_W as u32).into()),
        ("CHANNELS", CHANNELS.into()),
        ("KERNEL_H", (w.kernel[1] as u32).into()),
        ("KERNEL_W", (w.kernel[2] as u32).into()),
        ("PADDING_MODE", padding_code(task.padding_mode)),
        ("FLIP_KERNEL", task.flip_kernel.into()),
    ];
    Dispatch::new(&KERNEL, constants, task.params(), task.operands(), workgroups)
}
