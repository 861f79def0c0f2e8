//! burn on wgpu, by its module functions and its autodiff.

use std::time::Instant;

use burn::tensor::{Device, DeviceKind, Gradients, Tensor, TensorData, activation, module, ops};
use wgconv::{Activation, Axes, PoolMode, Problem, TensorName};

use super::{Prepared, Runner, ms_since};
use crate::data;
use crate::error::{Error, Result};
use crate::protocol::{Case, Pass, Peer, Precision};

/// Executions before the first one counts: autotune tries its candidates on the first call of every shape, and the pools
/// of memory settle.
const WARM_UP: usize = 4;

pub struct Burn {
    device: Device,
    loaded: Option<Loaded>,
}

struct Loaded {
    call: Box<dyn Fn() -> Any>,
    leaves: Vec<(TensorName, Any)>,
    upstream: Option<Any>,
}

/// A tensor of whatever rank.
#[derive(Clone)]
enum Any {
    D1(Tensor<1>),
    D3(Tensor<3>),
    D4(Tensor<4>),
    D5(Tensor<5>),
}

/// Evaluates an expression for the tensor inside.
macro_rules! inside {
    ($any:expr, $tensor:ident => $value:expr) => {
        match $any {
            Any::D1($tensor) => $value,
            Any::D3($tensor) => $value,
            Any::D4($tensor) => $value,
            Any::D5($tensor) => $value,
        }
    };
}

/// Wraps an expression of each rank that activations have.
macro_rules! map {
    ($any:expr, $tensor:ident => $value:expr) => {
        match $any {
            Any::D1(tensor) => Any::D1(tensor),
            Any::D3($tensor) => Any::D3($value),
            Any::D4($tensor) => Any::D4($value),
            Any::D5($tensor) => Any::D5($value),
        }
    };
}

impl Any {
    fn values(self) -> Result<Vec<f32>> {
        let data = inside!(self, tensor => tensor.into_data());
        data.try_into_vec().map_err(|error| Error::Device(format!("{error:?}")))
    }

    fn gradient(&self, gradients: &Gradients) -> Option<Any> {
        Some(match self {
            Any::D1(tensor) => Any::D1(tensor.grad(gradients)?),
            Any::D3(tensor) => Any::D3(tensor.grad(gradients)?),
            Any::D4(tensor) => Any::D4(tensor.grad(gradients)?),
            Any::D5(tensor) => Any::D5(tensor.grad(gradients)?),
        })
    }

    /// The gradients of Σ self · upstream.
    fn backward_with(self, upstream: &Any) -> Result<Gradients> {
        match (self, upstream.clone()) {
            (Any::D3(output), Any::D3(upstream)) => Ok((output * upstream).sum().backward()),
            (Any::D4(output), Any::D4(upstream)) => Ok((output * upstream).sum().backward()),
            (Any::D5(output), Any::D5(upstream)) => Ok((output * upstream).sum().backward()),
            _ => Err(Error::Device("grad_output has another rank than the output".into())),
        }
    }

    fn plus(self, other: Any) -> Any {
        match (self, other) {
            (Any::D3(a), Any::D3(b)) => Any::D3(a + b),
            (Any::D4(a), Any::D4(b)) => Any::D4(a + b),
            (Any::D5(a), Any::D5(b)) => Any::D5(a + b),
            (a, _) => a,
        }
    }
}

/// Reads the tensors of a case onto the device, and keeps those that want a gradient.
struct Reader<'a> {
    case: &'a Case,
    device: &'a Device,
    leaves: Vec<(TensorName, Any)>,
}

