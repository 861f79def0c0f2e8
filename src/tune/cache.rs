//! The cache file: JSON Lines, appended to and never rewritten, so that any number of programs may share it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::key::Key;
use crate::algorithm::Algorithm;
use crate::error::{Error, Result};
use crate::timing::{ClockKind, Summary};

/// Name and version of the format of a line. A change that old readers would misread gets a new number.
pub const SCHEMA: &str = "wgconv-tune/2";

/// What every version's lines have in them.
const FAMILY: &[u8] = b"\"wgconv-tune/";

/// Bytes beyond which a file is none of ours: an entry has two thousand or so.
const MOST_BYTES: u64 = 256 << 20;

/// A line of the cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// [`SCHEMA`].
    pub schema: String,
    /// What was timed, and on what.
    pub key: Key,
    /// The fastest algorithm.
    pub algorithm: Algorithm,
    /// What measured.
    pub clock: ClockKind,
    /// Every algorithm that applies, in the order in which the library prefers them.
    pub timings: Vec<Timing>,
}

/// What became of one algorithm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Which.
    pub algorithm: Algorithm,
    /// Its times, or why there are none.
    pub outcome: Outcome,
}

/// Times of an algorithm, or why there are none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// It was timed in every round.
    Timed {
        /// Executions in a sample.
        repeats: usize,
        /// Milliseconds of one execution, of all samples.
        summary_ms: Summary,
    },
    /// It took so much longer than the best that it was not timed in rounds.
    Slow {
        /// Milliseconds of the one execution that shows it.
        once_ms: f64,
    },
    /// There is no time.
    NotTimed {
        /// Why.
        reason: String,
    },
}

impl Timing {
    /// Median of the samples, or the one execution of an algorithm that was dropped for it; milliseconds.
    pub fn ms(&self) -> Option<f64> {
        match &self.outcome {
            Outcome::Timed { summary_ms, .. } => Some(summary_ms.median),
            Outcome::Slow { once_ms } => Some(*once_ms),
            Outcome::NotTimed { .. } => None,
        }
    }

    /// Order statistics, where it was timed in every round.
    pub fn summary_ms(&self) -> Option<&Summary> {
        match &self.outcome {
            Outcome::Timed { summary_ms, .. } => Some(summary_ms),
            Outcome::Slow { .. } | Outcome::NotTimed { .. } => None,
        }
    }
}

/// A line of the cache file that was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub path: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}: {}", self.path.display(), self.line, self.reason)
    }
}

/// What is said of a file that is something else.
pub(super) fn foreign(path: &Path) -> Error {
    file_error(path, "it is no cache of wgconv, and nothing is added to it")
}

/// What the system says of the file.
fn system_error(path: &Path, error: &std::io::Error) -> Error {
    Error::of_file(path.display().to_string(), error)
}

/// Fails where there is no file.
pub(super) fn expect_file(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path).map_err(|error| system_error(path, &error))?;
    expect_cache(path, &metadata)
}

fn file_error(path: &Path, reason: impl fmt::Display) -> Error {
    Error::File { path: path.display().to_string(), reason: reason.to_string() }
}

/// A file as it was found.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// In the order of the lines.
    pub entries: Vec<Entry>,
    /// What was skipped.
    pub warnings: Vec<Warning>,
    /// It has contents, and no line is of any version of the cache: it must be something else.
    pub foreign: bool,
}

/// Reads a file. One that is not there has no entries.
pub(super) fn load(path: &Path) -> Result<Loaded> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Loaded::default()),
        Err(error) => return Err(system_error(path, &error)),
        Ok(metadata) => expect_cache(path, &metadata)?,
    }
    let bytes = fs::read(path).map_err(|error| system_error(path, &error))?;
    if matches!(bytes[..], [0xff, 0xfe, _, 0, ..] | [0xfe, 0xff, 0, ..]) {
        return Err(file_error(path, "it is UTF-16: it must be UTF-8"));
    }
    // Some editors put a byte order mark in front.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let (mut entries, mut warnings, mut foreign) = (Vec::new(), Vec::new(), !bytes.trim_ascii().is_empty());
    for (i, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        // Behind a truncated line there may be an empty one, see `append`.
        if line.trim_ascii().is_empty() {
            continue;
        }
        // Half a line is of ours, too.
        foreign &= !line.windows(FAMILY.len()).any(|words| words == FAMILY);
        match parse(line) {
            Ok(entry) => entries.push(entry),
            Err(reason) => warnings.push(Warning { path: path.into(), line: i + 1, reason }),
        }
    }
    Ok(Loaded { entries, warnings, foreign })
}

