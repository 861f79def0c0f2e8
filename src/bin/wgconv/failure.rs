//! What a command ends with when it does not succeed: one sentence and an exit code.

use std::{fmt, io};

use wgconv::{Error, ErrorKind};

/// Exit codes, as the help of the program states them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// A comparison failed.
    Mismatch = 1,
    /// Bad arguments, an unreadable file or an invalid problem.
    Invalid = 2,
    /// Valid, but not served here.
    Unsupported = 3,
    /// No adapter, trouble with one, or with the machine: no memory, no room for results.
    Device = 4,
    /// Ended by Ctrl-C, as shells report it: 128 + SIGINT.
    Interrupted = 130,
}

/// A sentence for stderr and the exit code that goes with it.
#[derive(Debug, Clone)]
pub struct Failure {
    pub code: Code,
    pub message: String,
}

impl Failure {
    pub fn invalid(message: impl Into<String>) -> Self {
        Failure { code: Code::Invalid, message: message.into() }
    }

    pub fn unsupported(message: impl Into<String>) -> Self {
        Failure { code: Code::Unsupported, message: message.into() }
    }

    pub fn device(message: impl Into<String>) -> Self {
        Failure { code: Code::Device, message: message.into() }
    }

    pub fn mismatch(message: impl Into<String>) -> Self {
        Failure { code: Code::Mismatch, message: message.into() }
    }

    /// Of a file, as the system says it: the machine is at fault where it has no room, whoever named the file elsewhere.
    pub fn of_file(what: impl fmt::Display, error: &io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, OutOfMemory, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge | OutOfMemory => Failure::device(format!("{what}: {error}")),
            _ => Failure::invalid(format!("{what}: {error}")),
        }
    }

    /// Of a command that Ctrl-C ended, with what it had by then written or printed.
    pub fn interrupted() -> Self {
        Failure { code: Code::Interrupted, message: "ended by Ctrl-C before everything was done".into() }
    }

    /// Puts the thing that failed in front: a path, a case.
    #[must_use]
    pub fn of(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Invalid => Code::Invalid,
            ErrorKind::Unsupported => Code::Unsupported,
            ErrorKind::Device => Code::Device,
        };
        Failure { code, message: error.to_string() }
    }
}

pub type Result<T> = std::result::Result<T, Failure>;
