//! The fastest algorithm of a problem on a device, by timing those that apply, on demand; and a file that remembers it.
//!
//! Nothing else in this library asks a [`Tuner`]: [`choose`](crate::choose) and [`Plan::new`](crate::gpu::Plan::new) know
//! rules alone. An application tunes when it installs or starts, and uses the result by forcing it:
//!
//! ```no_run
//! use wgconv::gpu::{Context, Gpu, Plan};
//! use wgconv::tune::{TuneSettings, Tuner};
//! use wgconv::{Conv, Options, Problem};
//! # fn example(context: &Context, queue: &wgpu::Queue) -> wgconv::Result<()> {
//! let layer: Problem = Conv::new(1, 64, [56, 56], 128, [3, 3]).padding(1).into();
//! let tuner = Tuner::open("tune.jsonl")?;
//!
//! // Once, where a pause of a second does no harm.
//! let gpu = Gpu::from_device(context, queue);
//! let tuned = tuner.tune(&gpu, &layer, &Options::default(), &TuneSettings::default())?;
//! println!("{} takes {:?} ms", tuned.algorithm, tuned.ms());
//!
//! // Whenever a plan is made: the tuned algorithm where there is one, the library's choice elsewhere.
//! let options = tuner.options(context, &layer, Options::default());
//! let plan = Plan::new(context, &layer, &options)?;
//! # Ok(())
//! # }
//! ```
//!
//! The tuner compares every algorithm's result with that of the always-correct one, so that a kernel which a driver breaks
//! does not win by doing nothing. This is no proof: the measuring instrument (`wgconv::bench`) holds results against the
//! f64 reference.

mod cache;
mod key;
mod measure;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cache::Loaded;
pub use cache::{Entry, Outcome, SCHEMA, Timing, Warning};
pub use key::{DeviceKey, Key, shader_hash};

use crate::algorithm::Algorithm;
use crate::choose::{candidates, choose};
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::gpu::{Context, Gpu};
use crate::options::Options;
use crate::preference::preferences;
use crate::problem::Problem;
pub use crate::sample::sample_inputs;
use crate::timing::Stopwatch;
pub use crate::timing::{Clock, ClockKind, Summary};

/// How to time.
#[derive(Debug, Clone, PartialEq)]
pub struct TuneSettings {
    /// Visits to every algorithm, by turns. At least 1.
    pub rounds: usize,
    /// Samples of a visit, behind one that is thrown away. At least 1.
    pub samples: usize,
    /// Milliseconds that a sample aims at; at most 2000 executions. Positive.
    pub sample_ms: f64,
    /// An algorithm whose single execution takes more than so many times the best is not timed any further. At least 1.
    pub drop_factor: f64,
    /// Bytes of buffers that executions rotate through, in at most 64 copies, so that one does not find the data of the
    /// last in a cache; 0 times warm data.
    pub rotate_bytes: u64,
    /// Timestamps where the device has them, or the host's clock.
    pub clock: Clock,
    /// Time again what is in the cache already. The new entry counts from then on.
    pub force: bool,
}

impl Default for TuneSettings {
    /// Three rounds of three samples of 20 ms, 256 MiB, dropping what is four times slower.
    fn default() -> Self {
        TuneSettings {
            rounds: 3,
            samples: 3,
            sample_ms: 20.0,
            drop_factor: 4.0,
            rotate_bytes: 256 << 20,
            clock: Clock::Auto,
            force: false,
        }
    }
}

impl TuneSettings {
    fn check(&self) -> Result<()> {
        let at_least_one = "it must be at least 1";
        if self.rounds == 0 {
            return Err(Error::invalid("rounds", self.rounds, at_least_one));
        }
        if self.samples == 0 {
            return Err(Error::invalid("samples", self.samples, at_least_one));
        }
        if !(self.sample_ms > 0.0 && self.sample_ms.is_finite()) {
            return Err(Error::invalid("sample_ms", self.sample_ms, "it must be positive and finite"));
        }
        if self.drop_factor.is_nan() || self.drop_factor < 1.0 {
            return Err(Error::invalid("drop_factor", self.drop_factor, at_least_one));
        }
        Ok(())
    }
}

/// What tuning found.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuned {
    /// The fastest algorithm. Where several are as fast, within the spread of their times, the one that the library prefers.
    pub algorithm: Algorithm,
    /// What [`choose`](crate::choose) picks without timing anything.
    pub heuristic: Algorithm,
    /// What measures.
    pub clock: ClockKind,
    /// Every algorithm that applies, in the order in which the library prefers them.
    pub timings: Vec<Timing>,
    /// Whether it was in the cache: then nothing was submitted.
    pub cached: bool,
}

