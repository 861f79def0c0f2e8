//! What the examples that know Vulkan alone share: a device that runs jobs, and the judge of what it computed.

mod device;
mod judge;

pub use device::{Job, Launch, Shader, Vulkan};
pub use judge::{compare, random};

/// What goes wrong: Vulkan, a refusal, a wrong number.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What memory holds before anybody writes it: a NaN that no kernel produces.
pub const POISON: u32 = 0x7fc0_1234;
