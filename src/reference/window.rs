//! The sliding window, counted instead of computed: nothing here is shared with the geometry that the shaders use.

use crate::problem::{Axes, PaddingMode};

/// One spatial axis of a sliding window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    pub input: usize,
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
    pub begin: usize,
    pub end: usize,
}

impl Axis {
    /// Where tap `tap` of window `out` reads, in input coordinates: negative before the first element.
    pub fn position(&self, out: usize, tap: usize) -> i64 {
        out as i64 * self.stride as i64 + tap as i64 * self.dilation as i64 - self.begin as i64
    }

    /// Number of windows whose taps all lie within the padded input.
    pub fn windows(&self) -> usize {
        let behind = (self.input + self.end) as i64;
        (0..).take_while(|&out| self.position(out, self.kernel - 1) < behind).count()
    }

    /// Number of windows when the last one may hang over: there is one as long as the place a stride before it ends
    /// before the padded input does, and as long as it starts in the input or in the padding in front.
    pub fn windows_with_overhang(&self) -> usize {
        let behind = (self.input + self.end) as i64;
        let something_is_left = |out| self.position(out, self.kernel - 1) - (self.stride as i64) < behind - 1;
        (0..).take_while(|&out| something_is_left(out) && self.position(out, 0) < self.input as i64).count()
    }

    /// The taps of a window that lie before the end of the declared padding; the others are overhang.
    pub fn taps(&self, out: usize) -> usize {
        let room = (self.input + self.end) as i64 - self.position(out, 0);
        self.kernel.min(room.max(0).unsigned_abs().div_ceil(self.dilation as u64) as usize)
    }

    /// Number of positions that the windows of a transposed convolution write to, before cropping and padding.
    pub fn scattered(&self) -> usize {
        // Both factors grow, so the farthest position is that of the last input and the last tap.
        (self.input - 1) * self.stride + (self.kernel - 1) * self.dilation + 1
    }

    /// Whether a position lies in the input or in the declared padding.
    pub fn declares(&self, position: i64) -> bool {
        position >= -(self.begin as i64) && position < (self.input + self.end) as i64
    }

    /// The element that a position reads; `None` where it reads zero.
    pub fn element(&self, position: i64, mode: PaddingMode) -> Option<usize> {
        let last = self.input as i64 - 1;
        if (0..=last).contains(&position) {
            return Some(position as usize);
        }
        let element = match mode {
            PaddingMode::Zeros => return None,
            PaddingMode::Replicate => position.clamp(0, last),
            PaddingMode::Circular => position.rem_euclid(last + 1),
            PaddingMode::Reflect if position < 0 => -position,
            PaddingMode::Reflect => 2 * last - position,
        };
        Some(element as usize)
    }
}

/// The window of an operation as three axes; missing outer axes have one element and one tap.
pub(crate) fn axes(
    input: Axes<usize>,
    kernel: Axes<usize>,
    stride: Axes<usize>,
    padding: Axes<[usize; 2]>,
    dilation: Axes<usize>,
) -> [Axis; 3] {
    let (input, kernel, stride) = (input.to_3d(1), kernel.to_3d(1), stride.to_3d(1));
    let (padding, dilation) = (padding.to_3d([0; 2]), dilation.to_3d(1));
    [0, 1, 2].map(|a| Axis {
        input: input[a],
        kernel: kernel[a],
        stride: stride[a],
        dilation: dilation[a],
        begin: padding[a][0],
        end: padding[a][1],
    })
}

/// The flat index of the element that tap `tap` of window `out` reads; `None` where it reads zero.
pub(crate) fn element(window: &[Axis; 3], out: [usize; 3], tap: [usize; 3], mode: PaddingMode) -> Option<usize> {
    let mut flat = 0;
    for ((axis, out), tap) in window.iter().zip(out).zip(tap) {
        flat = flat * axis.input + axis.element(axis.position(out, tap), mode)?;
    }
    Some(flat)
}

/// Every index of a box, row-major.
pub(crate) fn indices(extents: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    let [d, h, w] = extents;
    (0..d).flat_map(move |z| (0..h).flat_map(move |y| (0..w).map(move |x| [z, y, x])))
}

/// Row-major index to coordinates.
pub(crate) fn unflatten(flat: usize, extents: [usize; 3]) -> [usize; 3] {
    [flat / extents[2] / extents[1], flat / extents[2] % extents[1], flat % extents[2]]
}

/// Coordinates to row-major index.
pub(crate) fn flatten(at: [usize; 3], extents: [usize; 3]) -> usize {
    (at[0] * extents[1] + at[1]) * extents[2] + at[2]
}

/// The tap of the stored kernel that tap `tap` multiplies with.
pub(crate) fn kernel_tap(tap: [usize; 3], kernel: [usize; 3], flip: bool) -> usize {
    if flip { flatten([0, 1, 2].map(|a| kernel[a] - 1 - tap[a]), kernel) } else { flatten(tap, kernel) }
}
