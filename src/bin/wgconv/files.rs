//! Files that appear whole or not at all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::failure::{Failure, Result};

/// Reads a regular file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let fail = |error: std::io::Error| Failure::invalid(format!("cannot read {}: {error}", path.display()));
    let metadata = fs::metadata(path).map_err(fail)?;
    if metadata.is_dir() {
        return Err(Failure::invalid(format!("cannot read {}: it is a folder", path.display())));
    }
    fs::read(path).map_err(fail)
}

/// A written file that waits beside its target; dropped without [`Pending::commit`], it vanishes.
pub struct Pending {
    temporary: Option<PathBuf>,
    target: PathBuf,
}

impl Pending {
    /// Writes to a temporary file in the target's folder.
    pub fn write(target: &Path, bytes: &[u8]) -> Result<Self> {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let fail = |error: std::io::Error| Failure::invalid(format!("cannot write {}: {error}", target.display()));
        if target.is_dir() {
            return Err(Failure::invalid(format!("cannot write {}: it is a folder", target.display())));
        }
        // A link is followed: renaming would replace it.
        let target_file = fs::canonicalize(target).unwrap_or_else(|_| target.to_path_buf());
        // A pipe or a device is written to: renaming would replace it by a file.
        if target_file.exists() && !target_file.is_file() {
            fs::OpenOptions::new().write(true).open(target).and_then(|mut file| file.write_all(bytes)).map_err(fail)?;
            return Ok(Pending { temporary: None, target: target_file });
        }
        let Some(name) = target_file.file_name() else {
            return Err(Failure::invalid(format!("cannot write {}: it names no file", target.display())));
        };
        let serial = COUNTER.fetch_add(1, Ordering::Relaxed);
        let temporary = target_file.with_file_name(format!(".{}.{}.{serial}.part", name.display(), std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&temporary).map_err(fail)?;
        let pending = Pending { temporary: Some(temporary), target: target_file };
        file.write_all(bytes).map_err(fail)?;
        Ok(pending)
    }

    /// Gives the file its name.
    pub fn commit(mut self) -> Result<()> {
        if let Some(temporary) = self.temporary.take()
            && let Err(error) = fs::rename(&temporary, &self.target)
        {
            let _ = fs::remove_file(&temporary);
            return Err(Failure::invalid(format!("cannot write {}: {error}", self.target.display())));
        }
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Fails where [`write_all`] would, before minutes of work are lost to a path that cannot be written. Leaves nothing.
pub fn expect_writable(path: &Path) -> Result<()> {
    // A pipe would take an empty write for the end.
    if path.exists() && !path.is_file() && !path.is_dir() {
        return Ok(());
    }
    Pending::write(path, b"").map(drop)
}

/// Writes several files: either all appear or none.
pub fn write_all(files: &[(PathBuf, Vec<u8>)]) -> Result<()> {
    let pending = files.iter().map(|(path, bytes)| Pending::write(path, bytes)).collect::<Result<Vec<_>>>()?;
    pending.into_iter().try_for_each(Pending::commit)
}
