//! Launcher of `shaders/rearrange/im2col.wgsl`.

use crate::geometry::Window;
use crate::kernels::task::{Slot, WORKGROUP, padding_code, workgroups_for};
use crate::problem::PaddingMode;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    im2col, Window,
    read: ["input"],
    write: ["columns"],
    constants: ["WORKGROUP", "PADDING_MODE", "FLIP_KERNEL", "POSITION_MAJOR"],
    precondition: "none",
    loops: |_| 0,
);

pub(crate) fn dispatch(
    window: &Window,
    padding_mode: PaddingMode,
    flip_kernel: bool,
    input: Slot,
    columns: Slot,
    beta: f32,
) -> Dispatch {
    // Neighbours write neighbours.
    let position_major = columns.view.c == 1 && columns.view.w > 1;
    let params = WindowParams { input: input.view, columns: columns.view, beta, ..WindowParams::new(window) };
    let elements = window.batch as u64 * (window.c_in * window.kernel_len()) as u64 * window.output_len() as u64;
    Dispatch::new(
        &KERNEL,
        [
            ("WORKGROUP", WORKGROUP.into()),
            ("PADDING_MODE", padding_code(padding_mode)),
            ("FLIP_KERNEL", flip_kernel.into()),
            ("POSITION_MAJOR", position_major.into()),
        ],
        Params::Window(Box::new(params)),
        vec![input.operand, columns.operand],
        workgroups_for(elements),
    )
}