impl Tuned {
    /// Milliseconds of one algorithm: the median, or the one execution for which it was dropped.
    pub fn ms_of(&self, algorithm: Algorithm) -> Option<f64> {
        self.timings.iter().find(|timing| timing.algorithm == algorithm)?.ms()
    }

    /// Milliseconds of the tuned algorithm; `None` where no other applies, which is not timed.
    pub fn ms(&self) -> Option<f64> {
        self.ms_of(self.algorithm)
    }

    /// The least median, which may be a little less than that of the tuned algorithm where there is a tie; milliseconds.
    pub fn best_ms(&self) -> Option<f64> {
        self.timings.iter().filter_map(|timing| Some(timing.summary_ms()?.median)).min_by(f64::total_cmp)
    }

    /// Time of the library's own choice over that of the fastest algorithm: 1 where it chooses best. `None` where there is
    /// nothing to choose, or where its choice could not be timed.
    pub fn heuristic_over_best(&self) -> Option<f64> {
        Some(self.ms_of(self.heuristic)? / self.best_ms()?)
    }
}

/// Times algorithms and remembers the fastest, in memory or in a file.
///
/// `Send + Sync`: threads may share one. It times one problem at once; others wait. Any number of tuners, in one program or
/// in several, may share a file, of which each knows what it held when it was opened and what it added itself. Every entry
/// is a line, added by one write at the end of the file: none is lost, unless the file lies on a file system without atomic
/// appending (NFS). Of two entries with one [`Key`] the last counts. Nothing is ever removed from the file; delete it to
/// start anew.
#[derive(Debug)]
pub struct Tuner {
    path: Option<PathBuf>,
    nondeterministic: bool,
    /// By [`Key::text`].
    entries: Mutex<BTreeMap<String, Entry>>,
    /// Held while something is timed.
    device: Mutex<()>,
    warnings: Vec<Warning>,
    /// The file is something else.
    foreign: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the command line keeps its cache: `wgconv/tune.jsonl` in `$XDG_CACHE_HOME`, in `%LOCALAPPDATA%` on Windows, else
/// in `~/.cache`. `None` where the environment names no such folder.
pub fn default_path() -> Option<PathBuf> {
    let folder = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = folder("XDG_CACHE_HOME")
        .or_else(|| if cfg!(windows) { folder("LOCALAPPDATA") } else { None })
        .or_else(|| Some(folder("HOME")?.join(".cache")))?;
    Some(cache.join("wgconv").join("tune.jsonl"))
}

impl Tuner {
    /// Without a file: it forgets everything when it is dropped.
    pub fn in_memory() -> Tuner {
        Tuner {
            path: None,
            nondeterministic: false,
            entries: Mutex::default(),
            device: Mutex::default(),
            warnings: Vec::new(),
            foreign: false,
        }
    }

    /// With the entries of a file, which need not exist yet; it is created when there is something to add. Lines that are
    /// no entry of this version are skipped, see [`Tuner::warnings`]; a file without any line of ours is taken for somebody
    /// else's, and nothing is added to it. A path that is a folder, that may not be read, or
    /// that holds more than 256 MiB is an [`Error::File`].
    pub fn open(path: impl AsRef<Path>) -> Result<Tuner> {
        let path = path.as_ref();
        let Loaded { entries, warnings, foreign } = cache::load(path)?;
        let entries = entries.into_iter().map(|entry| Ok((entry.key.text()?, entry))).collect::<Result<_>>()?;
        Ok(Tuner { path: Some(path.into()), entries: Mutex::new(entries), warnings, foreign, ..Tuner::in_memory() })
    }

    /// Whether algorithms take part whose bits differ from run to run ([`Algorithm::is_deterministic`]); without this call
    /// they do not. What was tuned with them is never given to those who do without.
    #[must_use]
    pub fn nondeterministic(mut self, allowed: bool) -> Tuner {
        self.nondeterministic = allowed;
        self
    }

    /// The file.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Lines of the file that were skipped when it was opened.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Creates the file and its folders where they are missing. Fails where adding an entry would, before minutes of work
    /// are lost, and where the file is something else.
    pub fn expect_writable(&self) -> Result<()> {
        if let (true, Some(path)) = (self.foreign, &self.path) {
            return Err(cache::foreign(path));
        }
        self.path.as_deref().map_or(Ok(()), |path| cache::open(path).map(drop))
    }

    /// Fails where the file is not there or is something else: for those who only read it.
    pub fn expect_readable(&self) -> Result<()> {
        match &self.path {
            Some(path) if self.foreign => Err(cache::foreign(path)),
            Some(path) => cache::expect_file(path),
            None => Ok(()),
        }
    }

    /// Every entry, of all devices and versions, ordered by operation.
    pub fn entries(&self) -> Vec<Entry> {
        lock(&self.entries).values().cloned().collect()
    }

