//! Launcher of `shaders/convert/narrow.wgsl`.

use crate::kernels::task::{WORKGROUP, workgroups_for};
use crate::program::{Dispatch, Operand, Params, View, WindowParams};

kernel!(
    narrow, Window,
    read: ["input"],
    write: ["output"],
    constants: ["WORKGROUP"],
    precondition: "an output whose layout Layout::check accepts for writing",
    loops: |_| 0,
);

/// Stores the elements of a tensor with the axes `[stride, extent]`, of which those that differ from one are at most five
/// and which span `span` elements.
pub(crate) fn dispatch(workspace: Operand, axes: &[[usize; 2]], span: usize, tensor: Operand) -> Dispatch {
    // An axis of one element is stepped over by no place.
    let mut sorted = [[i32::MAX as u32, 1]; 5];
    let axes = axes.iter().filter(|[_, extent]| *extent > 1);
    for (slot, axis) in sorted.iter_mut().zip(axes) {
        *slot = axis.map(|n| n as u32);
    }
    sorted.sort_unstable_by_key(|&[stride, _]| std::cmp::Reverse(stride));
    let [n, c, d, h, w] = sorted;
    let params = WindowParams {
        output: View { n: n[0], c: c[0], d: d[0], h: h[0], w: w[0], ..View::default() },
        batch: n[1],
        c_out: c[1],
        output_size: [d[1], h[1], w[1]],
        count: span as u32,
        ..WindowParams::default()
    };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        Params::Window(Box::new(params)),
        vec![workspace, tensor],
        workgroups_for(span as u64 / 2 + 1),
    )
}
