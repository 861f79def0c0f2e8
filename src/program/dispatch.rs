//! One launch of a kernel, as plain data.

use crate::error::{Error, Result};
use crate::program::{
    BindingSpec, Constant, CopyParams, Element, GemmParams, Kernel, Named, PackParams, SortParams, SumParams, Uniform,
    Variant, WindowParams,
};
use crate::tensor::{Access, TensorName};

/// What is bound at one binding of a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Operand {
    /// A tensor of the problem.
    Tensor(TensorName),
    /// A range of the workspace, in bytes.
    Workspace {
        /// Start, aligned for any device.
        offset: u64,
        /// Length.
        bytes: u64,
    },
    /// A range of the packed weights, in bytes.
    Packed {
        /// Start, aligned for any device.
        offset: u64,
        /// Length.
        bytes: u64,
    },
    /// A range of the workspace, in bytes, that holds a tensor as f32 for the time of a program: what the device cannot
    /// write in the tensor's own storage.
    Widened {
        /// The tensor.
        tensor: TensorName,
        /// Start, aligned for any device.
        offset: u64,
        /// Length.
        bytes: u64,
    },
    /// Declared by the shader but not touched by this variant.
    Unused,
}

impl Operand {
    /// Whether it is a range of the workspace.
    pub fn is_workspace(self) -> bool {
        matches!(self, Operand::Workspace { .. } | Operand::Widened { .. })
    }
}

/// Uniform contents of a dispatch.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum Params {
    /// For windowed kernels.
    Window(Box<WindowParams>),
    /// For GEMM kernels.
    Gemm(Box<GemmParams>),
    /// For the passes of a radix sort.
    Sort(SortParams),
    /// For packing rows of weights.
    Pack(PackParams),
    /// For copies between a tensor and the workspace.
    Copy(CopyParams),
    /// For the sum over slices.
    Sum(Box<SumParams>),
}

impl Params {
    /// The bytes that the uniform buffer holds.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Params::Window(params) => bytemuck::bytes_of(&**params),
            Params::Gemm(params) => bytemuck::bytes_of(&**params),
            Params::Sort(params) => bytemuck::bytes_of(params),
            Params::Pack(params) => bytemuck::bytes_of(params),
            Params::Copy(params) => bytemuck::bytes_of(params),
            Params::Sum(params) => bytemuck::bytes_of(&**params),
        }
    }

    /// Which uniform it is.
    pub fn uniform(&self) -> Uniform {
        match self {
            Params::Window(_) => Uniform::Window,
            Params::Gemm(_) => Uniform::Gemm,
            Params::Sort(_) => Uniform::Sort,
            Params::Pack(_) => Uniform::Pack,
            Params::Copy(_) => Uniform::Copy,
            Params::Sum(_) => Uniform::Sum,
        }
    }

    /// Values of [`EPILOGUE_CONSTANTS`](super::EPILOGUE_CONSTANTS).
    fn epilogue_constants(&self) -> [Constant; 4] {
        let (activation, has_bias, has_residual, beta) = match self {
            Params::Window(params) => (params.activation, params.has_bias, params.has_residual, params.beta),
            Params::Gemm(params) => (params.activation, params.has_bias, params.has_residual, params.beta),
            // No kernel of these ends with the epilogue.
            Params::Sort(_) | Params::Pack(_) | Params::Copy(_) | Params::Sum(_) => (0, 0, 0, 0.0),
        };
        [activation.into(), (has_bias != 0).into(), (has_residual != 0).into(), (beta != 0.0).into()]
    }

    /// Adds to what the result's buffer holds instead of overwriting it.
    pub(crate) fn accumulate(&mut self) {
        match self {
            Params::Window(params) => params.beta = 1.0,
            Params::Gemm(params) => params.beta = 1.0,
            Params::Sum(params) => params.beta = 1.0,
            // What a tensor held before was widened into the workspace, where others have added to it.
            Params::Copy(_) => {}
            Params::Sort(_) | Params::Pack(_) => debug_assert!(false, "{:?} write no tensor", self.uniform()),
        }
    }

    /// Sets where the tensor bound as `name` starts in its binding. Bindings that are always dense from their first
    /// element have no such field and ignore it.
    pub(crate) fn set_base(&mut self, name: &str, base: u32) {
        match self {
            Params::Window(params) => match name {
                "input" => params.input.base = base,
                "output" => params.output.base = base,
                "residual" => params.residual.base = base,
                "offset" => params.offset.base = base,
                "mask" => params.mask.base = base,
                "indices" => params.indices.base = base,
                "grad_output" => params.grad_output.base = base,
                "grad_input" => params.grad_input.base = base,
                "grad_offset" => params.grad_offset.base = base,
                "grad_mask" => params.grad_mask.base = base,
                "columns" => params.columns.base = base,
                "grad_columns" => params.grad_columns.base = base,
                "points" => params.points.base = base,
                _ => debug_assert_eq!(base, 0, "{name} has no base"),
            },
            Params::Gemm(params) => match name {
                "a" => params.a_base = base,
                "b" => params.b_base = base,
                "output" => params.output.base = base,
                "residual" => params.residual.base = base,
                _ => debug_assert_eq!(base, 0, "{name} has no base"),
            },
            Params::Pack(params) if name == "weight" => params.base = base,
            Params::Copy(params) if name == "tensor" => params.base = base,
            Params::Sum(params) if name == "input" => params.input.base = base,
            Params::Sum(params) if name == "output" => params.output.base = base,
            Params::Sort(_) | Params::Pack(_) | Params::Copy(_) | Params::Sum(_) => {
                debug_assert_eq!(base, 0, "{name} has no base");
            }
        }
    }
}