impl Reader<'_> {
    fn tensor<const D: usize>(&mut self, name: TensorName, wrap: fn(Tensor<D>) -> Any) -> Result<Tensor<D>> {
        self.optional(name, wrap)?.ok_or_else(|| Error::Device(format!("{} is missing", name.as_str())))
    }

    fn optional<const D: usize>(&mut self, name: TensorName, wrap: fn(Tensor<D>) -> Any) -> Result<Option<Tensor<D>>> {
        let Some(file) = self.case.inputs.get(&name) else { return Ok(None) };
        let data = TensorData::new(data::read(file)?, file.shape.clone());
        let mut tensor = Tensor::<D>::from_data(data, self.device);
        if self.case.pass == Pass::ForwardBackward && name != TensorName::GradOutput {
            tensor = tensor.require_grad();
            self.leaves.push((name, wrap(tensor.clone())));
        }
        Ok(Some(tensor))
    }
}

type Call = Box<dyn Fn() -> Any>;

/// A function, or why there is none.
type Operation = Result<std::result::Result<Call, String>>;

impl Burn {
    /// A panic is how burn says that there is no adapter.
    pub fn open() -> std::result::Result<Burn, String> {
        let opened = std::panic::catch_unwind(|| {
            let device = Device::wgpu(DeviceKind::DefaultDevice);
            let probe = Tensor::<1>::from_data([1.0_f32], &device) + 1.0;
            (probe.into_data(), device)
        });
        match opened {
            Ok((_, device)) => Ok(Burn { device, loaded: None }),
            Err(panic) => Err(super::panic_text(&*panic)),
        }
    }

    fn loaded(&self) -> Result<&Loaded> {
        self.loaded.as_ref().ok_or_else(|| Error::Device("no case is prepared".into()))
    }

    fn sync(&self) -> Result<()> {
        self.device.sync().map_err(|error| Error::Device(format!("{error:?}")))
    }

    /// One execution, not waited for.
    fn execute(loaded: &Loaded) {
        let output = (loaded.call)();
        if loaded.upstream.is_some() {
            // burn takes no gradient of the output: it starts from ones.
            let gradients = inside!(&output, tensor => tensor.backward());
            drop(gradients);
        }
    }
}

impl Runner for Burn {
    fn hello(&self) -> Peer {
        Peer {
            version: "0.22.1".into(),
            device: self.device.identity().map(|identity| identity.name).unwrap_or_default(),
            // Without its feature `vulkan`; with it, SPIR-V of its own making.
            driver: "wgpu, shaders in WGSL".into(),
            precision: Precision::F32,
            timed: "N calls of the module function (and backward, from a gradient of ones), sync".into(),
        }
    }

    fn prepare(&mut self, case: Case) -> Result<Prepared> {
        let backward = case.pass == Pass::ForwardBackward;
        let device = if backward { self.device.clone().autodiff() } else { self.device.clone() };
        let mut reader = Reader { case: &case, device: &device, leaves: Vec::new() };
        let call = match operation(&mut reader)? {
            Ok(call) => call,
            Err(reason) => return Ok(Prepared::Unsupported(reason)),
        };
        let call = match epilogue(&mut reader, call)? {
            Ok(call) => call,
            Err(reason) => return Ok(Prepared::Unsupported(reason)),
        };
        let upstream = match case.inputs.get(&TensorName::GradOutput).map(|file| file.shape.len()) {
            Some(3) => Some(Any::D3(reader.tensor(TensorName::GradOutput, Any::D3)?)),
            Some(4) => Some(Any::D4(reader.tensor(TensorName::GradOutput, Any::D4)?)),
            Some(5) => Some(Any::D5(reader.tensor(TensorName::GradOutput, Any::D5)?)),
            _ => None,
        };
        let loaded = Loaded { call, leaves: reader.leaves, upstream };
        for _ in 0..WARM_UP {
            Burn::execute(&loaded);
            self.sync()?;
        }
        self.loaded = Some(loaded);
        Ok(Prepared::Ready(None))
    }

