//! Operation + attributes + shapes -> checked problem, and with data -> something to run.

use std::collections::BTreeMap;

use super::attributes::{Attributes, Padding, PerAxis};
use super::npy::Array;
use super::operation::{Kind, Op};
use crate::error::Error;
use crate::geometry::Geometry;
use crate::problem::{
    Axes, Col2im, Conv, ConvTranspose, DeformConv2d, DepthToSpace, DepthwiseSeparable2d, Epilogue, Im2col,
    LocallyConnected2d, Pool, PoolMode, Problem, SpaceToDepth, SpatialSeparable2d,
};
use crate::tensor::{Inputs, TensorName};

type Result<T> = std::result::Result<T, Error>;

/// Tensors at hand; one without a shape has the shape that the problem gives it.
pub type Shapes = BTreeMap<TensorName, Option<Vec<usize>>>;

/// What somebody asks for.
pub struct Request<'a> {
    /// The operation.
    pub op: Op,
    /// Its attributes.
    pub attributes: &'a Attributes,
    /// The tensors that take part.
    pub shapes: &'a Shapes,
    /// Whether the positions of maxima are wanted.
    pub indices: bool,
}

/// A request that makes sense.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The problem, checked.
    pub geometry: Geometry,
    /// The activations came without a batch axis, as PyTorch accepts them.
    pub unbatched: bool,
}

impl Checked {
    /// The shape in which a result is handed back.
    pub fn given_shape(&self, shape: &[usize]) -> Vec<usize> {
        if self.unbatched { shape[1..].to_vec() } else { shape.to_vec() }
    }
}

/// A checked request with its data.
#[derive(Debug, Clone)]
pub struct Task {
    /// The operation.
    pub op: Op,
    /// The problem.
    pub checked: Checked,
    /// Contiguous data of every tensor that is read.
    pub inputs: Inputs,
}

impl Task {
    /// Checks the request and rounds its arrays to f32.
    pub fn new(op: Op, attributes: &Attributes, arrays: &BTreeMap<TensorName, Array>, indices: bool) -> Result<Task> {
        for &name in op.required() {
            if !arrays.contains_key(&name) {
                return Err(missing(op, name));
            }
        }
        let shapes = arrays.iter().map(|(&name, array)| (name, Some(array.shape.clone()))).collect();
        let checked = Request { op, attributes, shapes: &shapes, indices }.check()?;
        let single = |(&name, array): (&TensorName, &Array)| match array.to_f32() {
            Ok(data) => Ok((name, data)),
            Err(rule @ Error::Invalid { .. }) => {
                Err(Error::invalid(name.as_str(), "a float64 array", rule.to_string()))
            }
            Err(error) => Err(error),
        };
        Ok(Task { op, checked, inputs: arrays.iter().map(single).collect::<Result<_>>()? })
    }
}

fn missing(op: Op, name: TensorName) -> Error {
    Error::invalid(name.as_str(), "nothing", format!("{} needs this tensor", op.name()))
}

/// The padding of an operation that may keep the extents.
fn padding_of(problem: &Problem) -> Option<&Axes<[usize; 2]>> {
    match problem {
        Problem::Conv(p) => Some(&p.padding),
        Problem::DeformConv2d(p) => Some(&p.padding),
        Problem::LocallyConnected2d(p) => Some(&p.padding),
        Problem::SpatialSeparable2d(p) => Some(&p.padding),
        Problem::DepthwiseSeparable2d(p) => Some(&p.padding),
        _ => None,
    }
}

fn bad_rank(name: TensorName, shape: &[usize], wanted: String) -> Error {
    Error::invalid(format!("{name} shape"), format!("{shape:?}"), wanted)
}

/// Batch, channels and spatial extents of the input.
struct Activation {
    batch: usize,
    channels: usize,
    spatial: Axes<usize>,
}

