//! How long the device takes, and what is said about a list of samples: what measuring and tuning share.

mod clock;
mod instant;
mod statistics;

#[cfg(feature = "tune")]
pub(crate) use clock::MAX_REPEATS;
pub use clock::{Clock, ClockKind, Stopwatch};
pub(crate) use clock::{buffer_sets, repeats};
pub(crate) use instant::Instant;
pub use statistics::Summary;