    fn run(&mut self) -> Result<Vec<(TensorName, Vec<f32>)>> {
        let loaded = self.loaded()?;
        let output = (loaded.call)();
        let mut outputs = vec![(TensorName::Output, output.clone().values()?)];
        if let Some(upstream) = &loaded.upstream {
            let gradients = output.backward_with(upstream)?;
            for (name, leaf) in &loaded.leaves {
                if let (Some(of), Some(gradient)) = (name.gradient(), leaf.gradient(&gradients)) {
                    outputs.push((of, gradient.values()?));
                }
            }
        }
        Ok(outputs)
    }

    fn batch(&mut self, repeats: usize) -> Result<f64> {
        let loaded = self.loaded()?;
        self.sync()?;
        let start = Instant::now();
        for _ in 0..repeats {
            Burn::execute(loaded);
        }
        self.sync()?;
        Ok(ms_since(start))
    }

    fn forget(&mut self) {
        self.loaded = None;
    }
}

/// All axes of one rank.
fn axes<const N: usize>(values: &Axes<usize>) -> [usize; N] {
    std::array::from_fn(|i| values[i])
}

/// Padding where both sides are alike.
fn symmetric<const N: usize>(padding: &Axes<[usize; 2]>) -> std::result::Result<[usize; N], String> {
    match padding.iter().all(|[begin, end]| begin == end) {
        true => Ok(std::array::from_fn(|i| padding[i][0])),
        false => Err("padding differs between the sides".into()),
    }
}

fn conv_options<const N: usize>(conv: &wgconv::Conv) -> ops::ConvOptions<N> {
    let padding = std::array::from_fn(|i| (conv.padding[i][0], conv.padding[i][1]));
    ops::ConvOptions::new_with_padding(axes(&conv.stride), padding, axes(&conv.dilation), conv.groups)
}

fn transpose_options<const N: usize>(
    conv: &wgconv::ConvTranspose,
) -> std::result::Result<ops::ConvTransposeOptions<N>, String> {
    Ok(ops::ConvTransposeOptions::new(
        axes(&conv.stride),
        symmetric(&conv.padding)?,
        axes(&conv.output_padding),
        axes(&conv.dilation),
        conv.groups,
    ))
}

/// Refuses in the inner result.
macro_rules! or_refuse {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(reason) => return Ok(Err(reason)),
        }
    };
}

/// A convolution of one rank.
macro_rules! convolution {
    ($reader:expr, $wrap:path, $function:path, $options:expr) => {{
        let input = $reader.tensor(TensorName::Input, $wrap)?;
        let weight = $reader.tensor(TensorName::Weight, $wrap)?;
        let bias = $reader.optional(TensorName::Bias, Any::D1)?;
        let options = $options;
        Box::new(move || $wrap($function(input.clone(), weight.clone(), bias.clone(), options.clone()))) as Call
    }};
}

fn operation(reader: &mut Reader<'_>) -> Operation {
    let case = reader.case;
    let call = match &case.problem {
        Problem::Conv(p) if p.flip_kernel || p.padding_mode != wgconv::PaddingMode::Zeros => {
            return Ok(Err("flipped kernels, padding with something else than zeros".into()));
        }
        Problem::Conv(p) => match p.input.rank() {
            1 => convolution!(reader, Any::D3, module::conv1d, conv_options::<1>(p)),
            2 => convolution!(reader, Any::D4, module::conv2d, conv_options::<2>(p)),
            _ if symmetric::<3>(&p.padding).is_err() => return Ok(Err("padding differs between the sides".into())),
            _ => convolution!(reader, Any::D5, module::conv3d, conv_options::<3>(p)),
        },
        Problem::ConvTranspose(p) if p.flip_kernel => return Ok(Err("flipped kernels".into())),
        Problem::ConvTranspose(p) => match p.input.rank() {
            1 => {
                let options = or_refuse!(transpose_options::<1>(p));
                convolution!(reader, Any::D3, module::conv_transpose1d, options)
            }
            2 => {
                let options = or_refuse!(transpose_options::<2>(p));
                convolution!(reader, Any::D4, module::conv_transpose2d, options)
            }
            _ => {
                let options = or_refuse!(transpose_options::<3>(p));
                convolution!(reader, Any::D5, module::conv_transpose3d, options)
            }
        },
        Problem::DeformConv2d(p) => {
            let padding = or_refuse!(symmetric(&p.padding));
            let (stride, dilation) = (axes(&p.stride), axes(&p.dilation));
            let options = ops::DeformConvOptions::new(stride, padding, dilation, p.groups, p.offset_groups);
            let input = reader.tensor(TensorName::Input, Any::D4)?;
            let offset = reader.tensor(TensorName::Offset, Any::D4)?;
            let weight = reader.tensor(TensorName::Weight, Any::D4)?;
            let mask = reader.optional(TensorName::Mask, Any::D4)?;
            let bias = reader.optional(TensorName::Bias, Any::D1)?;
            Box::new(move || {
                let (x, offset, weight) = (input.clone(), offset.clone(), weight.clone());
                Any::D4(module::deform_conv2d(x, offset, weight, mask.clone(), bias.clone(), options.clone()))
            })
        }
        Problem::Pool(p) => return pool(reader, p),
        other => return Ok(Err(format!("no counterpart of {}", other.op_name()))),
    };
    Ok(Ok(call))
}