/// One kernel launch.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "super::unchecked::Dispatch")
)]
pub struct Dispatch {
    /// The shader and its constants.
    pub variant: Variant,
    /// Uniform contents.
    pub params: Params,
    /// One operand for each of the kernel's storage bindings.
    pub operands: Vec<Operand>,
    /// Number of workgroups, to be folded into three dimensions.
    pub workgroups: u64,
}

impl Dispatch {
    /// `constants` are those of the kernel's entry, in any order.
    pub(crate) fn new(
        kernel: &'static Kernel,
        constants: impl IntoIterator<Item = Named>,
        params: Params,
        operands: Vec<Operand>,
        workgroups: u64,
    ) -> Self {
        let mut values = vec![Constant::U32(0); kernel.constants.len()];
        let mut given = 0;
        for (name, value) in constants {
            let place = kernel.constants.iter().position(|&constant| constant == name);
            debug_assert!(place.is_some(), "{} has no constant {name}", kernel.stem);
            if let Some(place) = place {
                values[place] = value;
                given += 1;
            }
        }
        debug_assert_eq!(given, kernel.constants.len(), "{}", kernel.stem);
        debug_assert_eq!(operands.len(), kernel.bindings.len(), "{}", kernel.stem);
        debug_assert_eq!(params.uniform(), kernel.uniform, "{}", kernel.stem);
        if kernel.has_epilogue() {
            values.extend(params.epilogue_constants());
        }
        let elements = vec![Element::F32; kernel.bindings.len()];
        Dispatch { variant: Variant { kernel, constants: values, elements }, params, operands, workgroups }
    }

    /// Prepares for [`Params::accumulate`] when binding, where the epilogue writes what all images share.
    pub(crate) fn expect_accumulation(&mut self) {
        let bindings = self.variant.kernel.bindings.iter().zip(&self.operands);
        let shared = |(spec, operand): (&BindingSpec, &Operand)| match operand {
            Operand::Tensor(name) => spec.access != Access::Read && !name.is_per_image(),
            _ => false,
        };
        if self.variant.kernel.has_epilogue()
            && bindings.into_iter().any(shared)
            && let Some(accumulates) = self.variant.constants.last_mut()
        {
            *accumulates = true.into();
        }
    }

    /// Value of a constant, 1 for `true`.
    pub(crate) fn constant(&self, name: &str) -> Option<u64> {
        let place = self.variant.kernel.constants.iter().position(|&constant| constant == name)?;
        Some(match self.variant.constants[place] {
            Constant::U32(value) => value.into(),
            Constant::Bool(value) => value.into(),
        })
    }

    /// Whether it reads one range of the workspace and writes another.
    pub(super) fn reads_and_writes_workspace(&self) -> bool {
        let touches = |access: Access| {
            let bindings = self.variant.kernel.bindings.iter().zip(&self.operands);
            bindings.into_iter().any(|(spec, operand)| spec.access == access && operand.is_workspace())
        };
        touches(Access::Read) && touches(Access::Write)
    }

    /// Workgroups per dimension; a count beyond `limit` folds into the next dimension and may overshoot, which every
    /// kernel guards against. `None` beyond limit³ or 2³².
    pub fn grid(&self, limit: u32) -> Option<[u32; 3]> {
        let limit = u64::from(limit.max(1));
        let x = self.workgroups.min(limit);
        let y = self.workgroups.div_ceil(x.max(1)).min(limit);
        let z = self.workgroups.div_ceil((x * y).max(1));
        let launched = x.checked_mul(y)?.checked_mul(z)?;
        (z <= limit && launched <= u64::from(u32::MAX)).then_some([x as u32, y as u32, z as u32])
    }

    /// Likewise of a dispatch that lowering has checked.
    pub(super) fn grid_within(&self, limit: u32) -> Result<[u32; 3]> {
        self.grid(limit).ok_or(Error::Limit {
            limit: "max_compute_workgroups_per_dimension",
            available: limit.into(),
            what: self.variant.kernel.stem.into(),
            needed: self.workgroups,
        })
    }
}
