//! What a geometry implies beyond one operation.

/// One layer of a stack.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerShape {}
/// Receptive field.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceptiveField {}
/// Separable factors.
#[derive(Debug, Clone, PartialEq)]
pub struct SeparableFactors {}
/// x
pub fn convolution_matrix() {}
/// x
pub fn factor_separable() {}
/// x
pub fn overlap_counts() {}
/// x
pub fn receptive_field() {}
