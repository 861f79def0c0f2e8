//! Files that are read whole, and files that appear whole or not at all. One that is named `-` is stdin or stdout.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use wgconv::cases::files;

use crate::console;
use crate::failure::{Failure, Result};

/// Whether a name stands for stdin or stdout.
pub fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Refuses `-` for what cannot be stdin or stdout: a folder, a file that is added to.
pub fn expect_no_dash(option: &str, path: &Path) -> Result<()> {
    if is_dash(path) {
        return Err(Failure::invalid(format!(
            "{option} = -: it cannot be stdin or stdout; ./- is a file of that name"
        )));
    }
    Ok(())
}

/// Reads a file, or what a pipe has until it ends.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    if is_dash(path) { read_stdin(path) } else { Ok(files::read(path)?) }
}

/// Of which nothing is read twice.
fn read_stdin(path: &Path) -> Result<Vec<u8>> {
    static READ: AtomicBool = AtomicBool::new(false);
    if READ.swap(true, Ordering::Relaxed) {
        return Err(files::refusal(path, "stdin has been read already, it can stand for one file").into());
    }
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(files::refusal(path, "stdin is a terminal").into());
    }
    Ok(files::read_stream(path, stdin.lock())?)
}

/// Whether writing there is writing to stdout: opening it anew would write over the start of what a shell appends to.
pub fn is_stdout(path: &Path) -> bool {
    is_dash(path) || (cfg!(unix) && ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].map(Path::new).contains(&path))
}

/// The file that a path leads to, through links, also to one that is not there yet.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    /// Linux's own limit.
    const MOST_LINKS: usize = 40;
    if let Ok(found) = fs::canonicalize(path) {
        return Ok(found);
    }
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        let Ok(target) = fs::read_link(&path) else { return Ok(path) };
        // A relative link starts at the folder that it is in.
        path = path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target));
    }
    Err(io::Error::other("its links lead in a circle"))
}

/// Written bytes that wait for their name; dropped without [`Pending::commit`], they vanish.
pub struct Pending(Option<Waiting>);

enum Waiting {
    File { temporary: PathBuf, target: PathBuf },
    Stdout(Vec<u8>),
}

impl Pending {
    /// Writes to a temporary file in the target's folder.
    pub fn write(target: &Path, bytes: &[u8]) -> Result<Self> {
        if is_stdout(target) {
            return Ok(Pending(Some(Waiting::Stdout(bytes.to_vec()))));
        }
        let what = || format!("cannot write {}", target.display());
        let fail = |error: io::Error| Failure::of_file(what(), &error);
        if target.is_dir() {
            return Err(Failure::invalid(format!("{}: it is a folder", what())));
        }
        // Renaming would replace a link.
        let file = follow_links(target).map_err(fail)?;
        let there = fs::metadata(&file).ok();
        // A pipe or a device is written to: renaming would replace it by a file.
        if there.as_ref().is_some_and(|metadata| !metadata.is_file()) {
            let mut stream = fs::OpenOptions::new().write(true).open(&file).map_err(fail)?;
            stream.write_all(bytes).map_err(|error| Failure::device(format!("{}: {error}", what())))?;
            return Ok(Pending(None));
        }
        if file.file_name().is_none() {
            return Err(Failure::invalid(format!("{}: it names no file", what())));
        }
        if there.is_some() {
            // Renaming would replace what may not be written.
            fs::OpenOptions::new().write(true).open(&file).map_err(fail)?;
        }
        let (temporary, mut stream) = temporary(&file).map_err(fail)?;
        let pending = Pending(Some(Waiting::File { temporary: temporary.clone(), target: file }));
        if let Some(metadata) = there {
            // What others may not read stays so.
            fs::set_permissions(&temporary, metadata.permissions()).map_err(fail)?;
        }
        // Some file systems say only then that there is no room.
        let written = stream.write_all(bytes).and_then(|()| stream.sync_all());
        written.map_err(|error| Failure::device(format!("{}: {error}", what())))?;
        Ok(pending)
    }

    /// Gives the file its name.
    pub fn commit(mut self) -> Result<()> {
        match self.0.take() {
            Some(Waiting::Stdout(bytes)) => console::bytes(&bytes),
            Some(Waiting::File { temporary, target }) => {
                if let Err(error) = fs::rename(&temporary, &target) {
                    let _ = fs::remove_file(&temporary);
                    return Err(Failure::of_file(format!("cannot write {}", target.display()), &error));
                }
            }
            None => {}
        }
        Ok(())
    }

