//! What a convolution does to its sums before it stores them, in the same dispatch.

/// An element-wise function applied last.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case", deny_unknown_fields)
)]
pub enum Activation {
    /// x
    #[default]
    Identity,
    /// max(x, 0)
    Relu,
    /// min(max(x, 0), 6)
    Relu6,
    /// x for x >= 0, else slope·x
    LeakyRelu {
        /// Factor of negative values.
        slope: f32,
    },
    /// x / (1 + exp(-x)), also called swish
    Silu,
    /// x · min(max(x + 3, 0), 6) / 6
    HardSwish,
    /// x/2 · (1 + erf(x / √2))
    Gelu,
    /// x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))
    GeluTanh,
}

/// `output = activation(sums + bias + residual)`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default, deny_unknown_fields))]
pub struct Epilogue {
    /// A bias tensor is added.
    pub bias: bool,
    /// A tensor of the output's shape is added before the activation.
    pub residual: bool,
    /// Applied last.
    pub activation: Activation,
}
