//! Launcher of `shaders/pool/pool_reduce.wgsl`.

use crate::geometry::Window;
use crate::kernels::task::Slot;
use crate::problem::PoolMode;
use crate::program::loops::{nest, product};
use crate::program::{Dispatch, Params, WindowParams};

kernel!(
    pool_reduce, Window,
    read: ["input"],
    write: ["output", "indices"],
    constants: ["WORKGROUP", "MODE", "HAS_INDICES"],
    precondition: "one window that is the whole input",
    loops: |l| nest(&[product(l.params.input_size).div_ceil(l.lanes()), l.powers()]) + 3 * l.powers(),
);

/// Invocations that reduce one plane.
const WORKGROUP: u32 = 256;
const SMALL_WORKGROUP: u32 = 64;

pub(crate) fn applies(window: &Window) -> Result<(), String> {
    let no_padding = window.pad_begin == [0; 3] && window.pad_end == [0; 3];
    if window.kernel != window.input || window.dilation != [1; 3] || !no_padding {
        return Err("the window is not the whole input".into());
    }
    Ok(())
}

pub(crate) fn dispatch(
    window: &Window,
    mode: PoolMode,
    max_invocations: u32,
    input: Slot,
    output: Slot,
    indices: Option<Slot>,
) -> Dispatch {
    let (mode, exponent, divisor) = match mode {
        PoolMode::Max { .. } => (0_u32, 0.0, 0),
        PoolMode::Average { divisor_override, .. } => (1, 0.0, divisor_override.unwrap_or(0)),
        PoolMode::Lp { p } => (2, p, 0),
    };
    let indices_slot = indices.unwrap_or(Slot::UNUSED);
    let params = WindowParams {
        input: input.view,
        output: output.view,
        indices: indices_slot.view,
        exponent,
        divisor: divisor as u32,
        ..WindowParams::new(window)
    };
    let workgroup = if window.input_len() > 128 && max_invocations >= WORKGROUP { WORKGROUP } else { SMALL_WORKGROUP };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", workgroup.into()), ("MODE", mode.into()), ("HAS_INDICES", indices.is_some().into())],
        Params::Window(Box::new(params)),
        vec![input.operand, output.operand, indices_slot.operand],
        (window.batch * window.c_out) as u64,
    )
}
