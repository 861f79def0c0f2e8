//! What timed problems compute.

use crate::geometry::Geometry;
use crate::tensor::{Access, Inputs, TensorName};

/// Data for every tensor that a problem reads, the same on every run and machine: offsets of up to two pixels in steps of
/// 1/1024, masks from 0 to 1, everything else from -1 to 1. Four bytes of memory for each element.
pub fn sample_inputs(geometry: &Geometry) -> Inputs {
    let inputs = geometry.tensors().iter().filter(|spec| spec.access != Access::Write);
    inputs
        .enumerate()
        .map(|(i, spec)| {
            let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (i as u64 + 1));
            let value = |_| match spec.name {
                TensorName::Offset => f32::from(random.bits(12) as i16 - 2048) / 1024.0,
                TensorName::Mask => random.bits(16) as f32 / 65536.0,
                _ => random.bits(16) as f32 / 32768.0 - 1.0,
            };
            (spec.name, (0..spec.len()).map(value).collect())
        })
        .collect()
}

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    /// The upper bits are the better ones.
    fn bits(&mut self, count: u32) -> u16 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> (64 - count)) as u16
    }
}