fn expect_cache(path: &Path, metadata: &fs::Metadata) -> Result<()> {
    match metadata {
        folder if folder.is_dir() => Err(file_error(path, "it is a folder")),
        other if !other.is_file() => Err(file_error(path, "it is no regular file")),
        large if large.len() > MOST_BYTES => {
            Err(file_error(path, format!("it has {} bytes, a cache has at most {MOST_BYTES}", large.len())))
        }
        _ => Ok(()),
    }
}

/// An entry, or what is wrong with the line.
fn parse(line: &[u8]) -> std::result::Result<Entry, String> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }
    let head: Head = serde_json::from_slice(line).map_err(|error| format!("no entry: {error}"))?;
    if head.schema != SCHEMA {
        return Err(format!("schema = {}: this version reads {SCHEMA}", head.schema));
    }
    let entry: Entry = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let Entry { algorithm, key, .. } = &entry;
    let operation = key.problem.op_name();
    if key.operation != operation {
        return Err(format!("operation = {}: the problem is a {operation}", key.operation));
    }
    if !Algorithm::of(&key.problem).contains(algorithm) {
        return Err(format!("algorithm = {algorithm}: {operation} has no such algorithm"));
    }
    if !algorithm.is_deterministic() && !key.nondeterministic {
        return Err(format!("algorithm = {algorithm}: its bits differ from run to run, which the key excludes"));
    }
    Ok(entry)
}

/// Opens the file for appending; creates it, and its folders.
pub(super) fn open(path: &Path) -> Result<File> {
    let fail = |error: std::io::Error| system_error(path, &error);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(fail)?;
    }
    let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(fail)?;
    expect_cache(path, &file.metadata().map_err(fail)?)?;
    Ok(file)
}

/// Adds a line by one call of `write` on a file opened for appending: the system puts the lines of several programs one
/// behind the other.
pub(super) fn append(path: &Path, entry: &Entry) -> Result<()> {
    let fail = |error: std::io::Error| system_error(path, &error);
    let mut file = open(path)?;
    let mut line = serde_json::to_vec(entry).map_err(|error| file_error(path, error))?;
    line.push(b'\n');
    // A program that was killed may have left half a line, which must not swallow this one. Where another program adds a
    // whole line at this moment, the line between stays empty.
    if !ends_a_line(&mut file).map_err(fail)? {
        line.insert(0, b'\n');
    }
    let written = loop {
        match file.write(&line) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => break other.map_err(fail)?,
        }
    };
    if written < line.len() {
        return Err(file_error(path, format!("only {written} of {} bytes could be written", line.len())));
    }
    Ok(())
}

fn ends_a_line(file: &mut File) -> std::io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::super::key::DeviceKey;
    use super::*;
    use crate::capabilities::Capabilities;
    use crate::problem::{DepthToSpace, Problem};

    fn entry(batch: usize) -> Entry {
        let problem: Problem = DepthToSpace::new(batch, 4, [2, 2], 2).into();
        let device = DeviceKey {
            name: "none".into(),
            vendor: 0,
            device: 0,
            backend: "vulkan".into(),
            driver: String::new(),
            driver_info: String::new(),
            capabilities: Capabilities::cpu(),
        };
        let key = Key {
            operation: problem.op_name(),
            problem,
            storage: Default::default(),
            layouts: Default::default(),
            accuracy: Default::default(),
            tile: None,
            pack_weights: false,
            shared_buffers: false,
            runtime_checks: false,
            workspace_limit: None,
            nondeterministic: false,
            device,
            wgconv: String::new(),
            shaders: String::new(),
        };
        let timings = vec![Timing { algorithm: Algorithm::Direct, outcome: Outcome::Slow { once_ms: 0.5 } }];
        Entry { schema: SCHEMA.into(), key, algorithm: Algorithm::Direct, clock: ClockKind::Wall, timings }
    }

    #[test]
    fn threads_that_do_nothing_but_append_lose_nothing() {
        const THREADS: usize = 8;
        const ENTRIES: usize = 250;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tune.jsonl");
        let start = std::sync::Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (start, path) = (&start, &path);
                scope.spawn(move || {
                    start.wait();
                    (0..ENTRIES).for_each(|i| append(path, &entry(1 + thread * ENTRIES + i)).unwrap());
                });
            }
        });
        let loaded = load(&path).unwrap();
        assert_eq!(loaded.warnings, []);
        let mut batches: Vec<usize> = loaded.entries.iter().map(|entry| entry.key.problem.batch()).collect();
        batches.sort_unstable();
        assert_eq!(batches, (1..=THREADS * ENTRIES).collect::<Vec<_>>());
    }
}
