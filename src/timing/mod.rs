//! How long the device takes, and what is said about a list of samples: what measuring and tuning share.

mod clock;
mod statistics;

pub use clock::{Clock, ClockKind, Stopwatch};
pub(crate) use clock::{MAX_REPEATS, buffer_sets, repeats};
pub use statistics::Summary;
