//! The one place where output extents, multiply-adds, parameters and bytes are computed, and where a problem that has
//! no geometry is refused. All arithmetic is overflow-checked.

mod cost;
mod matrix;
mod overlap;
mod receptive_field;
mod separable;
mod window;

pub use cost::{Cost, DeformCost, SeparableCost, deform_cost, offset_channels, separable_cost};
pub use matrix::{MAX_MATRIX_LEN, Matrix, convolution_matrix};
pub use overlap::{OverlapCounts, overlap_counts};
pub(crate) use receptive_field::gcd;
pub use receptive_field::{LayerShape, ReceptiveField, receptive_field, receptive_interval};
pub use separable::{SeparableFactors, factor_separable};
pub use window::Window;

use crate::error::{Error, Result};
use crate::problem::{
    Col2im, Conv, ConvTranspose, DeformConv2d, DepthToSpace, DepthwiseSeparable2d, Epilogue, Gradient, Im2col,
    LocallyConnected2d, PaddingMode, Pool, PoolMode, Problem, SpaceToDepth, SpatialSeparable2d,
};
use crate::tensor::{Access, ElementType, Storage, TensorName, TensorSpec};
use window::{WindowRequest, axis_field, positive};

/// A checked problem: its tensors, its sliding window and what it costs. Made once, never wrong.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "Problem", try_from = "Problem")
)]
pub struct Geometry {
    problem: Problem,
    window: Option<Window>,
    tensors: Vec<TensorSpec>,
    macs: u64,
    parameters: u64,
}

impl From<Geometry> for Problem {
    fn from(geometry: Geometry) -> Problem {
        geometry.problem
    }
}

impl TryFrom<Problem> for Geometry {
    type Error = Error;

    fn try_from(problem: Problem) -> Result<Geometry> {
        Geometry::new(&problem)
    }
}

impl Geometry {
    /// Checks the problem. The error names the first field that is wrong, its value and the rule.
    pub fn new(problem: &Problem) -> Result<Self> {
        let draft = match problem {
            Problem::Conv(p) => conv(p),
            Problem::ConvTranspose(p) => conv_transpose(p),
            Problem::DeformConv2d(p) => deform_conv2d(p),
            Problem::LocallyConnected2d(p) => locally_connected2d(p),
            Problem::SpatialSeparable2d(p) => spatial_separable2d(p),
            Problem::DepthwiseSeparable2d(p) => depthwise_separable2d(p),
            Problem::Pool(p) => pool(p),
            Problem::DepthToSpace(p) => depth_to_space(p),
            Problem::SpaceToDepth(p) => space_to_depth(p),
            Problem::Im2col(p) => im2col(p),
            Problem::Col2im(p) => col2im(p),
            Problem::Gradient(p) => gradient(p),
        }?;
        for tensor in &draft.tensors {
            let elements = checked_product(&tensor.shape);
            if elements.is_none_or(|n| n > i32::MAX as u64) {
                return Err(Error::invalid(
                    format!("{} shape", tensor.name),
                    format!("{:?}", tensor.shape),
                    "a tensor has at most 2^31 - 1 elements",
                ));
            }
        }
        let macs = checked_product(&draft.macs)
            .and_then(|first| checked_product(&draft.more_macs).and_then(|more| first.checked_add(more)))
            .ok_or_else(|| Error::invalid("problem", problem.op_name(), "it needs more than 2^64 multiply-adds"))?;
        let parameters = draft
            .tensors
            .iter()
            .filter(|t| t.access == Access::Read && !t.takes_layout())
            .map(|t| t.len() as u64)
            .sum();
        Ok(Geometry { problem: problem.clone(), window: draft.window, tensors: draft.tensors, macs, parameters })
    }

    /// The problem.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The sliding window as three spatial axes; `None` for depth_to_space and space_to_depth.
    pub fn window(&self) -> Option<&Window> {
        self.window.as_ref()
    }

    /// Every tensor: inputs in the order of the operation's equation, then outputs.
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    /// One tensor, if the problem has it.
    pub fn tensor(&self, name: TensorName) -> Option<&TensorSpec> {
        self.tensors.iter().find(|t| t.name == name)
    }

