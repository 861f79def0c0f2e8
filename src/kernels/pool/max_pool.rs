//! Launcher of `shaders/pool/max_pool.wgsl`.

use crate::capabilities::KernelClass;
use crate::geometry::Window;
use crate::kernels::task::{Slot, WORKGROUP, strips};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    max_pool, Window,
    read: ["input"],
    write: ["output", "indices"],
    constants: ["WORKGROUP", "ROWS", "DILATED", "HAS_PAD_VALUE", "HAS_INDICES"],
    precondition: "none",
    loops: |l| nest(&[l.constant("ROWS"), l.kd, l.kh, l.kw]),
);

pub(crate) fn dispatch(
    window: &Window,
    pad_value: Option<f32>,
    input: Slot,
    output: Slot,
    indices: Option<Slot>,
    class: KernelClass,
) -> Dispatch {
    let (rows, workgroups) = strips(window.batch, window.c_out, window.output, class);
    let dilated = window.dilation != [1; 3];
    let indices_slot = indices.unwrap_or(Slot::UNUSED);
    let params = WindowParams {
        input: input.view,
        output: output.view,
        indices: indices_slot.view,
        // Without a padding value it is that of windows without an element.
        pad_value: pad_value.unwrap_or(f32::NEG_INFINITY),
        ..WindowParams::new(window)
    };
    Dispatch::new(
        &KERNEL,
        [
            ("WORKGROUP", WORKGROUP.into()),
            ("ROWS", rows.into()),
            ("DILATED", dilated.into()),
            ("HAS_PAD_VALUE", pad_value.is_some().into()),
            ("HAS_INDICES", indices.is_some().into()),
        ],
        Params::Window(Box::new(params)),
        vec![input.operand, output.operand, indices_slot.operand],
        workgroups,
    )
}
