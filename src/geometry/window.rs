//! The sliding window that all windowed operations share, in exactly three spatial axes.

use crate::error::{Error, Result};
use crate::problem::Axes;

/// A checked sliding window. One- and two-dimensional operations have leading axes of extent one, so that every kernel
/// sees three. Every value fits `i32`, and so does every coordinate that arises from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Number of images.
    pub batch: usize,
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Channel groups.
    pub groups: usize,
    /// Input extents `[d, h, w]`.
    pub input: [usize; 3],
    /// Kernel extents.
    pub kernel: [usize; 3],
    /// Step.
    pub stride: [usize; 3],
    /// Distance between taps.
    pub dilation: [usize; 3],
    /// Padding before the first element; of a transposed convolution, positions cropped there.
    pub pad_begin: [usize; 3],
    /// Padding after the last element.
    pub pad_end: [usize; 3],
    /// Output extents.
    pub output: [usize; 3],
}

impl Window {
    /// Output extents of the last `rank` axes.
    pub fn output_axes(&self, rank: usize) -> &[usize] {
        &self.output[3 - rank..]
    }

    /// Number of taps.
    pub fn kernel_len(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Whether every output reads the input at its own place alone.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1; 3]
            && self.stride == [1; 3]
            && self.pad_begin == [0; 3]
            && self.pad_end == [0; 3]
            && self.input == self.output
    }

    /// Whether there is a third axis.
    pub(crate) fn has_depth(&self) -> bool {
        [self.input[0], self.kernel[0], self.output[0]] != [1; 3]
    }

    /// Number of output positions.
    pub fn output_len(&self) -> usize {
        self.output.iter().product()
    }

    /// Number of input positions.
    pub fn input_len(&self) -> usize {
        self.input.iter().product()
    }

    /// Input channels of a group.
    pub fn c_in_per_group(&self) -> usize {
        self.c_in / self.groups
    }

    /// Output channels of a group.
    pub fn c_out_per_group(&self) -> usize {
        self.c_out / self.groups
    }

    /// The same windows without the taps that no window has within the declared padding: where a pooling window may be
    /// larger than its input, loops over taps would be as long as the kernel and not as the data.
    pub(crate) fn within_padding(&self) -> Window {
        let taps = |axis: usize| {
            // The first window starts with the padding; the others have less room before its end.
            let padded = self.pad_begin[axis] + self.input[axis] + self.pad_end[axis];
            self.kernel[axis].min((padded - 1) / self.dilation[axis] + 1)
        };
        Window { kernel: [0, 1, 2].map(taps), ..self.clone() }
    }

    /// Refuses a window whose taps all fall on padding. Only the first few windows of an axis can do that: geometry
    /// keeps the last one from starting behind the input.
    pub(super) fn check_every_window_meets_the_input(&self, rank: usize) -> Result<()> {
        for axis in 3 - rank..3 {
            let (extent, dilation) = (self.input[axis], self.dilation[axis]);
            // Taps no farther apart than the input is long cannot step over it: then the first window is the worst.
            let windows = if dilation <= extent { 1 } else { self.output[axis] };
            for out in 0..windows {
                let start = out * self.stride[axis];
                if start >= self.pad_begin[axis] {
                    break;
                }
                let outside = self.pad_begin[axis] - start;
                let first_tap_inside = outside.div_ceil(dilation);
                let position = first_tap_inside * dilation - outside;
                if first_tap_inside >= self.kernel[axis] || position >= extent {
                    return Err(Error::invalid(
                        format!("padding[{}][0]", axis + rank - 3),
                        self.pad_begin[axis],
                        format!("window {out} would touch padding only"),
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The unchecked fields that every windowed problem has.
pub(super) struct WindowRequest {
    pub batch: usize,
    pub c_in: usize,
    pub c_out: usize,
    pub groups: usize,
    pub input: Axes<usize>,
    pub kernel: Axes<usize>,
    pub stride: Axes<usize>,
    pub padding: Axes<[usize; 2]>,
    pub dilation: Axes<usize>,
    pub ceil_mode: bool,
}

/// A request with the names that its problem gives to extents and channels.
pub(super) struct NamedRequest {
    request: WindowRequest,
    input_field: &'static str,
    channels_field: &'static str,
}

pub(super) fn axis_field(field: &str, axis: usize) -> String {
    format!("{field}[{axis}]")
}

pub(super) fn positive(field: &str, value: usize) -> Result<()> {
    if value == 0 { Err(Error::invalid(field, value, "it must be at least 1")) } else { Ok(()) }
}

/// Kernels count in `i32`, so that a coordinate before the first element is representable.
const MOST: usize = i32::MAX as usize;

fn fits_i32(field: impl FnOnce() -> String, value: usize) -> Result<()> {
    if value > MOST { Err(Error::invalid(field(), value, "it must be below 2^31")) } else { Ok(()) }
}

/// Likewise of a number that nobody gave: `what` names it behind the field and the value that it follows from. `None` is
/// an overflow.
fn derived_fits_i32(
    field: impl FnOnce() -> String,
    given: impl std::fmt::Display,
    what: &str,
    value: Option<usize>,
) -> Result<usize> {
    value.filter(|&value| value <= MOST).ok_or_else(|| {
        let value = value.map_or_else(String::new, |value| format!(" {value}"));
        Error::invalid(field(), given, format!("{what}{value} must be below 2^31"))
    })
}

/// The product of extents, if it is below 2^31.
fn checked_len(extents: &[usize]) -> Option<usize> {
    extents.iter().try_fold(1_usize, |len, &n| len.checked_mul(n)).filter(|&len| len <= MOST)
}

impl WindowRequest {
    pub(super) fn named(self, input_field: &'static str, channels_field: &'static str) -> NamedRequest {
        NamedRequest { request: self, input_field, channels_field }
    }

    pub(super) fn check_rank(self, op: &str, rank: usize) -> Result<Self> {
        if self.input.rank() != rank {
            return Err(Error::invalid("input", format!("{:?}", self.input), format!("{op} has {rank} spatial axes")));
        }
        Ok(self)
    }

    pub(super) fn check(self) -> Result<Window> {
        self.named("input", "c_in").check()
    }

    /// The window of a transposed convolution, where `output` grows from `input`.
    pub(super) fn check_transposed(self, output_padding: Axes<usize>) -> Result<Window> {
        self.check_values("input", "c_in")?;
        let rank = self.input.rank();
        if output_padding.rank() != rank {
            return Err(rank_error("output_padding", output_padding.rank(), rank));
        }
        let mut output = [1; 3];
        for axis in 0..rank {
            let (stride, dilation) = (self.stride[axis], self.dilation[axis]);
            let [begin, end] = self.padding[axis];
            if output_padding[axis] >= stride.max(dilation) {
                return Err(Error::invalid(
                    axis_field("output_padding", axis),
                    output_padding[axis],
                    format!("it must be less than max(stride, dilation) = {}", stride.max(dilation)),
                ));
            }
            let reach = self.reach(axis)?;
            let full = (self.input[axis] - 1)
                .checked_mul(stride)
                .and_then(|n| n.checked_add(reach))
                .and_then(|n| n.checked_add(output_padding[axis]));
            let full = derived_fits_i32(|| axis_field("stride", axis), stride, "the full output extent", full)?;
            let cropped = begin.checked_add(end).filter(|&crop| crop < full).ok_or_else(|| {
                Error::invalid(
                    axis_field("padding", axis),
                    format!("[{begin}, {end}]"),
                    format!("it must crop less than the full output extent {full}"),
                )
            })?;
            output[3 - rank + axis] = full - cropped;
        }
        Ok(self.window(output))
    }

    /// Checks what does not depend on the direction of the window.
    fn check_values(&self, input_field: &str, channels_field: &str) -> Result<()> {
        let rank = self.input.rank();
        for (field, got) in [
            ("kernel", self.kernel.rank()),
            ("stride", self.stride.rank()),
            ("padding", self.padding.rank()),
            ("dilation", self.dilation.rank()),
        ] {
            if got != rank {
                return Err(rank_error(field, got, rank));
            }
        }
        for (field, value) in [("batch", self.batch), (channels_field, self.c_in)] {
            positive(field, value)?;
        }
        for (field, values) in
            [(input_field, self.input), ("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation)]
        {
            for (axis, &value) in values.iter().enumerate() {
                positive(&axis_field(field, axis), value)?;
                fits_i32(|| axis_field(field, axis), value)?;
            }
        }
        for (axis, sides) in self.padding.iter().enumerate() {
            for (side, &pad) in sides.iter().enumerate() {
                fits_i32(|| format!("padding[{axis}][{side}]"), pad)?;
            }
        }
        for (field, value) in
            [("batch", self.batch), (channels_field, self.c_in), ("c_out", self.c_out), ("groups", self.groups)]
        {
            fits_i32(|| field.into(), value)?;
        }
        // Before the kernel: that of a global pool is the input.
        if checked_len(&self.input).is_none() {
            let input = format!("{:?}", self.input);
            return Err(Error::invalid(input_field, input, "it must have fewer than 2^31 positions"));
        }
        // A pooling window is no tensor, so nothing else bounds it.
        if checked_len(&self.kernel).is_none() {
            return Err(Error::invalid("kernel", format!("{:?}", self.kernel), "it must have fewer than 2^31 taps"));
        }
        Ok(())
    }

    /// Extent that the dilated kernel covers.
    fn reach(&self, axis: usize) -> Result<usize> {
        let dilation = self.dilation[axis];
        let reach = dilation.checked_mul(self.kernel[axis] - 1).and_then(|n| n.checked_add(1));
        derived_fits_i32(|| axis_field("dilation", axis), dilation, "the kernel's dilated extent", reach)
    }

    /// Extent of the input with its padding.
    fn padded(&self, axis: usize) -> Result<usize> {
        let [begin, end] = self.padding[axis];
        let padded = self.input[axis].checked_add(begin).and_then(|n| n.checked_add(end));
        let given = format!("[{begin}, {end}]");
        derived_fits_i32(|| axis_field("padding", axis), given, "the padded extent", padded)
    }

    /// Number of windows along an axis. They end within the padded input, or with `ceil_mode` less than a stride behind
    /// it, as long as they start in the input or in the padding in front.
    fn windows(&self, axis: usize) -> Result<usize> {
        let (stride, reach, padded) = (self.stride[axis], self.reach(axis)?, self.padded(axis)?);
        let overhang = reach.saturating_sub(padded);
        if overhang > 0 && (!self.ceil_mode || overhang >= stride) {
            let rule = if self.ceil_mode {
                format!(
                    "its dilated extent {reach} may exceed the padded input extent {padded} by less than the stride {stride}"
                )
            } else {
                format!("its dilated extent {reach} must not exceed the padded input extent {padded}")
            };
            return Err(Error::invalid(axis_field("kernel", axis), self.kernel[axis], rule));
        }
        let steps = padded.saturating_sub(reach);
        if !self.ceil_mode {
            return Ok(steps / stride + 1);
        }
        let mut extent = steps.div_ceil(stride) + 1;
        // Cannot underflow: the first window starts at 0 < input + begin.
        let starts = self.input[axis] + self.padding[axis][0];
        if (extent - 1).checked_mul(stride).is_none_or(|start| start >= starts) {
            extent -= 1;
        }
        // Taps beyond the declared padding are never visited, see `Window::within_padding`.
        let last = (extent - 1).checked_mul(stride).and_then(|start| start.checked_add(reach.min(padded)));
        derived_fits_i32(|| axis_field("stride", axis), stride, "the end of the last window", last)?;
        Ok(extent)
    }

    fn window(&self, output: [usize; 3]) -> Window {
        Window {
            batch: self.batch,
            c_in: self.c_in,
            c_out: self.c_out,
            groups: self.groups,
            input: self.input.to_3d(1),
            kernel: self.kernel.to_3d(1),
            stride: self.stride.to_3d(1),
            dilation: self.dilation.to_3d(1),
            pad_begin: self.padding.map(|[begin, _]| begin).to_3d(0),
            pad_end: self.padding.map(|[_, end]| end).to_3d(0),
            output,
        }
    }
}

impl NamedRequest {
    pub(super) fn check(self) -> Result<Window> {
        let request = self.request;
        request.check_values(self.input_field, self.channels_field)?;
        let rank = request.input.rank();
        let mut output = [1; 3];
        for axis in 0..rank {
            output[3 - rank + axis] = request.windows(axis)?;
        }
        if checked_len(&output).is_none() {
            let rule = format!("its {:?} windows must be fewer than 2^31", &output[3 - rank..]);
            return Err(Error::invalid(self.input_field, format!("{:?}", request.input), rule));
        }
        Ok(request.window(output))
    }
}

fn rank_error(field: &str, got: usize, want: usize) -> Error {
    Error::invalid(field, format!("{got} axes"), format!("the input has {want} spatial axes"))
}