    /// Shape of the output; of a backward pass, of the output that its operation had.
    pub fn output_shape(&self) -> &[usize] {
        let output = self.tensor(TensorName::Output).or_else(|| self.tensor(TensorName::GradOutput));
        // Cannot fail: every operation lists the one or the other.
        &output.expect("an operation without an output").shape
    }

    /// Multiply-adds of the direct algorithm, taps that fall on padding included. A pooling or rearranging operation
    /// has none; a backward pass has those of its operation once for every gradient that is a sum of products. Sampling of a deformable convolution is counted by [`Geometry::sampling_macs`].
    pub fn macs(&self) -> u64 {
        self.macs
    }

    /// Multiply-adds that a deformable convolution spends on bilinear sampling and modulation when every (image,
    /// channel, tap, position) is sampled once: four for the corners, one for the mask.
    pub fn sampling_macs(&self) -> u64 {
        match (&self.problem, &self.window) {
            (Problem::DeformConv2d(p), Some(w)) => {
                let samples = [w.batch, w.c_in, w.kernel_len(), w.output_len()];
                let per_sample = if p.mask { 5 } else { 4 };
                checked_product(&samples).and_then(|n| n.checked_mul(per_sample)).unwrap_or(u64::MAX)
            }
            _ => 0,
        }
    }

    /// Learned values: weights and biases.
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// Bytes of all tensors in a storage, each touched once: the least any algorithm moves.
    pub fn min_bytes(&self, storage: Storage) -> u64 {
        self.tensors.iter().map(|spec| spec.bytes(storage)).sum()
    }

    /// Floating-point operations per byte at best: `2·macs / min_bytes`.
    pub fn intensity(&self, storage: Storage) -> f64 {
        2.0 * self.macs as f64 / self.min_bytes(storage) as f64
    }
}

/// What an operation hands to [`Geometry::new`] for the checks that all share.
struct Draft {
    window: Option<Window>,
    tensors: Vec<TensorSpec>,
    /// Factors of the multiply-add count.
    macs: Vec<usize>,
    /// Factors of a second stage's count.
    more_macs: Vec<usize>,
}

fn checked_product(factors: &[usize]) -> Option<u64> {
    factors.iter().try_fold(u64::from(!factors.is_empty()), |product, &f| product.checked_mul(f as u64))
}

fn read(name: TensorName, shape: Vec<usize>) -> TensorSpec {
    TensorSpec { name, shape, element: ElementType::Real, access: Access::Read }
}

fn write(name: TensorName, shape: Vec<usize>) -> TensorSpec {
    TensorSpec { name, shape, element: ElementType::Real, access: Access::Write }
}

/// N C spatial.
fn activation_shape(batch: usize, channels: usize, spatial: &[usize]) -> Vec<usize> {
    [&[batch, channels], spatial].concat()
}

/// Bias, residual and output, in that order.
fn epilogue_tensors(epilogue: &Epilogue, bias: Vec<usize>, output: Vec<usize>) -> Vec<TensorSpec> {
    let mut tensors = Vec::new();
    if epilogue.bias {
        tensors.push(read(TensorName::Bias, bias));
    }
    if epilogue.residual {
        tensors.push(read(TensorName::Residual, output.clone()));
    }
    tensors.push(write(TensorName::Output, output));
    tensors
}

fn check_epilogue(epilogue: &Epilogue) -> Result<()> {
    if let crate::problem::Activation::LeakyRelu { slope } = epilogue.activation
        && !slope.is_finite()
    {
        return Err(Error::invalid("epilogue.activation.slope", slope, "it must be finite"));
    }
    Ok(())
}

fn check_groups(field: &str, groups: usize, channels: &[(&str, usize)]) -> Result<()> {
    positive(field, groups)?;
    for (name, count) in channels {
        if count % groups != 0 {
            return Err(Error::invalid(field, groups, format!("it must divide {name} = {count}")));
        }
    }
    Ok(())
}

