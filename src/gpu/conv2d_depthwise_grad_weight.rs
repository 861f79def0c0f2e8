//! Launcher of `shaders/conv2d_depthwise_grad_weight.wgsl`.

use super::catalog::kernel;
use super::params::WindowParams;
use super::program::{Dispatch, Params, Slot, padding_code, upright, upright_slot};
use crate::geometry::Window;
use crate::problem::PaddingMode;

kernel!(
    "conv2d_depthwise_grad_weight", Window,
    parts: [VIEW, WINDOW_PARAMS, GRID, PADDING],
    read: ["input", "grad_output"],
    write: ["grad_weight"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "SLIDE"],
    precondition: "one or two spatial axes, one input channel per group, a kernel of up to 8 by 16",
);

/// As in the shader.
const TILE_Y: usize = 4;
const MAX_KERNEL: [usize; 2] = [8, 16];
/// As many as the tap columns of the widest kernel times eight lanes.
const WORKGROUP: u32 = 128;
/// Workgroups that fill a device, and the fewest items of a lane that are worth another workgroup.
const ENOUGH_WORKGROUPS: usize = 512;
const FEWEST_ITEMS: usize = 8;

pub(super) fn applies(w: &Window) -> Result<(), String> {
    if w.c_in_per_group() != 1 {
        return Err(format!("{} input channels per group, it needs 1", w.c_in_per_group()));
    }
    if w.input[0] != 1 || w.kernel[0] != 1 || w.output[0] != 1 {
        return Err("three spatial axes, it takes two".into());
    }
    if w.kernel[1] > MAX_KERNEL[0] || w.kernel[2] > MAX_KERNEL[1] {
        return Err(format!("a kernel of {} by {}, it takes up to 8 by 16", w.kernel[1], w.kernel[2]));
    }
    Ok(())
}

/// A row that is taken for a column, where the kernel's rows may be as many.
fn standing(w: &Window) -> Option<Window> {
    upright(w).filter(|upright| upright.kernel[1] <= MAX_KERNEL[0])
}

/// Items of a slice, and how many slices there are.
pub(super) fn slices(w: &Window) -> (usize, usize) {
    let upright = standing(w);
    let w = upright.as_ref().unwrap_or(w);
    let items = w.batch * w.output[1].div_ceil(TILE_Y) * w.output[2];
    let lanes = WORKGROUP as usize / w.kernel[2];
    let most = items.div_ceil(lanes * FEWEST_ITEMS);
    let each = items.div_ceil((ENOUGH_WORKGROUPS / w.c_out).clamp(1, most)).next_multiple_of(lanes);
    (each, items.div_ceil(each))
}

/// `window` slides over `input` and has the positions of `grad_output`; slices of `grad_weight` lie one behind the other.
pub(super) fn dispatch(
    window: &Window,
    padding_mode: PaddingMode,
    flip_kernel: bool,
    [input, grad_output, grad_weight]: [Slot; 3],
    beta: f32,
) -> Dispatch {
    let (each, count) = slices(window);
    let upright = standing(window);
    let (window, input, grad_output) = match &upright {
        Some(upright) => (upright, upright_slot(input), upright_slot(grad_output)),
        None => (window, input, grad_output),
    };
    let params = WindowParams {
        input: input.view,
        grad_output: grad_output.view,
        count: each as u32,
        beta,
        ..WindowParams::new(window)
    };
    let slide = window.stride[1] == window.dilation[1];
    Dispatch::new(
        &KERNEL,
        vec![WORKGROUP.into(), padding_code(padding_mode), flip_kernel.into(), slide.into()],
        Params::Window(Box::new(params)),
        vec![input.operand, grad_output.operand, grad_weight.operand],
        (count * window.c_out) as u64,
    )
}
