//! The one error type. Every variant names the field, the value that is wrong and the rule that it breaks.

use crate::algorithm::Algorithm;
use crate::tensor::TensorName;

/// What can be wrong with a request. [`Error::kind`] sorts the variants for callers that map them to exit codes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of the problem has a value that no geometry allows.
    #[error("{field} = {value}: {rule}")]
    Invalid {
        /// Path of the field, for example `padding[0][1]`.
        field: String,
        /// The offending value.
        value: String,
        /// The rule that the value breaks, as a sentence fragment.
        rule: String,
    },
    /// A tensor's shape is not the one that the problem defines.
    #[error("{tensor} has shape {got:?}: the problem needs {want:?}")]
    Shape {
        /// The tensor.
        tensor: TensorName,
        /// The shape that was given.
        got: Vec<usize>,
        /// The shape that the problem defines.
        want: Vec<usize>,
    },
    /// A layout does not describe the tensor it was given for.
    #[error("layout of {tensor}: {rule}")]
    Layout {
        /// The tensor.
        tensor: TensorName,
        /// The rule that the layout breaks.
        rule: String,
    },
    /// The forced algorithm cannot compute this problem; another one can.
    #[error("algorithm = {algorithm}: {reason}; these apply: {applicable}")]
    Algorithm {
        /// The algorithm that was forced.
        algorithm: Algorithm,
        /// Why it does not apply.
        reason: String,
        /// The algorithms that do apply, comma-separated.
        applicable: String,
    },
    /// A valid request that this library or this device does not serve.
    #[error("{what} is not supported: {reason}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Why it is refused.
        reason: String,
    },
    /// A device limit is too small for the problem.
    #[error("{limit} = {available}: {what} needs {needed}")]
    Limit {
        /// Name of the wgpu limit, or of the field of [`Capabilities`](crate::Capabilities) or [`Options`](crate::Options).
        limit: &'static str,
        /// The device's value.
        available: u64,
        /// What was to be done.
        what: String,
        /// The value that it needs.
        needed: u64,
    },
    /// A buffer given to [`Plan::bind`](crate::gpu::Plan::bind) cannot serve as the tensor it was given for.
    #[error("buffer for {tensor}: {field} = {value}: {rule}")]
    Binding {
        /// The tensor, or `workspace`.
        tensor: String,
        /// The property of the buffer that is wrong: `size`, `usage`, `offset`, `buffer`.
        field: &'static str,
        /// Its value.
        value: String,
        /// The rule that it breaks.
        rule: String,
    },
    /// A file that cannot be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it, or what the system says.
        reason: String,
    },
    /// There is not enough memory.
    #[error("out of memory: {what} needs {bytes} bytes more than there are")]
    Memory {
        /// What was to be held.
        what: String,
        /// How many bytes were asked for.
        bytes: u64,
    },
    /// No adapter, no device, a lost device, or a failed readback.
    #[error("{0}")]
    Device(String),
}

/// Classes of [`Error`], in the order of severity that a command line's exit codes want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is wrong and would be refused on every machine.
    Invalid,
    /// The request is fine but not served here.
    Unsupported,
    /// The machine is at fault.
    Device,
}

impl Error {
    /// An [`Error::Invalid`].
    pub fn invalid(field: impl Into<String>, value: impl std::fmt::Display, rule: impl Into<String>) -> Self {
        Error::Invalid { field: field.into(), value: value.to_string(), rule: rule.into() }
    }

    /// What the system says of a file: [`Error::File`], or [`Error::Device`] where the machine has no room left.
    #[cfg(any(feature = "cases", feature = "export", feature = "tune"))]
    pub(crate) fn of_file(path: String, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, OutOfMemory, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge | OutOfMemory => Error::Device(format!("{path}: {error}")),
            _ => Error::File { path, reason: error.to_string() },
        }
    }

    /// The class of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Invalid { .. }
            | Error::Shape { .. }
            | Error::Layout { .. }
            | Error::Binding { .. }
            | Error::File { .. } => ErrorKind::Invalid,
            Error::Algorithm { .. } | Error::Unsupported { .. } | Error::Limit { .. } => ErrorKind::Unsupported,
            Error::Memory { .. } | Error::Device(_) => ErrorKind::Device,
        }
    }
}

/// `Result` with this crate's [`Error`](enum@Error).
pub type Result<T> = std::result::Result<T, Error>;
