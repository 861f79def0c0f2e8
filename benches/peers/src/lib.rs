//! Times the convolutions of wgconv and of other libraries by turns, on the same shapes and data.
//!
//! The host ([`measure::Host`]) makes the data, computes the expectation by the f64 reference, and talks to one process for
//! each library, a *runner*, over the lines that [`protocol`] defines. No result is timed that was not verified.

pub mod args;
pub mod cases;
pub mod client;
pub mod data;
pub mod error;
pub mod host;
pub mod measure;
pub mod peers;
pub mod protocol;
pub mod record;
pub mod serve;
pub mod table;