fn pool(reader: &mut Reader<'_>, p: &wgconv::Pool) -> Operation {
    let refuse = |reason: &str| Ok(Err(reason.to_string()));
    if p.input.rank() != 2 {
        return refuse("pooling in two dimensions only");
    }
    let padding = std::array::from_fn(|i| (p.padding[i][0], p.padding[i][1]));
    match p.mode {
        PoolMode::Max { pad_value: None, indices: false } => {
            let mut options = ops::MaxPoolOptions::<2>::new(axes(&p.kernel));
            options = options.with_stride(axes(&p.stride)).with_padding_pairs(padding);
            (options.dilation, options.ceil_mode) = (axes(&p.dilation), p.ceil_mode);
            let input = reader.tensor(TensorName::Input, Any::D4)?;
            Ok(Ok(Box::new(move || Any::D4(module::max_pool2d(input.clone(), options.clone())))))
        }
        PoolMode::Average { count_include_pad, divisor_override: None } if p.dilation.iter().all(|&step| step == 1) => {
            let mut options = ops::AvgPoolOptions::<2>::new(axes(&p.kernel));
            options = options.with_stride(axes(&p.stride)).with_padding_pairs(padding);
            (options.count_include_pad, options.ceil_mode) = (count_include_pad, p.ceil_mode);
            let input = reader.tensor(TensorName::Input, Any::D4)?;
            Ok(Ok(Box::new(move || Any::D4(module::avg_pool2d(input.clone(), options.clone())))))
        }
        _ => refuse("lp pooling, dilated averages, divisor_override, pad_value, indices"),
    }
}

/// Residual and activation, which burn has as operations of their own.
fn epilogue(reader: &mut Reader<'_>, call: Call) -> Operation {
    let problem = &reader.case.problem;
    let Some(epilogue) = problem.epilogue() else { return Ok(Ok(call)) };
    let residual = match reader.case.inputs.get(&TensorName::Residual).map(|file| file.shape.len()) {
        Some(3) => Some(Any::D3(reader.tensor(TensorName::Residual, Any::D3)?)),
        Some(4) => Some(Any::D4(reader.tensor(TensorName::Residual, Any::D4)?)),
        Some(5) => Some(Any::D5(reader.tensor(TensorName::Residual, Any::D5)?)),
        _ => None,
    };
    let call: Call = match residual {
        Some(residual) => Box::new(move || call().plus(residual.clone())),
        None => call,
    };
    Ok(Ok(match epilogue.activation {
        Activation::Identity => call,
        Activation::Relu => Box::new(move || map!(call(), tensor => activation::relu(tensor))),
        Activation::Relu6 => Box::new(move || map!(call(), tensor => tensor.clamp(0.0, 6.0))),
        ref other => return Ok(Err(format!("activation {other:?}"))),
    }))
}
