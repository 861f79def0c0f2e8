//! `wgconv-peers`: see README.md.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Parser;
use wgconv_peers::args::{Arguments, Command, Run};
use wgconv_peers::cases::{self, Wanted};
use wgconv_peers::error::{Error, Result};
use wgconv_peers::measure::Host;
use wgconv_peers::peers::{self, Places};
use wgconv_peers::record::{LOOSE, OURS, Record, SCHEMA, Settings, Status, summarize};
use wgconv_peers::{host, serve, table};

/// Which wgpu this was built with.
const LOCK: &str = include_str!("../Cargo.lock");

/// The build says so where it knows (`scripts/peers` does).
const COMMIT: Option<&str> = option_env!("WGCONV_COMMIT");

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        Some(Command::Runner { which, ours }) => serve::serve(*which, ours).map(|()| true),
        None => run(&arguments.run),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(if matches!(error, Error::Device(_)) { 4 } else { 2 })
        }
    }
}

/// Whether ours was right everywhere.
fn run(args: &Run) -> Result<bool> {
    let start = Instant::now();
    let this = std::env::current_exe().map_err(Error::file(Path::new("this program")))?;
    let here = args.home.as_deref().unwrap_or(Path::new(env!("CARGO_MANIFEST_DIR")));
    let threads = args.threads.map_or_else(host::processors, usize::from);
    let runners = here.join("runners");
    let places = Places { this: &this, runners: &runners, tools: &args.tools, python: args.python.as_deref(), threads };
    let ours = args.ours.arguments();
    let mut specs = vec![peers::ours(&places, &ours)];
    for name in args.peer.iter().filter(|name| !name.is_empty()) {
        specs.push(peers::known(&places, name)?);
    }
    for text in &args.runner {
        specs.push(peers::custom(&places, text)?);
    }
    for (i, spec) in specs.iter().enumerate() {
        if specs[..i].iter().any(|other| other.name == spec.name) {
            return Err(Error::invalid("--peer, --runner", &spec.name, "each name once"));
        }
    }
    let wanted = Wanted {
        suites: args.suite.clone(),
        layers: args.layer.clone(),
        operations: args.operation.iter().map(|name| name.to_lowercase().replace('-', "_")).collect(),
        large: args.large,
        batch: args.batch.clone(),
    };
    let wgconv = args.wgconv.clone().unwrap_or_else(|| cases::beside(&this));
    let layers = cases::layers(&wgconv, &here.join("extra.json"), &wanted)?;
    let settings = Settings {
        rounds: args.rounds.into(),
        batches: args.batches.into(),
        min_ms: args.min_ms.into(),
        threads,
        timeout_s: args.timeout.into(),
        loose: LOOSE,
        ours,
    };
    let folder = tempfile::tempdir().map_err(Error::file(&std::env::temp_dir()))?;
    let created = host::now();
    let mut runners = Host::start(&specs, &settings, folder.path());
    let total = layers.len() * args.pass.len();
    let stop = stop_on_interrupt()?;
    let names: Vec<String> = specs.iter().map(|spec| spec.name.clone()).collect();
    let mut record = Record {
        schema: SCHEMA.into(),
        created,
        commit: COMMIT.filter(|commit| !commit.is_empty()).map(Into::into),
        wgpu: locked_version("wgpu").map(Into::into),
        host: host::host(),
        settings: settings.clone(),
        runners: runners.runners(),
        summary: Vec::new(),
        rows: Vec::new(),
        seconds: 0.0,
        interrupted: true,
    };
    let is_over = || {
        let late = args.seconds.is_some_and(|seconds| start.elapsed().as_secs_f64() >= f64::from(seconds));
        late || stop.load(Ordering::SeqCst)
    };
    for (layer, &pass) in layers.iter().flat_map(|layer| args.pass.iter().map(move |pass| (layer, pass))) {
        if is_over() {
            break;
        }
        let at = record.rows.len() + 1;
        let mut tell = |what: &str| progress(&format!("{at}/{total} {} {}: {what}", layer.name, pass.as_str()));
        record.rows.push(runners.measure(layer, pass, &mut tell)?);
        record.summary = summarize(&names, &record.rows);
        record.interrupted = record.rows.len() < total;
        record.host.load_after = host::load();
        record.seconds = start.elapsed().as_secs_f64();
        if let Some(path) = &args.out {
            write(path, &record)?;
        }
    }
    progress("");
    if record.interrupted {
        eprintln!("ended after {} of {total} cases", record.rows.len());
    }
    if let Some(path) = &args.out {
        write(path, &record)?;
    }
    let text = json(&record)?;
    if args.json {
        say(&text);
    } else {
        table::lines(&record).iter().for_each(|line| say(line));
    }
    Ok(record.rows.iter().all(|row| row.runners.get(OURS).is_some_and(|cell| cell.status == Status::Right)))
}

fn json(record: &Record) -> Result<String> {
    serde_json::to_string_pretty(record).map_err(|error| Error::Device(error.to_string()))
}

/// Writes the record so that whoever reads the file meanwhile finds it whole.
fn write(path: &Path, record: &Record) -> Result<()> {
    let text = format!("{}\n", json(record)?);
    // A pipe or a device is written to: renaming would replace it by a file.
    if path.exists() && !path.is_file() {
        return std::fs::write(path, text).map_err(Error::file(path));
    }
    let temporary = path.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&temporary, text).map_err(Error::file(&temporary))?;
    std::fs::rename(&temporary, path).map_err(Error::file(path))
}

fn locked_version(package: &str) -> Option<&'static str> {
    let entry = format!("name = \"{package}\"\nversion = \"");
    let (_, rest) = LOCK.split_once(&entry)?;
    Some(rest.split_once('"')?.0)
}

/// Set by the first Ctrl-C, which ends the run behind the case that is being measured; the second ends it at once.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let handler = move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("ending behind this case; press Ctrl-C again to end at once");
    };
    ctrlc::set_handler(handler).map_err(|error| Error::Device(format!("Ctrl-C cannot be caught: {error}")))?;
    Ok(stop)
}

/// A closed pipe is nobody's mistake.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// One line on a terminal that changes; nothing in a pipe.
fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[2K{text}");
        let _ = std::io::stderr().flush();
    }
}
