//! Files that are read whole.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};
use crate::memory;

/// Most bytes that are taken from a pipe, which may never end.
const MOST_STREAMED: u64 = 4 << 30;

/// Reads a file, or what a pipe has until it ends. Folders and devices are refused, the latter because most have no end.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let fail = |error: io::Error| error_of(path, &error);
    let metadata = fs::metadata(path).map_err(fail)?;
    if metadata.is_dir() {
        return Err(refusal(path, "it is a folder"));
    }
    if is_device(&metadata) {
        return Err(refusal(path, "it is a device"));
    }
    if metadata.is_file() {
        return memory::trying(|| fs::read(path)).map_err(fail);
    }
    read_stream(path, fs::File::open(path).map_err(fail)?)
}

/// Reads what a stream has until it ends; `path` names it in errors.
pub fn read_stream(path: &Path, stream: impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut stream = stream.take(MOST_STREAMED + 1);
    memory::trying(|| stream.read_to_end(&mut bytes)).map_err(|error| error_of(path, &error))?;
    if bytes.len() as u64 > MOST_STREAMED {
        return Err(refusal(path, &format!("it has more than {MOST_STREAMED} bytes, and may have no end")));
    }
    Ok(bytes)
}

/// Why a file is not read.
pub fn refusal(path: &Path, why: &str) -> Error {
    Error::File { path: path.display().to_string(), reason: format!("it cannot be read: {why}") }
}

pub(super) fn error_of(path: &Path, error: &io::Error) -> Error {
    match Error::of_file(path.display().to_string(), error) {
        Error::File { reason, .. } => refusal(path, &reason),
        full => full,
    }
}

#[cfg(unix)]
fn is_device(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    metadata.file_type().is_char_device() || metadata.file_type().is_block_device()
}

#[cfg(not(unix))]
fn is_device(_metadata: &fs::Metadata) -> bool {
    false
}
