//! A folder of files that appears whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::MANIFEST;
use crate::error::{Error, Result};

/// Name of the file that lists the exports of a folder.
pub const INDEX: &str = "index.json";

/// Writes files into a folder that does not exist yet or is empty; with `replace` also into one that holds an export,
/// which then goes. Names may lead into folders of the folder. Either all files appear or nothing changes.
pub fn write_folder(folder: &Path, files: &BTreeMap<String, Vec<u8>>, replace: bool) -> Result<()> {
    let fail = |error: std::io::Error| wrong(folder, error);
    let occupied = occupied(folder)?;
    if occupied && !replace {
        return Err(wrong(folder, "it exists and is not empty"));
    }
    if occupied && !folder.join(MANIFEST).is_file() && !folder.join(INDEX).is_file() {
        return Err(wrong(folder, format!("it holds no export: there is neither {MANIFEST} nor {INDEX} in it")));
    }
    // A link is followed: renaming would replace it.
    let target = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
    let Some(name) = target.file_name() else {
        return Err(wrong(folder, "it names no folder"));
    };
    let name = name.to_string_lossy().into_owned();
    if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(fail)?;
    }
    let beside = |suffix: &str| target.with_file_name(format!(".{name}.{}.{suffix}", std::process::id()));
    let pending = Temporary(beside("part"));
    fs::create_dir(&pending.0).map_err(fail)?;
    for (name, bytes) in files {
        let path = pending.0.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(fail)?;
        }
        fs::write(&path, bytes).map_err(fail)?;
    }
    if !target.exists() {
        return fs::rename(&pending.0, &target).map_err(fail);
    }
    let old = Temporary(beside("old"));
    fs::rename(&target, &old.0).map_err(fail)?;
    if let Err(error) = fs::rename(&pending.0, &target) {
        // What was there comes back.
        let _ = fs::rename(&old.0, &target);
        return Err(fail(error));
    }
    Ok(())
}

/// Whether there is something in the folder.
fn occupied(folder: &Path) -> Result<bool> {
    if !folder.exists() {
        return Ok(false);
    }
    if !folder.is_dir() {
        return Err(wrong(folder, "it is no folder"));
    }
    Ok(fs::read_dir(folder).map_err(|error| wrong(folder, error))?.next().is_some())
}

fn wrong(folder: &Path, reason: impl ToString) -> Error {
    Error::File { path: format!("cannot write {}", folder.display()), reason: reason.to_string() }
}

/// A folder that goes when it is dropped, unless it has been renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
