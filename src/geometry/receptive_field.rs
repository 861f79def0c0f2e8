//! How far an output sees through a stack of layers.

use std::str::FromStr;

use super::{Geometry, window::positive};
use crate::error::{Error, Result};
use crate::problem::Problem;

/// What a receptive field needs to know of a layer, along one axis.
///
/// ```
/// use wgconv::{LayerShape, receptive_field};
/// let stem = [LayerShape::new(7).stride(2).padding(3), LayerShape::new(3).stride(2).padding(1)];
/// let field = receptive_field(&stem)?;
/// assert_eq!((field.size, field.jump(), field.start), (11, 4.0, -5));
/// # Ok::<(), wgconv::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LayerShape {
    /// Number of taps.
    pub kernel: usize,
    /// Step of the window; of a transposed layer, distance of neighbouring inputs in the output.
    pub stride: usize,
    /// Distance between taps.
    pub dilation: usize,
    /// Padding before the first element; of a transposed layer, positions cropped there.
    pub padding: usize,
    /// Whether it is a transposed convolution.
    pub transposed: bool,
}

impl LayerShape {
    /// A convolution or pooling layer with stride 1, dilation 1 and no padding.
    pub fn new(kernel: usize) -> Self {
        LayerShape { kernel, stride: 1, dilation: 1, padding: 0, transposed: false }
    }

    /// Sets the stride.
    #[must_use]
    pub fn stride(mut self, stride: usize) -> Self {
        self.stride = stride;
        self
    }

    /// Sets the distance between taps.
    #[must_use]
    pub fn dilation(mut self, dilation: usize) -> Self {
        self.dilation = dilation;
        self
    }

    /// Sets the padding before the first element.
    #[must_use]
    pub fn padding(mut self, padding: usize) -> Self {
        self.padding = padding;
        self
    }

    /// Makes it a transposed convolution or not.
    #[must_use]
    pub fn transposed(mut self, transposed: bool) -> Self {
        self.transposed = transposed;
        self
    }

    /// What the kernel spans with its holes: `dilation·(kernel-1) + 1`.
    pub fn effective_kernel(&self) -> Result<usize> {
        positive("kernel", self.kernel)?;
        positive("dilation", self.dilation)?;
        self.dilation
            .checked_mul(self.kernel - 1)
            .and_then(|n| n.checked_add(1))
            .ok_or_else(|| Error::invalid("dilation", self.dilation, "dilation * (kernel - 1) + 1 overflows"))
    }
}

/// `k7s2d1p3`: the kernel, then in any order stride, dilation and padding, each of which may be left out; so may the k.
///
/// ```
/// use wgconv::LayerShape;
/// assert_eq!("k7s2p3".parse(), Ok(LayerShape::new(7).stride(2).padding(3)));
/// ```
impl FromStr for LayerShape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let rule =
            "it must be k and the kernel, then s, d or p with a number where it is not the usual one, as in k7s2d1p3";
        let wrong = || Error::invalid("layer", format!("{text:?}"), rule);
        let mut layer = LayerShape::new(0);
        let mut seen = String::new();
        let mut rest = text;
        while !rest.is_empty() || seen.is_empty() {
            let name = match rest.chars().next() {
                Some(digit) if digit.is_ascii_digit() && seen.is_empty() => 'k',
                Some(name) => {
                    rest = &rest[name.len_utf8()..];
                    name
                }
                None => return Err(wrong()),
            };
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let value: usize = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            // The kernel is first, and nothing is there twice.
            if seen.contains(name) || (name == 'k') != seen.is_empty() {
                return Err(wrong());
            }
            match name {
                'k' => layer.kernel = value,
                's' => layer.stride = value,
                'd' => layer.dilation = value,
                'p' => layer.padding = value,
                _ => return Err(wrong()),
            }
            seen.push(name);
        }
        Ok(layer)
    }
}

impl Geometry {
    /// This operation as a layer along an axis, 0 the outermost spatial axis; `None` for operations without a
    /// window, for col2im, for backward passes, and for axes that the problem does not have.
    pub fn layer(&self, axis: usize) -> Option<LayerShape> {
        let window = self.window.as_ref()?;
        let rank = self.output_shape().len() - 2;
        if axis >= rank || matches!(self.problem, Problem::Im2col(_) | Problem::Col2im(_) | Problem::Gradient(_)) {
            return None;
        }
        let axis = 3 - rank + axis;
        Some(LayerShape {
            kernel: window.kernel[axis],
            stride: window.stride[axis],
            dilation: window.dilation[axis],
            padding: window.pad_begin[axis],
            transposed: matches!(self.problem, Problem::ConvTranspose(_)),
        })
    }
}

/// What an output of a stack sees of the stack's input, along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceptiveField {
    /// Elements from the first to the last that an output depends on: the most of any output, holes and padding
    /// included.
    pub size: usize,
    /// How far the field moves from one output to the next, as a fraction in lowest terms: the product of the
    /// strides, divided by those of transposed layers.
    pub jump: [usize; 2],
    /// Where the field of the first output starts, in elements of the input; negative in the padding. If that output
    /// lies in a gap between the kernels of a transposed layer, of the next that does not.
    pub start: i64,
}

