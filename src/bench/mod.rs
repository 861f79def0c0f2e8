//! The measuring instrument: verified, repeatable timings of problems on a device, the device's own limits to hold them
//! against, and records that can be kept and compared.
//!
//! A number is recorded only with the proof that the result was right: [`Session`] compares every result with the f64
//! reference first, and in every later round demands the same bits again.
//!
//! A [`DiffRecord`] holds bits instead of times: [`compare_results`] says where devices differ.

mod compare;
mod diff;
mod limits;
mod record;
mod session;

pub use compare::{Change, Comparison, Verdict, compare};
pub use diff::{
    Bits, DIFF_SCHEMA, DiffDevice, DiffPlace, DiffProblem, DiffRecord, DiffRefusal, DiffReport, DiffResult, DiffRow,
    DiffSource, DiffStatus, Difference, Elements, REFERENCE, compare_results, digest, ulps,
};
#[cfg(not(target_arch = "wasm32"))]
pub use limits::measure_peaks;
pub use limits::measure_peaks_async;
pub use record::{
    Bound, Device, Host, Machine, Pass, Peak, PeakKind, Record, Row, SCHEMA, Settings, Side, Software, Status,
};
pub use session::{Expected, Item, RowNames, Session};

pub use crate::sample::sample_inputs;
pub use crate::timing::{Clock, ClockKind, Stopwatch, Summary};
