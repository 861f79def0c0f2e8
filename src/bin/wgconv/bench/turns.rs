//! What is measured by turns, in a time that may end before everything was: data and expectations of problems that come
//! back, and a file that is whole whenever somebody looks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use wgconv::bench::{Expected, Item, Session, Status};
use wgconv::{Geometry, Inputs, Problem, Storage};

use super::suite;
use crate::failure::{Failure, Result};
use crate::files;

/// Most elements of expectations that are kept; each takes some 40 bytes.
const MOST_KEPT: usize = 1 << 25;

/// What came of the reference, the latest problems last.
#[derive(Default)]
pub struct Expectations {
    kept: Vec<Kept>,
}

struct Kept {
    problem: Problem,
    storage: Storage,
    expected: Arc<Expected>,
    elements: usize,
}

impl Expectations {
    /// Measures an item for one round. The reference runs once for a problem and storage, as long as there is room for what
    /// came of it.
    pub fn visit(&mut self, session: &Session<'_>, item: &mut Item) {
        if !item.is_alive() {
            return;
        }
        let (problem, storage) = (item.problem().clone(), item.options().storage);
        let inputs = Geometry::new(&problem).map_err(Failure::from).and_then(|geometry| suite::data(&geometry));
        match inputs {
            Ok(inputs) => session.visit(item, &inputs, &mut || self.of(&problem, &inputs, storage)),
            Err(failure) => item.refuse(Status::Unsupported, &failure.message),
        }
    }

    fn of(&mut self, problem: &Problem, inputs: &Inputs, storage: Storage) -> wgconv::Result<Arc<Expected>> {
        if let Some(kept) = self.kept.iter().find(|kept| kept.storage == storage && kept.problem == *problem) {
            return Ok(kept.expected.clone());
        }
        let expected = Arc::new(Expected::of(problem, inputs, storage)?);
        let elements = expected.outcomes().values().map(|outcome| outcome.output.len()).sum();
        self.kept.push(Kept { problem: problem.clone(), storage, expected: expected.clone(), elements });
        while self.kept.len() > 1 && self.kept.iter().map(|kept| kept.elements).sum::<usize>() > MOST_KEPT {
            self.kept.remove(0);
        }
        Ok(expected)
    }
}

/// When to begin nothing more.
pub struct Deadline<'a> {
    end: Option<Instant>,
    stop: &'a AtomicBool,
}

impl<'a> Deadline<'a> {
    /// After so many seconds from now, or when `stop` is set.
    pub fn after(seconds: Option<u32>, stop: &'a AtomicBool) -> Deadline<'a> {
        Deadline { end: seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds.into())), stop }
    }

    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::SeqCst) || self.end.is_some_and(|end| Instant::now() >= end)
    }
}

/// A file of JSON that is written again and again, each time whole.
pub struct Saved {
    path: Option<PathBuf>,
    last: Option<Instant>,
}

impl Saved {
    /// Where anything is to be written: refused where that cannot be.
    pub fn to(path: Option<&Path>) -> Result<Saved> {
        path.map(files::expect_writable).transpose()?;
        Ok(Saved { path: path.map(Into::into), last: None })
    }

    /// Writes what there is in the end. Stdout gets nothing before that.
    pub fn last<T: Serialize>(&mut self, value: &T) -> Result<()> {
        self.write(value)
    }

    /// Writes, unless it did a moment ago.
    pub fn sometimes<T: Serialize>(&mut self, make: impl FnOnce() -> T) -> Result<()> {
        const MOMENT: Duration = Duration::from_secs(2);
        match (&self.path, self.last) {
            (None, _) => Ok(()),
            (_, Some(last)) if last.elapsed() < MOMENT => Ok(()),
            _ => self.now(&make()),
        }
    }

    /// Writes.
    pub fn now<T: Serialize>(&mut self, value: &T) -> Result<()> {
        if self.path.as_deref().is_some_and(files::is_stdout) { Ok(()) } else { self.write(value) }
    }

    fn write<T: Serialize>(&mut self, value: &T) -> Result<()> {
        if let Some(path) = &self.path {
            let text = serde_json::to_vec_pretty(value).map_err(|error| Failure::invalid(error.to_string()))?;
            files::write_all(&[(path.clone(), text)])?;
            self.last = Some(Instant::now());
        }
        Ok(())
    }
}
