//! Launcher of `shaders/pool/avg_pool.wgsl`.

use crate::capabilities::KernelClass;
use crate::geometry::Window;
use crate::kernels::task::{Slot, WORKGROUP, strips};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    avg_pool, Window,
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP", "ROWS", "DILATED", "COUNT_PADDING"],
    precondition: "none",
    loops: |l| nest(&[l.constant("ROWS"), l.kd, l.kh, l.kw]),
);

/// A divisor of zero counts taps.
pub(crate) fn dispatch(
    window: &Window,
    count_padding: bool,
    divisor: usize,
    [input, output]: [Slot; 2],
    class: KernelClass,
) -> Dispatch {
    let (rows, workgroups) = strips(window.batch, window.c_out, window.output, class);
    let dilated = window.dilation != [1; 3];
    let params =
        WindowParams { input: input.view, output: output.view, divisor: divisor as u32, ..WindowParams::new(window) };
    Dispatch::new(
        &KERNEL,
        [
            ("WORKGROUP", WORKGROUP.into()),
            ("ROWS", rows.into()),
            ("DILATED", dilated.into()),
            ("COUNT_PADDING", count_padding.into()),
        ],
        Params::Window(Box::new(params)),
        vec![input.operand, output.operand],
        workgroups,
    )
}
