//! Launcher of `shaders/depthwise/conv2d_depthwise_grad_weight.wgsl`.

use crate::capabilities::KernelClass;
use crate::geometry::Window;
use crate::kernels::task::{Slot, padding_code, swap_hw, swap_hw_slot};
use crate::problem::PaddingMode;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    conv2d_depthwise_grad_weight, Window,
    read: ["input", "grad_output"],
    write: ["grad_weight"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "SLIDE", "TREE"],
    precondition: "one or two spatial axes, one input channel per group, a kernel of up to 8 by 16",
    loops: |l| {
        let items = u64::from(l.params.slice);
        if l.is("TREE") { items / (l.lanes() / l.kw.max(1)).max(1) + 2 + l.lanes() } else { items + 2 }
    },
);

/// As in the shader.
const TILE_Y: usize = 4;
const MAX_KERNEL: [usize; 2] = [8, 16];
/// As many as the tap columns of the widest kernel times eight lanes.
const WORKGROUP: u32 = 128;
/// Invocations of a workgroup without a tree: the lanes of a software rasteriser.
const LANES: u32 = 8;
/// Workgroups that fill a device, the fewest items of an invocation that are worth another slice, and the most: a driver may
/// allow only so many iterations.
const ENOUGH_WORKGROUPS: usize = 512;
const FEWEST_ITEMS: usize = 8;
const MOST_ITEMS: usize = 1 << 14;

pub(crate) fn applies(w: &Window) -> Result<(), String> {
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
    swap_hw(w).filter(|swapped| swapped.kernel[1] <= MAX_KERNEL[0])
}

/// Items of a slice, and how many slices there are.
pub(crate) fn slices(w: &Window, class: KernelClass) -> (usize, usize) {
    let swapped = standing(w);
    let w = swapped.as_ref().unwrap_or(w);
    let items = w.batch * w.output[1].div_ceil(TILE_Y) * w.output[2];
    let (lanes, workgroups) = match class {
        KernelClass::Gpu => (WORKGROUP as usize / w.kernel[2], w.c_out),
        KernelClass::Cpu => (1, (w.c_out * w.kernel[2]).div_ceil(LANES as usize)),
    };
    let most = items.div_ceil(lanes * FEWEST_ITEMS);
    let wanted = (ENOUGH_WORKGROUPS / workgroups).clamp(1, most).max(items.div_ceil(lanes * MOST_ITEMS));
    let each = items.div_ceil(wanted).next_multiple_of(lanes);
    (each, items.div_ceil(each))
}

/// `window` slides over `input` and has the positions of `grad_output`; slices of `grad_weight` lie one behind the other.
pub(crate) fn dispatch(
    window: &Window,
    padding_mode: PaddingMode,
    flip_kernel: bool,
    [input, grad_output, grad_weight]: [Slot; 3],
    beta: f32,
    class: KernelClass,
) -> Dispatch {
    let (each, count) = slices(window, class);
    let swapped = standing(window);
    let (window, input, grad_output) = match &swapped {
        Some(swapped) => (swapped, swap_hw_slot(input), swap_hw_slot(grad_output)),
        None => (window, input, grad_output),
    };
    let params = WindowParams {
        input: input.view,
        grad_output: grad_output.view,
        slice: each as u32,
        beta,
        ..WindowParams::new(window)
    };
    let (workgroup, workgroups) = match class {
        KernelClass::Gpu => (WORKGROUP, count * window.c_out),
        KernelClass::Cpu => (LANES, (count * window.c_out * window.kernel[2]).div_ceil(LANES as usize)),
    };
    let tree = class == KernelClass::Gpu;
    let slide = window.stride[1] == window.dilation[1];
    Dispatch::new(
        &KERNEL,
        [
            ("WORKGROUP", workgroup.into()),
            ("PADDING_MODE", padding_code(padding_mode)),
            ("FLIP_KERNEL", flip_kernel.into()),
            ("SLIDE", slide.into()),
            ("TREE", tree.into()),
        ],
        Params::Window(Box::new(params)),
        vec![input.operand, grad_output.operand, grad_weight.operand],
        workgroups as u64,
    )
}
