//! What is read of a program before it is checked.

use serde::Deserialize;

use super::{Constant, Element, Kernel, Operand, Params};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Variant {
    kernel: &'static Kernel,
    constants: Vec<Constant>,
    elements: Vec<Element>,
}

impl TryFrom<Variant> for super::Variant {
    type Error = String;

    fn try_from(Variant { kernel, constants, elements }: Variant) -> Result<Self, String> {
        let (n_constants, n_bindings) = (kernel.constant_names().count(), kernel.bindings.len());
        if constants.len() != n_constants {
            return Err(format!("constants = {}: {} has {n_constants}", constants.len(), kernel.stem));
        }
        if elements.len() != n_bindings {
            return Err(format!("elements = {}: {} has {n_bindings} bindings", elements.len(), kernel.stem));
        }
        Ok(super::Variant { kernel, constants, elements })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dispatch {
    variant: super::Variant,
    params: Params,
    operands: Vec<Operand>,
    workgroups: u64,
}

impl TryFrom<Dispatch> for super::Dispatch {
    type Error = String;

    fn try_from(Dispatch { variant, params, operands, workgroups }: Dispatch) -> Result<Self, String> {
        let kernel = variant.kernel;
        if operands.len() != kernel.bindings.len() {
            let n_bindings = kernel.bindings.len();
            return Err(format!("operands = {}: {} has {n_bindings} bindings", operands.len(), kernel.stem));
        }
        if params.uniform() != kernel.uniform {
            return Err(format!("params = {:?}: {} reads {:?}", params.uniform(), kernel.stem, kernel.uniform));
        }
        Ok(super::Dispatch { variant, params, operands, workgroups })
    }
}

/// Numbers as they are, and what is none by its name: JSON has no infinity, which max pooling pads with.
pub(super) mod real {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written<'a> {
        Number(f32),
        Name(std::borrow::Cow<'a, str>),
    }

    pub fn serialize<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() { serializer.serialize_f32(*value) } else { serializer.collect_str(value) }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Number(value) => Ok(value),
            Written::Name(name) => match &*name {
                "inf" => Ok(f32::INFINITY),
                "-inf" => Ok(f32::NEG_INFINITY),
                "NaN" => Ok(f32::NAN),
                _ => Err(D::Error::custom(format!("{name:?}: a number, \"inf\", \"-inf\" or \"NaN\" is wanted"))),
            },
        }
    }
}
