//! Launcher of `shaders/convert/narrow.wgsl`.

use crate::kernels::task::{WORKGROUP, workgroups_for};
use crate::program::{CopyParams, Dispatch, Operand, Params};

kernel!(
    narrow, Copy,
    read: ["workspace"],
    write: ["tensor"],
    constants: ["WORKGROUP"],
    precondition: "a tensor whose layout Layout::check accepts for writing",
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
    let [outer, inner @ ..] = sorted;
    let params = CopyParams {
        strides: inner.map(|[stride, _]| stride),
        extents: inner.map(|[_, extent]| extent),
        outer_stride: outer[0],
        outer_extent: outer[1],
        base: 0,
        span: span as u32,
    };
    Dispatch::new(
        &KERNEL,
        [("WORKGROUP", WORKGROUP.into())],
        Params::Copy(params),
        vec![workspace, tensor],
        workgroups_for(span as u64 / 2 + 1),
    )
}
