//! A folder of files that is written whole or not at all, and of which nothing goes that no export wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{MANIFEST, SCHEMA};
use crate::error::{Error, Result};

/// Name of the file that lists the exports of a folder.
pub const INDEX: &str = "index.json";

/// Name and version of its format.
pub const INDEX_SCHEMA: &str = "wgconv-export-index/1";

/// Whether [`write_folder`] may write there, as far as can be known before: for those who have work to do first.
pub fn expect_folder(folder: &Path, replace: bool) -> Result<()> {
    Found::of(folder, replace).map(drop)
}

/// Writes files into a folder that does not exist yet or is empty; with `replace` also into one that holds an export and
/// nothing else. The files of that export, those that its manifest or index lists, then go; a folder with any other file in it
/// is refused. Names may lead into folders of the folder, which itself stays where it is. Either all files appear or nothing
/// changes.
pub fn write_folder(folder: &Path, files: &BTreeMap<String, Vec<u8>>, replace: bool) -> Result<()> {
    let old = match Found::of(folder, replace)? {
        Found::Nothing => return create(folder, files),
        Found::Folder(old) => old,
    };
    let beside = |suffix: &str| folder.join(format!(".wgconv-export-{}.{suffix}", std::process::id()));
    let staged = Temporary::create(folder, beside("part"))?;
    staged.fill(folder, files)?;
    let retired = Temporary::create(folder, beside("old"))?;
    let mut moves = Moves::default();
    let moved = old
        .iter()
        .try_for_each(|name| moves.rename(folder.join(name), retired.0.join(name)))
        .and_then(|()| files.keys().try_for_each(|name| moves.rename(staged.0.join(name), folder.join(name))));
    if let Err(error) = moved {
        let kept = retired.0.clone();
        if moves.undo().is_err() {
            // What was there must not go with the temporary folder.
            std::mem::forget(retired);
            return Err(failed(folder, format!("{error}; the files that were there are in {}", kept.display())));
        }
        return Err(wrong(folder, &error));
    }
    remove_empty_folders(folder, &old);
    Ok(())
}

/// What is there before anything is written.
enum Found {
    Nothing,
    /// With the files that are to go, relative to it.
    Folder(BTreeSet<PathBuf>),
}

impl Found {
    fn of(folder: &Path, replace: bool) -> Result<Found> {
        match fs::metadata(folder) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(failed(folder, "it is no folder")),
            Err(_) if fs::symlink_metadata(folder).is_ok() => return Err(failed(folder, "it is a link to nothing")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(wrong(folder, &error)),
        }
        if entries(folder, folder)?.is_empty() {
            return Ok(Found::Folder(BTreeSet::new()));
        }
        if !replace {
            return Err(failed(folder, "it exists and is not empty"));
        }
        let listed = listed(folder)?;
        expect_nothing_else(folder, Path::new(""), &listed)?;
        // Some may be gone already.
        Ok(Found::Folder(listed.into_iter().filter(|name| folder.join(name).is_file()).collect()))
    }
}

/// A folder that was not there: it appears with everything in it.
fn create(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    if folder.file_name().is_none() {
        return Err(failed(folder, "it names no folder"));
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(|error| wrong(folder, &error))?;
    }
    let pending = folder.with_file_name(format!(".wgconv-export-{}.part", std::process::id()));
    let pending = Temporary::create(folder, pending)?;
    pending.fill(folder, files)?;
    fs::rename(&pending.0, folder).map_err(|error| wrong(folder, &error))
}

/// Everything directly in a part of the folder.
fn entries(folder: &Path, part: &Path) -> Result<Vec<fs::DirEntry>> {
    let read = || fs::read_dir(part)?.collect::<std::io::Result<Vec<_>>>();
    read().map_err(|error| wrong(folder, &error))
}