    /// The tuned algorithm of a problem, where there is one that applies. Checks the problem and allocates some kilobytes;
    /// touches no device. Of the options all but the forced algorithm play a part.
    pub fn lookup(&self, context: &Context, problem: &Problem, options: &Options) -> Option<Algorithm> {
        let geometry = Geometry::new(problem).ok()?;
        let text = Key::of(context, &geometry, options, self.nondeterministic).text().ok()?;
        Some(self.applicable(&text, context, &geometry, options)?.algorithm)
    }

    /// The options with the tuned algorithm forced, where there is one; as they are where there is none, or where an
    /// algorithm is forced already.
    pub fn options(&self, context: &Context, problem: &Problem, options: Options) -> Options {
        match (options.algorithm, self.lookup(context, problem, &options)) {
            (None, Some(algorithm)) => options.algorithm(algorithm),
            _ => options,
        }
    }

    /// An entry whose algorithm applies: a file may say anything.
    fn applicable(&self, text: &str, context: &Context, geometry: &Geometry, options: &Options) -> Option<Entry> {
        let entry = lock(&self.entries).get(text)?.clone();
        let forced = options.clone().algorithm(entry.algorithm);
        choose(geometry, context.capabilities(), &forced).is_ok().then_some(entry)
    }

    /// Times every algorithm that applies and remembers the fastest; or, where that is known, says so without touching the
    /// device. Compiles, submits and waits: a second or so, most of it compilation. Takes device memory for two copies of
    /// the problem's tensors and for the workspaces, and as many further copies as fill [`TuneSettings::rotate_bytes`].
    /// Where a single algorithm applies, nothing is timed.
    ///
    /// Errors: those of [`Plan::new`](crate::gpu::Plan::new) where nothing applies; [`Error::Invalid`] where the options
    /// force an algorithm or the settings make no sense; [`Error::Device`] where nothing could be timed; [`Error::File`]
    /// where the file cannot be written, in which case this tuner remembers the result all the same.
    pub fn tune(&self, gpu: &Gpu, problem: &Problem, options: &Options, settings: &TuneSettings) -> Result<Tuned> {
        if let Some(algorithm) = options.algorithm {
            return Err(Error::invalid("algorithm", algorithm, "a forced algorithm leaves nothing to tune"));
        }
        settings.check()?;
        let geometry = Geometry::new(problem)?;
        let heuristic = choose(&geometry, gpu.capabilities(), options)?.algorithm;
        let key = Key::of(gpu.context(), &geometry, options, self.nondeterministic);
        let text = key.text()?;
        let known = || {
            let entry = self.applicable(&text, gpu.context(), &geometry, options)?;
            (!settings.force).then(|| tuned(entry, heuristic, true))
        };
        if let Some(known) = known() {
            return Ok(known);
        }
        let _alone = lock(&self.device);
        // Another thread may have timed it meanwhile.
        if let Some(known) = known() {
            return Ok(known);
        }
        let algorithms = self.contenders(gpu, &geometry, options);
        let (algorithm, clock, timings) = match algorithms[..] {
            [only] => {
                let outcome = Outcome::NotTimed { reason: "no other algorithm applies".into() };
                (only, Stopwatch::new(gpu, settings.clock).kind(), vec![Timing { algorithm: only, outcome }])
            }
            _ => measure::measure(gpu, &geometry, options, settings, &algorithms)?,
        };
        let entry = Entry { schema: SCHEMA.into(), key, algorithm, clock, timings };
        lock(&self.entries).insert(text, entry.clone());
        if let (false, Some(path)) = (self.foreign, &self.path) {
            cache::append(path, &entry)?;
        }
        Ok(tuned(entry, heuristic, false))
    }

    /// What is timed, in the order in which the library prefers it.
    fn contenders(&self, gpu: &Gpu, geometry: &Geometry, options: &Options) -> Vec<Algorithm> {
        let capabilities = gpu.capabilities();
        let allowed = |algorithm: &Algorithm| self.nondeterministic || algorithm.is_deterministic();
        let applicable: Vec<Algorithm> = candidates(geometry, capabilities, options)
            .into_iter()
            .filter(|candidate| candidate.verdict.is_ok())
            .map(|candidate| candidate.algorithm)
            .filter(allowed)
            .collect();
        let preferred = preferences(geometry, capabilities, options).into_iter().map(|(algorithm, _)| algorithm);
        let mut order: Vec<Algorithm> = Vec::new();
        for algorithm in preferred.filter(|algorithm| applicable.contains(algorithm)).chain(applicable.iter().copied())
        {
            if !order.contains(&algorithm) {
                order.push(algorithm);
            }
        }
        order
    }
}

fn tuned(entry: Entry, heuristic: Algorithm, cached: bool) -> Tuned {
    let Entry { algorithm, clock, timings, .. } = entry;
    Tuned { algorithm, heuristic, clock, timings, cached }
}