    fn is_stdout(&self) -> bool {
        matches!(self.0, Some(Waiting::Stdout(_)))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(Waiting::File { temporary, .. }) = &self.0 {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// A new file beside another, under a name that fits wherever that one's does.
fn temporary(beside: &Path) -> io::Result<(PathBuf, fs::File)> {
    static COUNTER: AtomicUsize = AtomicUsize::new(0);
    const MOST_TRIES: usize = 100;
    let mut tries = 0;
    loop {
        let serial = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = beside.with_file_name(format!(".wgconv-{}-{serial}.part", std::process::id()));
        match fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            // Left by a program that was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < MOST_TRIES => tries += 1,
            opened => return Ok((path, opened?)),
        }
    }
}

/// Fails where [`write_all`] would, before minutes of work are lost to a path that cannot be written. Leaves nothing.
pub fn expect_writable(path: &Path) -> Result<()> {
    if is_stdout(path) {
        console::take_stdout();
        return Ok(());
    }
    // A pipe would take an empty write for the end.
    if path.exists() && !path.is_file() && !path.is_dir() {
        return Ok(());
    }
    Pending::write(path, b"").map(drop)
}

/// Fails where files cannot be written into a folder, which need not be there yet. Leaves nothing.
pub fn expect_folder(option: &str, folder: &Path) -> Result<()> {
    expect_no_dash(option, folder)?;
    let what = || format!("cannot make the folder {}", folder.display());
    if !folder.exists() && fs::symlink_metadata(folder).is_ok() {
        return Err(Failure::invalid(format!("{}: it is a link to nothing", what())));
    }
    let here = |path: &Path| if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_path_buf() };
    // `.` is there at least, and so is `/`.
    let Some(nearest) = folder.ancestors().map(here).find(|path| path.exists()) else { return Ok(()) };
    if !nearest.is_dir() {
        return Err(Failure::invalid(format!("{}: {} is no folder", what(), nearest.display())));
    }
    let (path, _) = temporary(&nearest.join("file")).map_err(|error| Failure::of_file(what(), &error))?;
    fs::remove_file(path).map_err(|error| Failure::of_file(what(), &error))
}

/// Makes a folder, and those that it is in.
pub fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .map_err(|error| Failure::of_file(format!("cannot make the folder {}", folder.display()), &error))
}

/// Refuses to write two things to one file, or over one that is read, and what cannot be written: for options with what they
/// are called, before anything is computed.
pub fn expect_targets<'a>(
    read: impl IntoIterator<Item = (&'a str, &'a Path)>,
    written: impl IntoIterator<Item = (&'a str, Option<&'a Path>)>,
) -> Result<()> {
    let real = |path: &Path| {
        let file = follow_links(path).unwrap_or_else(|_| path.to_path_buf());
        let file = std::path::absolute(&file).unwrap_or(file);
        // What is not there yet has no canonical name, but its folder may have one.
        match (file.parent().and_then(|folder| fs::canonicalize(folder).ok()), file.file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            _ => file,
        }
    };
    let files = read.into_iter().filter(|(_, path)| !is_dash(path));
    let mut taken: BTreeMap<PathBuf, &str> = files.map(|(what, path)| (real(path), what)).collect();
    for (option, path) in written {
        let Some(path) = path else { continue };
        let place = if is_stdout(path) { PathBuf::from("-") } else { real(path) };
        if let Some(what) = taken.insert(place, option) {
            return Err(Failure::invalid(format!("{option} = {}: the file is {what} already", path.display())));
        }
        expect_writable(path)?;
    }
    Ok(())
}

/// Writes several files: either all appear or none.
pub fn write_all(files: &[(PathBuf, Vec<u8>)]) -> Result<()> {
    let pending = files.iter().map(|(path, bytes)| Pending::write(path, bytes)).collect::<Result<Vec<_>>>()?;
    // What can fail after the files were written comes first.
    let (stdout, files): (Vec<_>, Vec<_>) = pending.into_iter().partition(Pending::is_stdout);
    stdout.into_iter().chain(files).try_for_each(Pending::commit)
}