/// The files of the export in a folder, as its manifest or index lists them.
fn listed(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    #[derive(Deserialize)]
    struct Manifest {
        #[serde(default)]
        header: Option<String>,
        shaders: Vec<Shader>,
    }
    #[derive(Deserialize)]
    struct Shader {
        files: BTreeMap<String, File>,
    }
    #[derive(Deserialize)]
    struct File {
        path: String,
    }
    #[derive(Deserialize)]
    struct Index {
        exports: Vec<Export>,
    }
    #[derive(Deserialize)]
    struct Export {
        folder: String,
        files: Vec<String>,
    }
    let mut names = Vec::new();
    if let Some(index) = described::<Index>(folder, INDEX, INDEX_SCHEMA)? {
        names.push(INDEX.to_string());
        for Export { folder, files } in index.exports {
            let prefix = if folder.is_empty() { folder } else { format!("{folder}/") };
            names.extend(files.iter().map(|file| format!("{prefix}{file}")));
        }
    }
    if let Some(manifest) = described::<Manifest>(folder, MANIFEST, SCHEMA)? {
        names.push(MANIFEST.to_string());
        names.extend(manifest.header);
        names.extend(manifest.shaders.into_iter().flat_map(|shader| shader.files.into_values().map(|file| file.path)));
    }
    if names.is_empty() {
        return Err(failed(folder, format!("it holds no export: there is neither {MANIFEST} nor {INDEX} in it")));
    }
    let inside = |name: &String| Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    match names.iter().find(|name| !inside(name)) {
        Some(name) => Err(failed(folder, format!("it holds no export of wgconv: {name:?} is listed and not in it"))),
        None => Ok(names.into_iter().map(PathBuf::from).collect()),
    }
}

/// A file that describes an export; none where it is not there, an error where it is somebody else's or of another version.
fn described<T: DeserializeOwned>(folder: &Path, name: &str, schema: &str) -> Result<Option<T>> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }
    let path = folder.join(name);
    let foreign = |reason: String| failed(folder, format!("it holds no export of wgconv: {name}: {reason}"));
    if !path.exists() {
        return Ok(None);
    }
    let bytes = fs::read(&path).map_err(|error| foreign(error.to_string()))?;
    let head: Head = serde_json::from_slice(&bytes).map_err(|error| foreign(error.to_string()))?;
    if head.schema != schema {
        return Err(foreign(format!("schema = {:?}: this version replaces {schema:?}", head.schema)));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| foreign(error.to_string()))
}

/// Refuses what is not listed. Links are not followed: no export has any.
fn expect_nothing_else(folder: &Path, part: &Path, listed: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in entries(folder, &folder.join(part))? {
        let name = part.join(entry.file_name());
        let kind = entry.file_type().map_err(|error| wrong(folder, &error))?;
        let ours = if kind.is_dir() {
            listed.iter().any(|file| file.starts_with(&name) && *file != name)
        } else {
            kind.is_file() && listed.contains(&name)
        };
        if !ours {
            let rule = format!("{} is no part of the export in it, and would have to stay", name.display());
            return Err(failed(folder, rule));
        }
        if kind.is_dir() {
            expect_nothing_else(folder, &name, listed)?;
        }
    }
    Ok(())
}

/// Of the folders that files were in, the innermost first.
fn remove_empty_folders(folder: &Path, files: &BTreeSet<PathBuf>) {
    let folders: BTreeSet<&Path> = files.iter().flat_map(|file| file.ancestors().skip(1)).collect();
    for part in folders.into_iter().rev().filter(|part| !part.as_os_str().is_empty()) {
        // Fails where something is in it, which is what is wanted.
        let _ = fs::remove_dir(folder.join(part));
    }
}

fn failed(folder: &Path, reason: impl ToString) -> Error {
    Error::File { path: format!("cannot write {}", folder.display()), reason: reason.to_string() }
}

fn wrong(folder: &Path, error: &std::io::Error) -> Error {
    Error::of_file(format!("cannot write {}", folder.display()), error)
}

/// Renamed files, so that they can be named back.
#[derive(Default)]
struct Moves(Vec<(PathBuf, PathBuf)>);

impl Moves {
    fn rename(&mut self, from: PathBuf, to: PathBuf) -> std::io::Result<()> {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(&from, &to)?;
        self.0.push((from, to));
        Ok(())
    }

    /// The last one first.
    fn undo(self) -> std::io::Result<()> {
        self.0.into_iter().rev().try_for_each(|(from, to)| fs::rename(to, from))
    }
}

