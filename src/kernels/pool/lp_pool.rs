//! Launcher of `shaders/pool/lp_pool.wgsl`.

use crate::geometry::Window;
use crate::kernels::task::{Slot, WORKGROUP, workgroups_for};
use crate::program::loops::nest;
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    lp_pool, Window,
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP"],
    precondition: "none",
    loops: |l| nest(&[l.kd, l.kh, l.kw, l.powers()]) + 3 * l.powers(),
);

pub(crate) fn dispatch(window: &Window, p: f32, input: Slot, output: Slot) -> Dispatch {
    let params = WindowParams { input: input.view, output: output.view, exponent: p, ..WindowParams::new(window) };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        Params::Window(Box::new(params)),
        vec![input.operand, output.operand],
        workgroups_for((window.batch * window.c_out * window.output_len()) as u64),
    )
}