impl ReceptiveField {
    /// How far the field moves from one output to the next.
    pub fn jump(&self) -> f64 {
        self.jump[0] as f64 / self.jump[1] as f64
    }
}

/// The most output phases that are looked at one by one.
const MAX_PHASES: usize = 4096;

/// The receptive field of a stack, first layer first. Behind transposed layers the outputs differ in it, so it is
/// found for each phase of their strides, of which there may be up to 4096. No layer: an output sees itself.
pub fn receptive_field(layers: &[LayerShape]) -> Result<ReceptiveField> {
    let product = |transposed: bool| {
        let strides = layers.iter().enumerate().filter(|(_, layer)| layer.transposed == transposed);
        strides.map(|(i, layer)| (i, layer.stride)).try_fold(1_usize, |product, (i, stride)| {
            product
                .checked_mul(stride)
                .ok_or_else(|| Error::invalid(field(i, "stride"), stride, "the product of the strides overflows"))
        })
    };
    check(layers)?;
    let (down, up) = (product(false)?, product(true)?);
    if up > MAX_PHASES {
        return Err(Error::Unsupported {
            what: format!("a receptive field through transposed strides with product {up}"),
            reason: format!("at most {MAX_PHASES} output phases are examined"),
        });
    }
    let mut start = None;
    let mut size = 0;
    for output in 0..up as i64 {
        if let Some([first, last]) = receptive_interval(layers, output)? {
            start = start.or(Some(first));
            size = size.max((last - first) as usize + 1);
        }
    }
    let divisor = gcd(down, up);
    let start = start.ok_or_else(|| Error::invalid("layers", "a gap", "no output depends on any input"))?;
    Ok(ReceptiveField { size, jump: [down / divisor, up / divisor], start })
}

/// The first and the last input element that an output of the stack depends on, padding included; `None` for an
/// output of a transposed layer that no kernel reaches.
pub fn receptive_interval(layers: &[LayerShape], output: i64) -> Result<Option<[i64; 2]>> {
    check(layers)?;
    let mut interval = [output; 2];
    for (i, layer) in layers.iter().enumerate().rev() {
        let overflow = || Error::invalid(field(i, "stride"), layer.stride, "positions overflow 64 bits");
        let found = if layer.transposed { scatter_sources(layer, interval) } else { gather_sources(layer, interval) };
        match found.ok_or_else(overflow)? {
            Some(sources) => interval = sources,
            None => return Ok(None),
        }
    }
    // The width is returned as a size elsewhere, so it must be one.
    interval[1]
        .checked_sub(interval[0])
        .and_then(|n| n.checked_add(1))
        .map(|_| Some(interval))
        .ok_or_else(|| Error::invalid("layers", format!("{} layers", layers.len()), "positions overflow 64 bits"))
}

fn field(layer: usize, name: &str) -> String {
    format!("layers[{layer}].{name}")
}

fn check(layers: &[LayerShape]) -> Result<()> {
    for (i, layer) in layers.iter().enumerate() {
        for (name, value) in [("kernel", layer.kernel), ("stride", layer.stride), ("dilation", layer.dilation)] {
            positive(&field(i, name), value)?;
        }
        for (name, value) in [
            ("kernel", layer.kernel),
            ("stride", layer.stride),
            ("dilation", layer.dilation),
            ("padding", layer.padding),
        ] {
            if value > i32::MAX as usize {
                return Err(Error::invalid(field(i, name), value, "it must be below 2^31"));
            }
        }
    }
    Ok(())
}

/// Inputs that a window operation reads for outputs `first..=last`. The outer `None` is an overflow.
fn gather_sources(layer: &LayerShape, [first, last]: [i64; 2]) -> Option<Option<[i64; 2]>> {
    let (stride, padding) = (layer.stride as i64, layer.padding as i64);
    let reach = layer.dilation as i64 * (layer.kernel as i64 - 1);
    let begin = |out: i64| out.checked_mul(stride)?.checked_sub(padding);
    Some(Some([begin(first)?, begin(last)?.checked_add(reach)?]))
}

/// Inputs i with `i·stride - padding + k·dilation` in `first..=last` for a tap k.
fn scatter_sources(layer: &LayerShape, [first, last]: [i64; 2]) -> Option<Option<[i64; 2]>> {
    let stride = layer.stride as i64;
    let (first, last) = (first.checked_add(layer.padding as i64)?, last.checked_add(layer.padding as i64)?);
    // Phases repeat after `stride` taps, so that the outermost `stride` taps of either end hold the extremes.
    let near = layer.kernel.min(layer.stride) as i64;
    let kernel = layer.kernel as i64;
    let (mut lowest, mut highest) = (None::<i64>, None::<i64>);
    for k in 0..near {
        for tap in [k, kernel - 1 - k] {
            let shift = tap * layer.dilation as i64;
            let (from, to) = (first.checked_sub(shift)?, last.checked_sub(shift)?);
            let (low, high) = (from.div_euclid(stride) + i64::from(from.rem_euclid(stride) > 0), to.div_euclid(stride));
            if low <= high {
                lowest = Some(lowest.map_or(low, |lowest| lowest.min(low)));
                highest = Some(highest.map_or(high, |highest| highest.max(high)));
            }
        }
    }
    Some(lowest.zip(highest).map(|(low, high)| [low, high]))
}

pub(crate) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
