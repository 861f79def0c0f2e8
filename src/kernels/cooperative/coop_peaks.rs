//! Launcher of `shaders/cooperative/coop_peaks.wgsl`.

use crate::kernels::task::{ConvTask, Slot};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    coop_peaks, Window,
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP", "PARTS", "DENSE"],
    precondition: "none",
    loops: |l| nest(&[u64::from(l.params.slice).div_ceil(4 * l.lanes())]),
);

/// Invocations of a workgroup.
const INVOCATIONS: u32 = 256;
/// Elements of a part, where that makes no more than the most parts of an image: those that read the peaks read all.
const ELEMENTS: usize = 4096;
const MOST_PARTS: usize = 64;

/// Parts of an image.
pub(crate) fn parts(task: &ConvTask) -> usize {
    elements(task).div_ceil(ELEMENTS).clamp(1, MOST_PARTS)
}

fn elements(task: &ConvTask) -> usize {
    task.window.c_in * task.window.input_len()
}

/// Whether the elements of an image lie without gaps, in whatever order.
fn is_dense(task: &ConvTask) -> bool {
    let (view, [d, h, w]) = (task.input.view, task.window.input);
    let mut axes = vec![(view.c, task.window.c_in), (view.d, d), (view.h, h), (view.w, w)];
    axes.retain(|&(_, extent)| extent > 1);
    axes.sort_unstable();
    let mut next = 1;
    axes.into_iter().all(|(stride, extent)| {
        let follows = stride as usize == next;
        next *= extent;
        follows
    })
}

/// The peaks of the parts of all images.
pub(crate) fn dispatch(task: &ConvTask, peaks: Slot) -> Dispatch {
    let parts = parts(task);
    let params = WindowParams {
        input: task.input.view,
        slice: elements(task).div_ceil(parts) as u32,
        ..WindowParams::new(&task.window)
    };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", INVOCATIONS.into()), ("PARTS", (parts as u32).into()), ("DENSE", is_dense(task).into())],
        Params::Window(Box::new(params)),
        vec![task.input.operand, peaks.operand],
        (task.window.batch * parts) as u64,
    )
}
