//! What ends the program.

/// Trouble that no row of the table can hold.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument or a file that has no meaning.
    #[error("{field} = {value}: {rule}")]
    Invalid {
        /// What the user would look for.
        field: String,
        /// What it was.
        value: String,
        /// What it must be.
        rule: String,
    },
    /// The kernels' own trouble.
    #[error(transparent)]
    Wgconv(#[from] wgconv::Error),
    /// A file that cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A device that did not do what it should.
    #[error("{0}")]
    Device(String),
}

/// Of this program.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An argument or a file that has no meaning.
    pub fn invalid(field: impl Into<String>, value: impl ToString, rule: impl ToString) -> Error {
        Error::Invalid { field: field.into(), value: value.to_string(), rule: rule.to_string() }
    }

    /// A file that cannot be read or written.
    pub fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.display().to_string();
        move |source| Error::File { path, source }
    }
}