/// A folder that goes when it is dropped, unless it has been renamed.
struct Temporary(PathBuf);

impl Temporary {
    fn create(folder: &Path, path: PathBuf) -> Result<Temporary> {
        fs::create_dir(&path).map_err(|error| wrong(folder, &error))?;
        Ok(Temporary(path))
    }

    fn fill(&self, folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
        let write = |(name, bytes): (&String, &Vec<u8>)| {
            let path = self.0.join(name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, bytes)
        };
        files.iter().try_for_each(write).map_err(|error| wrong(folder, &error))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(names: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let shaders: Vec<_> = names.iter().map(|name| serde_json::json!({"files": {"wgsl": {"path": name}}})).collect();
        let manifest = serde_json::json!({"schema": SCHEMA, "shaders": shaders}).to_string();
        let files = names.iter().map(|name| (name.to_string(), name.as_bytes().to_vec()));
        files.chain([(MANIFEST.to_string(), manifest.into_bytes())]).collect()
    }

    fn everything(folder: &Path) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(everything(&path));
            }
            found.insert(path);
        }
        found
    }

    #[test]
    fn an_export_takes_the_place_of_another() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("e");
        write_folder(&folder, &bundle(&["a.wgsl", "deep/b.wgsl"]), false).unwrap();
        assert!(write_folder(&folder, &bundle(&["c.wgsl"]), false).is_err());
        write_folder(&folder, &bundle(&["a.wgsl", "other/c.wgsl"]), true).unwrap();
        let names = ["a.wgsl", "manifest.json", "other", "other/c.wgsl"].map(|name| folder.join(name));
        assert_eq!(everything(&folder), BTreeSet::from(names));
    }

    #[test]
    fn what_nobody_lists_stays_and_so_does_the_rest() {
        for foreign in ["notes.txt", "deep/notes.txt", "deep/er/notes.txt", "new/notes.txt"] {
            let temporary = tempfile::tempdir().unwrap();
            let folder = temporary.path().to_path_buf();
            write_folder(&folder, &bundle(&["a.wgsl", "deep/b.wgsl"]), false).unwrap();
            fs::create_dir_all(folder.join(foreign).parent().unwrap()).unwrap();
            fs::write(folder.join(foreign), "mine").unwrap();
            let before = everything(&folder);
            let error = write_folder(&folder, &bundle(&["c.wgsl"]), true).unwrap_err().to_string();
            let named = foreign.split('/').next().unwrap();
            assert!(error.contains(named), "{error}");
            assert_eq!(everything(&folder), before, "{foreign}");
        }
    }

    #[test]
    fn what_cannot_be_completed_leaves_what_was_there() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().to_path_buf();
        write_folder(&folder, &bundle(&["a.wgsl", "deep/b.wgsl"]), false).unwrap();
        let before = everything(&folder);
        // A file cannot have a file in it.
        let impossible = BTreeMap::from([("x".to_string(), vec![1]), ("x/y".to_string(), vec![2])]);
        assert!(write_folder(&folder, &impossible, true).is_err());
        assert_eq!(everything(&folder), before);
        assert_eq!(fs::read(folder.join("deep/b.wgsl")).unwrap(), b"deep/b.wgsl");
    }

    #[test]
    fn a_list_that_leads_out_of_the_folder_is_not_followed() {
        for name in ["../victim", "/victim", "deep/../../victim", "."] {
            let temporary = tempfile::tempdir().unwrap();
            let folder = temporary.path().join("e");
            fs::create_dir(&folder).unwrap();
            fs::write(temporary.path().join("victim"), "mine").unwrap();
            let manifest = serde_json::json!({"schema": SCHEMA, "shaders": [{"files": {"wgsl": {"path": name}}}]});
            fs::write(folder.join(MANIFEST), manifest.to_string()).unwrap();
            assert!(write_folder(&folder, &bundle(&["a.wgsl"]), true).is_err(), "{name}");
            assert!(temporary.path().join("victim").exists() && folder.join(MANIFEST).exists(), "{name}");
        }
    }
}