impl Request<'_> {
    /// Builds the problem, checks it and every shape that was given.
    pub fn check(&self) -> Result<Checked> {
        let op = self.op;
        for name in self.shapes.keys() {
            if !op.required().contains(name) && !op.optional().contains(name) {
                return Err(Error::invalid(name.as_str(), "given", format!("{} has no such tensor", op.name())));
            }
        }
        let unbatched = self.is_unbatched()?;
        let problem = match op.kind {
            Kind::Conv => self.conv()?.into(),
            Kind::ConvTranspose => self.conv_transpose()?.into(),
            Kind::DeformConv => self.deform_conv()?.into(),
            Kind::LocallyConnected => self.locally_connected()?.into(),
            Kind::SpatialSeparable => self.spatial_separable()?.into(),
            Kind::DepthwiseSeparable => self.depthwise_separable()?.into(),
            Kind::MaxPool
            | Kind::AvgPool
            | Kind::LpPool
            | Kind::GlobalMaxPool
            | Kind::GlobalAvgPool
            | Kind::GlobalLpPool => self.pool()?.into(),
            Kind::DepthToSpace => {
                let Activation { batch, channels, spatial } = self.input()?;
                let (block, order) = (self.block_size()?, self.attributes.mode.unwrap_or_default());
                DepthToSpace { batch, channels, input: spatial, block, order }.into()
            }
            Kind::SpaceToDepth => {
                let Activation { batch, channels, spatial } = self.input()?;
                let (block, order) = (self.block_size()?, self.attributes.mode.unwrap_or_default());
                SpaceToDepth { batch, channels, input: spatial, block, order }.into()
            }
            Kind::Im2col => self.im2col()?.into(),
            Kind::Col2im => self.col2im()?.into(),
        };
        let geometry = Geometry::new(&problem).map_err(|error| self.of_same(error, &problem))?;
        for (&tensor, shape) in self.shapes {
            let (Some(shape), Some(spec)) = (shape, geometry.tensor(tensor)) else { continue };
            // The axis of one image that an unbatched tensor lacks.
            let lacks_batch = unbatched && spec.takes_layout() && shape.len() + 1 == spec.shape.len();
            let fits = if lacks_batch { spec.shape[0] == 1 && *shape == spec.shape[1..] } else { *shape == spec.shape };
            if !fits {
                return Err(Error::Shape { tensor, got: shape.clone(), want: spec.shape.clone() });
            }
        }
        Ok(Checked { geometry, unbatched })
    }

    /// What is wrong with the numbers that `same` stands for is wrong with the word that was given.
    fn of_same(&self, error: Error, problem: &Problem) -> Error {
        match (error, &self.attributes.padding) {
            (Error::Invalid { field, value, rule }, Some(Padding::Same)) if field.starts_with("padding[") => {
                let stands_for =
                    padding_of(problem).map_or_else(String::new, |sides| format!("it stands for {sides:?}, "));
                Error::invalid("padding", "same", format!("{stands_for}where {field} = {value}: {rule}"))
            }
            (error, _) => error,
        }
    }

    fn shape(&self, name: TensorName) -> Result<&[usize]> {
        self.shapes.get(&name).and_then(Option::as_deref).ok_or_else(|| missing(self.op, name))
    }

    fn has(&self, name: TensorName) -> bool {
        self.shapes.contains_key(&name)
    }

    /// Axes of the input: batch, channels and the spatial ones; of col2im batch, rows and columns.
    fn input_axes(&self) -> usize {
        if self.op.kind == Kind::Col2im { 3 } else { 2 + self.op.rank }
    }

    fn is_unbatched(&self) -> Result<bool> {
        let shape = self.shape(TensorName::Input)?;
        let axes = self.input_axes();
        if shape.len() != axes && shape.len() + 1 != axes {
            let tail = match (self.op.kind, self.op.rank) {
                (Kind::Col2im, _) => "rows, columns",
                (_, 1) => "channels, w",
                (_, 2) => "channels, h, w",
                _ => "channels, d, h, w",
            };
            let rule = format!("{} takes (batch, {tail}) or ({tail})", self.op.name());
            return Err(bad_rank(TensorName::Input, shape, rule));
        }
        Ok(shape.len() != axes)
    }

    /// The input's shape with a batch.
    fn input_shape(&self) -> Result<Vec<usize>> {
        let shape = self.shape(TensorName::Input)?;
        Ok(if self.is_unbatched()? { [&[1], shape].concat() } else { shape.to_vec() })
    }

    fn input(&self) -> Result<Activation> {
        let shape = self.input_shape()?;
        Ok(Activation { batch: shape[0], channels: shape[1], spatial: Axes::from_slice("input", &shape[2..])? })
    }

    /// A weight's leading extents and the kernel behind them.
    fn weight<const LEAD: usize>(&self, name: TensorName, layout: &str) -> Result<([usize; LEAD], Axes<usize>)> {
        let shape = self.shape(name)?;
        let rule = || format!("{} takes {layout}", self.op.name());
        match shape.split_first_chunk::<LEAD>() {
            Some((lead, kernel)) if kernel.len() == self.op.rank => Ok((*lead, Axes::from_slice("kernel", kernel)?)),
            _ => Err(bad_rank(name, shape, rule())),
        }
    }

    fn axes(&self, field: &str, given: &Option<PerAxis<usize>>, default: Axes<usize>) -> Result<Axes<usize>> {
        given.as_ref().map_or(Ok(default), |value| value.axes(field, self.op.rank))
    }

    fn ones(&self) -> Axes<usize> {
        Axes::splat(1, self.op.rank)
    }

    fn stride(&self, default: Axes<usize>) -> Result<Axes<usize>> {
        self.axes("stride", &self.attributes.stride, default)
    }

    fn dilation(&self) -> Result<Axes<usize>> {
        self.axes("dilation", &self.attributes.dilation, self.ones())
    }

    fn sides(&self) -> Result<Axes<[usize; 2]>> {
        match &self.attributes.padding {
            None => Ok(Axes::splat([0; 2], self.op.rank)),
            Some(Padding::Sides(sides)) => sides.axes("padding", self.op.rank),
            Some(Padding::Same) => Err(Error::invalid("padding", "same", format!("{} takes numbers", self.op.name()))),
        }
    }

    /// Padding of a convolution, which may keep the extents.
    fn padding(&self, kernel: Axes<usize>) -> Result<Axes<[usize; 2]>> {
        if self.attributes.padding != Some(Padding::Same) {
            return self.sides();
        }
        if self.stride(self.ones())?.iter().any(|&stride| stride != 1) {
            return Err(Error::invalid("padding", "same", "it needs stride 1"));
        }
        let dilation = self.dilation()?;
        let mut sides = Vec::new();
        for (&kernel, &dilation) in kernel.iter().zip(dilation.iter()) {
            let total = kernel.saturating_sub(1).checked_mul(dilation);
            let total = total.ok_or_else(|| Error::invalid("dilation", dilation, "the padding overflows"))?;
            sides.push([total / 2, total - total / 2]);
        }
        Axes::from_slice("padding", &sides)
    }

    fn epilogue(&self) -> Epilogue {
        Epilogue {
            bias: self.has(TensorName::Bias),
            residual: self.has(TensorName::Residual),
            activation: self.attributes.activation.unwrap_or_default(),
        }
    }

    fn groups(&self) -> usize {
        self.attributes.groups.unwrap_or(1)
    }

    fn flip_kernel(&self) -> bool {
        self.attributes.flip_kernel.unwrap_or(false)
    }

    fn kernel_size(&self) -> Result<Axes<usize>> {
        let given = self.attributes.kernel_size.as_ref();
        given
            .ok_or_else(|| Error::invalid("kernel_size", "nothing", format!("{} needs it", self.op.name())))?
            .axes("kernel_size", self.op.rank)
    }

    fn block_size(&self) -> Result<usize> {
        let rule = || Error::invalid("block_size", "nothing", format!("{} needs it", self.op.name()));
        self.attributes.block_size.ok_or_else(rule)
    }

    fn conv(&self) -> Result<Conv> {
        let Activation { batch, channels, spatial } = self.input()?;
        let ([c_out, _], kernel) = self.weight(TensorName::Weight, "(c_out, c_in/groups, kernel)")?;
        Ok(Conv {
            batch,
            c_in: channels,
            input: spatial,
            c_out,
            kernel,
            stride: self.stride(self.ones())?,
            padding: self.padding(kernel)?,
            dilation: self.dilation()?,
            groups: self.groups(),
            padding_mode: self.attributes.padding_mode.unwrap_or_default(),
            flip_kernel: self.flip_kernel(),
            epilogue: self.epilogue(),
        })
    }

    fn conv_transpose(&self) -> Result<ConvTranspose> {
        let Activation { batch, channels, spatial } = self.input()?;
        let ([_, c_out_per_group], kernel) = self.weight(TensorName::Weight, "(c_in, c_out/groups, kernel)")?;
        let groups = self.groups();
        let c_out =
            c_out_per_group.checked_mul(groups).filter(|&c_out| c_out <= i32::MAX as usize).ok_or_else(|| {
                let rule = format!("c_out, {c_out_per_group} for each group, must be below 2^31");
                Error::invalid("groups", groups, rule)
            })?;
        if c_out_per_group == 0 {
            let shape = self.shape(TensorName::Weight)?;
            return Err(bad_rank(TensorName::Weight, shape, "c_out/groups must be at least 1".into()));
        }
        Ok(ConvTranspose {
            batch,
            c_in: channels,
            input: spatial,
            // Without groups there would be no channel at all; geometry is to name the groups.
            c_out: if groups == 0 { c_out_per_group } else { c_out },
            kernel,
            stride: self.stride(self.ones())?,
            padding: self.sides()?,
            output_padding: self.axes(
                "output_padding",
                &self.attributes.output_padding,
                Axes::splat(0, self.op.rank),
            )?,
            dilation: self.dilation()?,
            groups,
            flip_kernel: self.flip_kernel(),
            epilogue: self.epilogue(),
        })
    }

    fn deform_conv(&self) -> Result<DeformConv2d> {
        let Activation { batch, channels, spatial } = self.input()?;
        let ([c_out, _], kernel) = self.weight(TensorName::Weight, "(c_out, c_in/groups, kh, kw)")?;
        Ok(DeformConv2d {
            batch,
            c_in: channels,
            input: spatial,
            c_out,
            kernel,
            stride: self.stride(self.ones())?,
            padding: self.padding(kernel)?,
            dilation: self.dilation()?,
            groups: self.groups(),
            offset_groups: self.attributes.offset_groups.unwrap_or(1),
            mask: self.has(TensorName::Mask),
            epilogue: self.epilogue(),
        })
    }

    fn locally_connected(&self) -> Result<LocallyConnected2d> {
        let Activation { batch, channels, spatial } = self.input()?;
        let layout = "(ho, wo, c_out, c_in/groups, kh, kw)";
        let ([_, _, c_out, _], kernel) = self.weight(TensorName::Weight, layout)?;
        Ok(LocallyConnected2d {
            batch,
            c_in: channels,
            input: spatial,
            c_out,
            kernel,
            stride: self.stride(self.ones())?,
            padding: self.padding(kernel)?,
            dilation: self.dilation()?,
            groups: self.groups(),
            epilogue: self.epilogue(),
        })
    }

    /// The depthwise stage of a separable operation has one group per channel; a case file may say so.
    fn check_depthwise_groups(&self, channels: usize) -> Result<()> {
        match self.attributes.groups {
            Some(groups) if groups != channels => {
                Err(Error::invalid("groups", groups, format!("{} has c_in = {channels} groups", self.op.name())))
            }
            _ => Ok(()),
        }
    }

    fn spatial_separable(&self) -> Result<SpatialSeparable2d> {
        let Activation { batch, channels, spatial } = self.input()?;
        self.check_depthwise_groups(channels)?;
        let factor = |name: TensorName, layout: &str| match self.shape(name)? {
            &[_, extent] => Ok(extent),
            shape => Err(bad_rank(name, shape, format!("{} takes {layout}", self.op.name()))),
        };
        let kernel: Axes<usize> =
            [factor(TensorName::WeightV, "(channels, kh)")?, factor(TensorName::WeightH, "(channels, kw)")?].into();
        Ok(SpatialSeparable2d {
            batch,
            channels,
            input: spatial,
            kernel,
            stride: self.stride(self.ones())?,
            padding: self.padding(kernel)?,
            dilation: self.dilation()?,
            padding_mode: self.attributes.padding_mode.unwrap_or_default(),
            epilogue: self.epilogue(),
        })
    }

    fn depthwise_separable(&self) -> Result<DepthwiseSeparable2d> {
        let Activation { batch, channels, spatial } = self.input()?;
        self.check_depthwise_groups(channels)?;
        let ([middle, _], kernel) = self.weight(TensorName::WeightDw, "(c_in*multiplier, 1, kh, kw)")?;
        let ([c_out, _], _) = self.weight(TensorName::WeightPw, "(c_out, c_in*multiplier, 1, 1)")?;
        let multiplier = match middle.checked_rem(channels) {
            Some(0) if middle > 0 => middle / channels,
            // Geometry is to name the missing channels.
            None => 1,
            Some(_) => {
                let shape = self.shape(TensorName::WeightDw)?;
                let rule = format!("its first extent must be a positive multiple of c_in = {channels}");
                return Err(bad_rank(TensorName::WeightDw, shape, rule));
            }
        };
        Ok(DepthwiseSeparable2d {
            batch,
            c_in: channels,
            input: spatial,
            multiplier,
            c_out,
            kernel,
            stride: self.stride(self.ones())?,
            padding: self.padding(kernel)?,
            dilation: self.dilation()?,
            padding_mode: self.attributes.padding_mode.unwrap_or_default(),
            epilogue: self.epilogue(),
        })
    }

    fn pool(&self) -> Result<Pool> {
        let Activation { batch, channels, spatial } = self.input()?;
        let a = self.attributes;
        let mode = match self.op.kind {
            Kind::MaxPool | Kind::GlobalMaxPool => PoolMode::Max { pad_value: a.pad_value, indices: self.indices },
            Kind::AvgPool | Kind::GlobalAvgPool => PoolMode::Average {
                count_include_pad: a.count_include_pad.unwrap_or(true),
                divisor_override: a.divisor_override,
            },
            _ => PoolMode::Lp { p: a.p.unwrap_or(2.0) },
        };
        if matches!(self.op.kind, Kind::GlobalMaxPool | Kind::GlobalAvgPool | Kind::GlobalLpPool) {
            return Ok(Pool::global(batch, channels, spatial, mode));
        }
        let kernel = self.kernel_size()?;
        Ok(Pool {
            batch,
            channels,
            input: spatial,
            kernel,
            stride: self.stride(kernel)?,
            padding: self.sides()?,
            dilation: self.dilation()?,
            ceil_mode: a.ceil_mode.unwrap_or(false),
            mode,
        })
    }

    fn im2col(&self) -> Result<Im2col> {
        let Activation { batch, channels, spatial } = self.input()?;
        Ok(Im2col {
            batch,
            channels,
            input: spatial,
            kernel: self.kernel_size()?,
            stride: self.stride(self.ones())?,
            padding: self.sides()?,
            dilation: self.dilation()?,
        })
    }

    fn col2im(&self) -> Result<Col2im> {
        let shape = self.input_shape()?;
        let kernel = self.kernel_size()?;
        let taps = kernel.iter().try_fold(1_usize, |n, &extent| n.checked_mul(extent));
        let channels = match taps.map(|taps| (taps, shape[1].checked_rem(taps))) {
            Some((taps, Some(0))) => shape[1] / taps,
            // Geometry is to name the empty kernel.
            Some((_, None)) => 1,
            _ => {
                let rule = format!("the number of kernel elements, kernel_size = {kernel:?}, must divide its rows");
                return Err(bad_rank(TensorName::Input, self.shape(TensorName::Input)?, rule));
            }
        };
        let output = self.attributes.output_size.as_ref();
        let output = output.ok_or_else(|| Error::invalid("output_size", "nothing", "col2im needs it"))?;
        Ok(Col2im {
            batch: shape[0],
            channels,
            output: output.axes("output_size", self.op.rank)?,
            kernel,
            stride: self.stride(self.ones())?,
            padding: self.sides()?,
            dilation: self.dilation()?,
        })
    }
}