fn check_padding_mode(mode: PaddingMode, window: &Window, rank: usize) -> Result<()> {
    for axis in 3 - rank..3 {
        let extent = window.input[axis];
        for (side, pad) in [window.pad_begin[axis], window.pad_end[axis]].into_iter().enumerate() {
            let field = || format!("padding[{}][{side}]", axis + rank - 3);
            match mode {
                PaddingMode::Reflect if pad >= extent => {
                    return Err(Error::invalid(field(), pad, format!("reflect needs padding < extent = {extent}")));
                }
                PaddingMode::Circular if pad > extent => {
                    return Err(Error::invalid(field(), pad, format!("circular needs padding <= extent = {extent}")));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Reads what the wanted gradients depend on and the output's gradient, writes the gradients. Its window is that of the
/// operation.
fn gradient(p: &Gradient) -> Result<Draft> {
    if matches!(&*p.of, Problem::Gradient(_)) {
        return Err(Error::invalid("of", p.of.op_name(), "a gradient is taken of a forward operation"));
    }
    let forward = Geometry::new(&p.of)?;
    let names = p.of.differentiable();
    let listed = || names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    if p.wanted.is_empty() {
        return Err(Error::invalid("wanted", "nothing", format!("at least one of {}", listed())));
    }
    if let Some(name) = p.wanted.iter().find(|name| !names.contains(name)) {
        let rule = format!("this {} has gradients for {}", p.of.op_name(), listed());
        return Err(Error::invalid("wanted", name, rule));
    }
    if !p.beta.is_finite() {
        return Err(Error::invalid("beta", p.beta, "it must be finite"));
    }
    let needs = p.needs();
    let mut tensors: Vec<TensorSpec> = forward.tensors.iter().filter(|t| needs.contains(&t.name)).cloned().collect();
    tensors.push(read(TensorName::GradOutput, forward.output_shape().to_vec()));
    let access = if p.beta == 0.0 { Access::Write } else { Access::Update };
    for spec in forward.tensors.iter().filter(|t| p.wants(t.name)) {
        // Cannot be absent: every tensor that is read has a gradient.
        let name = spec.name.gradient().unwrap_or(spec.name);
        tensors.push(TensorSpec { name, access, ..spec.clone() });
    }
    let sums = p.wanted.iter().filter(|name| !matches!(name, TensorName::Bias | TensorName::Residual)).count();
    let macs = usize::try_from(forward.macs)
        .map_err(|_| Error::invalid("of", p.of.op_name(), "it needs more than 2^64 multiply-adds"))?;
    Ok(Draft { window: forward.window, tensors, macs: vec![macs, sums], more_macs: vec![] })
}

/// The window that a problem's fields ask for; the operations differ in where their channels come from.
macro_rules! request {
    ($p:ident, $input:ident, c_in: $c_in:expr, c_out: $c_out:expr, groups: $groups:expr, ceil_mode: $ceil_mode:expr) => {
        WindowRequest {
            batch: $p.batch,
            c_in: $c_in,
            c_out: $c_out,
            groups: $groups,
            input: $p.$input,
            kernel: $p.kernel,
            stride: $p.stride,
            padding: $p.padding,
            dilation: $p.dilation,
            ceil_mode: $ceil_mode,
        }
    };
}

fn conv(p: &Conv) -> Result<Draft> {
    check_epilogue(&p.epilogue)?;
    positive("c_out", p.c_out)?;
    let window = request!(p, input, c_in: p.c_in, c_out: p.c_out, groups: p.groups, ceil_mode: false).check()?;
    check_groups("groups", p.groups, &[("c_in", p.c_in), ("c_out", p.c_out)])?;
    let rank = p.input.rank();
    check_padding_mode(p.padding_mode, &window, rank)?;
    let c_in_per_group = p.c_in / p.groups;
    let output = activation_shape(p.batch, p.c_out, window.output_axes(rank));
    let mut tensors = vec![
        read(TensorName::Input, activation_shape(p.batch, p.c_in, &p.input)),
        read(TensorName::Weight, activation_shape(p.c_out, c_in_per_group, &p.kernel)),
    ];
    tensors.extend(epilogue_tensors(&p.epilogue, vec![p.c_out], output.clone()));
    let macs = [output, vec![c_in_per_group], p.kernel.to_vec()].concat();
    Ok(Draft { window: Some(window), tensors, macs, more_macs: vec![] })
}

fn conv_transpose(p: &ConvTranspose) -> Result<Draft> {
    check_epilogue(&p.epilogue)?;
    positive("c_out", p.c_out)?;
    let request = request!(p, input, c_in: p.c_in, c_out: p.c_out, groups: p.groups, ceil_mode: false);
    let window = request.check_transposed(p.output_padding)?;
    check_groups("groups", p.groups, &[("c_in", p.c_in), ("c_out", p.c_out)])?;
    let rank = p.input.rank();
    let c_out_per_group = p.c_out / p.groups;
    let input = activation_shape(p.batch, p.c_in, &p.input);
    let mut tensors = vec![
        read(TensorName::Input, input.clone()),
        read(TensorName::Weight, activation_shape(p.c_in, c_out_per_group, &p.kernel)),
    ];
    let output = activation_shape(p.batch, p.c_out, window.output_axes(rank));
    tensors.extend(epilogue_tensors(&p.epilogue, vec![p.c_out], output));
    let macs = [input, vec![c_out_per_group], p.kernel.to_vec()].concat();
    Ok(Draft { window: Some(window), tensors, macs, more_macs: vec![] })
}

fn deform_conv2d(p: &DeformConv2d) -> Result<Draft> {
    check_epilogue(&p.epilogue)?;
    positive("c_out", p.c_out)?;
    let window = request!(p, input, c_in: p.c_in, c_out: p.c_out, groups: p.groups, ceil_mode: false)
        .check_rank("deform_conv2d", 2)?
        .check()?;
    check_groups("groups", p.groups, &[("c_in", p.c_in), ("c_out", p.c_out)])?;
    check_groups("offset_groups", p.offset_groups, &[("c_in", p.c_in)])?;
    let c_in_per_group = p.c_in / p.groups;
    let out = window.output_axes(2);
    let taps = window.kernel_len();
    let sampled = |per_tap: usize| {
        let channels = p.offset_groups.checked_mul(taps).and_then(|n| n.checked_mul(per_tap));
        channels
            .map(|channels| activation_shape(p.batch, channels, out))
            .ok_or_else(|| Error::invalid("offset_groups", p.offset_groups, "the offset has too many channels"))
    };
    let mut tensors = vec![
        read(TensorName::Input, activation_shape(p.batch, p.c_in, &p.input)),
        read(TensorName::Weight, activation_shape(p.c_out, c_in_per_group, &p.kernel)),
        read(TensorName::Offset, sampled(2)?),
    ];
    if p.mask {
        tensors.push(read(TensorName::Mask, sampled(1)?));
    }
    let output = activation_shape(p.batch, p.c_out, out);
    tensors.extend(epilogue_tensors(&p.epilogue, vec![p.c_out], output.clone()));
    let macs = [output, vec![c_in_per_group], p.kernel.to_vec()].concat();
    Ok(Draft { window: Some(window), tensors, macs, more_macs: vec![] })
}

fn locally_connected2d(p: &LocallyConnected2d) -> Result<Draft> {
    check_epilogue(&p.epilogue)?;
    positive("c_out", p.c_out)?;
    let window = request!(p, input, c_in: p.c_in, c_out: p.c_out, groups: p.groups, ceil_mode: false)
        .check_rank("locally_connected2d", 2)?
        .check()?;
    check_groups("groups", p.groups, &[("c_in", p.c_in), ("c_out", p.c_out)])?;
    let c_in_per_group = p.c_in / p.groups;
    let out = window.output_axes(2);
    let output = activation_shape(p.batch, p.c_out, out);
    let mut tensors = vec![
        read(TensorName::Input, activation_shape(p.batch, p.c_in, &p.input)),
        read(TensorName::Weight, [out, &[p.c_out, c_in_per_group], &p.kernel].concat()),
    ];
    let bias = [&[p.c_out], out].concat();
    tensors.extend(epilogue_tensors(&p.epilogue, bias, output.clone()));
    let macs = [output, vec![c_in_per_group], p.kernel.to_vec()].concat();
    Ok(Draft { window: Some(window), tensors, macs, more_macs: vec![] })
}

fn spatial_separable2d(p: &SpatialSeparable2d) -> Result<Draft> {
    check_epilogue(&p.epilogue)?;
    let window = request!(p, input, c_in: p.channels, c_out: p.channels, groups: p.channels, ceil_mode: false)
        .check_rank("spatial_separable_conv2d", 2)?
        .named("input", "channels")
        .check()?;
    check_padding_mode(p.padding_mode, &window, 2)?;
    let output = activation_shape(p.batch, p.channels, window.output_axes(2));
    let mut tensors = vec![
        read(TensorName::Input, activation_shape(p.batch, p.channels, &p.input)),
        read(TensorName::WeightV, vec![p.channels, p.kernel[0]]),
        read(TensorName::WeightH, vec![p.channels, p.kernel[1]]),
    ];
    tensors.extend(epilogue_tensors(&p.epilogue, vec![p.channels], output.clone()));
    // The vertical pass runs over every input column, the horizontal one over its results.
    let vertical = vec![p.batch, p.channels, window.output[1], p.input[1], p.kernel[0]];
    let horizontal = [output, vec![p.kernel[1]]].concat();
    Ok(Draft { window: Some(window), tensors, macs: vertical, more_macs: horizontal })
}

fn depthwise_separable2d(p: &DepthwiseSeparable2d) -> Result<Draft> {
    check_epilogue(&p.epilogue)?;
    positive("c_in", p.c_in)?;
    positive("c_out", p.c_out)?;
    positive("multiplier", p.multiplier)?;
    let middle = p
        .c_in
        .checked_mul(p.multiplier)
        .filter(|&middle| middle <= i32::MAX as usize)
        .ok_or_else(|| Error::invalid("multiplier", p.multiplier, "c_in * multiplier must be below 2^31"))?;
    let window = request!(p, input, c_in: p.c_in, c_out: middle, groups: p.c_in, ceil_mode: false)
        .check_rank("depthwise_separable_conv2d", 2)?
        .check()?;
    check_padding_mode(p.padding_mode, &window, 2)?;
    let out = window.output_axes(2);
    let mut tensors = vec![
        read(TensorName::Input, activation_shape(p.batch, p.c_in, &p.input)),
        read(TensorName::WeightDw, activation_shape(middle, 1, &p.kernel)),
        read(TensorName::WeightPw, vec![p.c_out, middle, 1, 1]),
    ];
    let output = activation_shape(p.batch, p.c_out, out);
    tensors.extend(epilogue_tensors(&p.epilogue, vec![p.c_out], output.clone()));
    let depthwise = [activation_shape(p.batch, middle, out), p.kernel.to_vec()].concat();
    let pointwise = [output, vec![middle]].concat();
    Ok(Draft { window: Some(window), tensors, macs: depthwise, more_macs: pointwise })
}

fn pool(p: &Pool) -> Result<Draft> {
    let window = request!(p, input, c_in: p.channels, c_out: p.channels, groups: p.channels, ceil_mode: p.ceil_mode)
        .named("input", "channels")
        .check()?;
    let rank = p.input.rank();
    match p.mode {
        PoolMode::Max { pad_value: Some(value), .. } if !value.is_finite() => {
            return Err(Error::invalid("pad_value", value, "it must be finite"));
        }
        PoolMode::Average { divisor_override: Some(0), .. } => {
            return Err(Error::invalid("divisor_override", 0, "it must be positive"));
        }
        PoolMode::Average { divisor_override: Some(n), .. } if n > i32::MAX as usize => {
            return Err(Error::invalid("divisor_override", n, "it must be below 2^31"));
        }
        PoolMode::Lp { p } if !(p.is_finite() && p > 0.0) => {
            return Err(Error::invalid("p", p, "it must be positive and finite"));
        }
        _ => {}
    }
    for axis in 0..rank {
        let reach = window.dilation[3 - rank + axis] * (window.kernel[3 - rank + axis] - 1) + 1;
        for side in 0..2 {
            if p.padding[axis][side] >= reach {
                return Err(Error::invalid(
                    format!("padding[{axis}][{side}]"),
                    p.padding[axis][side],
                    format!("it must be less than the window's extent {reach}"),
                ));
            }
        }
    }
    // The maximum of no element is minus infinity, but no mean divides by 0.
    if matches!(p.mode, PoolMode::Average { count_include_pad: false, divisor_override: None }) {
        window.check_every_window_meets_the_input(rank)?;
    }
    let output = activation_shape(p.batch, p.channels, window.output_axes(rank));
    let mut tensors = vec![
        read(TensorName::Input, activation_shape(p.batch, p.channels, &p.input)),
        write(TensorName::Output, output.clone()),
    ];
    if let PoolMode::Max { indices: true, .. } = p.mode {
        tensors.push(TensorSpec { element: ElementType::U32, ..write(TensorName::Indices, output) });
    }
    Ok(Draft { window: Some(window), tensors, macs: vec![], more_macs: vec![] })
}

/// `block²`, for both shuffles.
fn block_area(block: usize) -> Result<usize> {
    positive("block", block)?;
    block.checked_mul(block).ok_or_else(|| Error::invalid("block", block, "block^2 overflows"))
}

fn check_plane(op: &str, batch: usize, channels: usize, input: &[usize]) -> Result<()> {
    positive("batch", batch)?;
    positive("channels", channels)?;
    if input.len() != 2 {
        return Err(Error::invalid("input", format!("{input:?}"), format!("{op} has two spatial axes")));
    }
    for (axis, &extent) in input.iter().enumerate() {
        positive(&axis_field("input", axis), extent)?;
    }
    Ok(())
}

fn depth_to_space(p: &DepthToSpace) -> Result<Draft> {
    check_plane("depth_to_space", p.batch, p.channels, &p.input)?;
    let area = block_area(p.block)?;
    if !p.channels.is_multiple_of(area) {
        return Err(Error::invalid("channels", p.channels, format!("block^2 = {area} must divide it")));
    }
    let grown = |axis: usize| {
        p.input[axis]
            .checked_mul(p.block)
            .ok_or_else(|| Error::invalid(axis_field("input", axis), p.input[axis], "input * block overflows"))
    };
    let tensors = vec![
        read(TensorName::Input, activation_shape(p.batch, p.channels, &p.input)),
        write(TensorName::Output, vec![p.batch, p.channels / area, grown(0)?, grown(1)?]),
    ];
    Ok(Draft { window: None, tensors, macs: vec![], more_macs: vec![] })
}

fn space_to_depth(p: &SpaceToDepth) -> Result<Draft> {
    check_plane("space_to_depth", p.batch, p.channels, &p.input)?;
    let area = block_area(p.block)?;
    for (axis, &extent) in p.input.iter().enumerate() {
        if extent % p.block != 0 {
            return Err(Error::invalid(
                axis_field("input", axis),
                extent,
                format!("block = {} must divide it", p.block),
            ));
        }
    }
    let channels = p
        .channels
        .checked_mul(area)
        .ok_or_else(|| Error::invalid("channels", p.channels, "channels * block^2 overflows"))?;
    let tensors = vec![
        read(TensorName::Input, activation_shape(p.batch, p.channels, &p.input)),
        write(TensorName::Output, vec![p.batch, channels, p.input[0] / p.block, p.input[1] / p.block]),
    ];
    Ok(Draft { window: None, tensors, macs: vec![], more_macs: vec![] })
}

/// (batch, channels·∏kernel, ∏windows)
fn columns_shape(window: &Window) -> Result<Vec<usize>> {
    let rows = window.c_in.checked_mul(window.kernel_len()).ok_or_else(|| {
        Error::invalid("kernel", format!("{:?}", window.kernel), "channels * kernel elements overflows")
    })?;
    Ok(vec![window.batch, rows, window.output_len()])
}

fn im2col(p: &Im2col) -> Result<Draft> {
    let window = request!(p, input, c_in: p.channels, c_out: p.channels, groups: p.channels, ceil_mode: false)
        .named("input", "channels")
        .check()?;
    let tensors = vec![
        read(TensorName::Input, activation_shape(p.batch, p.channels, &p.input)),
        write(TensorName::Output, columns_shape(&window)?),
    ];
    Ok(Draft { window: Some(window), tensors, macs: vec![], more_macs: vec![] })
}

/// Its window is the im2col that it undoes: `window.input` is the output image, `window.output` counts the columns.
fn col2im(p: &Col2im) -> Result<Draft> {
    let window = request!(p, output, c_in: p.channels, c_out: p.channels, groups: p.channels, ceil_mode: false)
        .named("output", "channels")
        .check()?;
    let tensors = vec![
        read(TensorName::Input, columns_shape(&window)?),
        write(TensorName::Output, activation_shape(p.batch, p.channels, &p.output)),
    ];
    Ok(Draft { window: Some(window), tensors, macs: vec![], more_macs: vec![] })
}
