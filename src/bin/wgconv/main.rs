//! The command line: every operation on files, conformance, adapters, explanations and measurements.

mod allocator;
mod backend;
mod bench;
mod check;
mod compare;
mod console;
mod deform;
mod devices;
mod diff;
mod experiments;
mod explain;
mod export;
mod failure;
mod files;
mod filters;
mod gradient;
mod operate;
mod picture;
mod report;
mod run;
mod subject;
mod targets;
mod tune;

use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use console::{say, tell};
use failure::{Failure, Result};
use operation::Op;
use wgconv::cases::{attributes, case, document, npy, operation, request};

/// Hand-written WGSL convolutions on any wgpu adapter, judged by an f64 CPU reference.
#[derive(Debug, Parser)]
#[command(
    name = "wgconv",
    version,
    after_help = "\
Exit codes: 0 done, 1 a comparison failed, 2 bad arguments or an invalid problem, 3 valid but not supported here, \
4 trouble with the device or the machine (no memory, no room for results), 130 ended by Ctrl-C. Results go to stdout, \
everything else to stderr. A file that is named - is stdin where it is read, and stdout where it is written: what would be \
printed there goes to stderr then. RUST_LOG=wgpu=warn shows what wgpu has to say."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compute every output that a case folder names
    Run(run::RunArgs),
    /// Run case folders on every applicable algorithm and compare
    Check(check::CheckArgs),
    /// List the adapters of this machine
    Devices(devices::DevicesArgs),
    /// Measure layers of known networks, each result verified
    Bench(bench::BenchArgs),
    /// Time two ways to compute a problem by turns, for each of a list of questions
    Experiments(experiments::ExperimentsArgs),
    /// Hold families of kernels against what is expected of them
    Targets(targets::TargetsArgs),
    /// Read records of bench: tables, plots on a page, comparison with a baseline
    Report(report::ReportArgs),
    /// Compute the same on every adapter and say where results differ
    Diff(diff::DiffArgs),
    /// Time the algorithms of layers and remember the fastest
    Tune(tune::TuneArgs),
    /// Say what a problem costs and how it would be computed
    Explain(explain::ExplainArgs),
    /// Write the shaders of a problem for other programs, with a manifest
    Export(export::ExportArgs),
    /// The laboratory: how a deformable convolution learns
    Deform(deform::DeformArgs),
}

fn main() -> ExitCode {
    let code = answer();
    match console::lost() {
        Some(reason) => refused(&Failure::device(format!("cannot write the results to stdout: {reason}"))),
        None => code,
    }
}

fn answer() -> ExitCode {
    quieten_device_selection();
    #[cfg(target_os = "linux")]
    spare_the_rasteriser_threads();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("off")).init();
    let matches = match program().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return arguments_refused(&error),
    };
    let operation = matches.subcommand().and_then(|(name, matches)| Some((Op::parse(name)?, matches)));
    let outcome = match (operation, Cli::from_arg_matches(&matches)) {
        (Some((op, matches)), _) => operate::run(op, matches),
        (None, Ok(cli)) => execute(&cli.command, &matches),
        (None, Err(error)) => return arguments_refused(&error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => refused(&failure),
    }
}

/// Mesa's device-select layer looks for a Wayland display and complains on stderr where there is none.
fn quieten_device_selection() {
    const SWITCH: &str = "NODEVICE_SELECT";
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() && std::env::var_os(SWITCH).is_none() {
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var(SWITCH, "1") };
    }
}

/// Mesa's software rasteriser waits for ever where the system lets it start only some of its threads. Where there are too few
/// for it, it is told to start none.
#[cfg(target_os = "linux")]
fn spare_the_rasteriser_threads() {
    const SWITCH: &str = "LP_NUM_THREADS";
    // It starts no more of either kind.
    const MOST: usize = 32;
    // Each thread that is tried takes some address space for good, so they are tried only where there is a limit to meet.
    if std::env::var_os(SWITCH).is_some() || !threads_are_limited() {
        return;
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from).min(MOST);
    // Two kinds of them, and some for queues and for Ctrl-C.
    let needed = 2 * processors + 8;
    let gate = std::sync::Mutex::new(());
    let started = std::thread::scope(|scope| {
        let closed = gate.lock();
        let start = || std::thread::Builder::new().stack_size(1 << 16).spawn_scoped(scope, || drop(gate.lock()));
        let started = (0..needed).take_while(|_| start().is_ok()).count();
        drop(closed);
        started
    });
    if started < needed {
        // SAFETY: the threads that were started have ended.
        unsafe { std::env::set_var(SWITCH, "0") };
    }
}

/// Whether the user or the container may have a number of threads that a program could reach.
#[cfg(target_os = "linux")]
fn threads_are_limited() -> bool {
    const MANY: usize = 4096;
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    let few = |number: &str| number.trim().parse().is_ok_and(|number: usize| number < MANY);
    let limits = read("/proc/self/limits".as_ref());
    let of_user = limits.lines().find_map(|line| line.strip_prefix("Max processes")?.split_whitespace().next());
    let groups = read("/proc/self/cgroup".as_ref());
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let group = std::path::Path::new("/sys/fs/cgroup").join(group);
    of_user.is_some_and(few) || group.ancestors().any(|group| few(&read(&group.join("pids.max"))))
}

/// The commands of [`Command`] and those of the operations.
fn program() -> clap::Command {
    let commands = ["explain", "export"];
    let program = commands.iter().fold(Cli::command(), |cli, name| cli.mut_subcommand(name, subject::arguments));
    program.subcommands(operate::commands())
}

fn execute(command: &Command, matches: &ArgMatches) -> Result<()> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(args),
        Command::Devices(args) => devices::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Experiments(args) => experiments::run(args),
        Command::Targets(args) => targets::run(args),
        Command::Tune(args) => tune::run(args),
        Command::Report(args) => report::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Deform(args) => deform::run(args),
        // Their attributes are not in the derived arguments.
        Command::Explain(args) => explain::run(args, matches.subcommand_matches("explain").unwrap_or(matches)),
        Command::Export(args) => export::run(args, matches.subcommand_matches("export").unwrap_or(matches)),
    }
}

fn refused(failure: &Failure) -> ExitCode {
    tell!("{failure}");
    ExitCode::from(failure.code as u8)
}

/// Help and version are no errors; the rest becomes one line.
fn arguments_refused(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() {
        say!("{}", text.trim_end());
        return ExitCode::SUCCESS;
    }
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return refused(&Failure::invalid(format!("a command is missing\n\n{}", text.trim_end())));
    }
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let sentence: Vec<&str> = paragraph.split_whitespace().collect();
    let sentence = sentence.join(" ");
    refused(&Failure::invalid(sentence.strip_prefix("error: ").unwrap_or(&sentence)))
}
