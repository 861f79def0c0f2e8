//! Lines for people: results to stdout, remarks to stderr, progress on terminals only.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Status of a program whose reader went away, as shells report it: 128 + SIGPIPE.
const READER_GONE: i32 = 141;

/// Whether stdout carries a file: lines then go to stderr.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Why results could not be written to stdout, where that happened.
static LOST: OnceLock<String> = OnceLock::new();

/// Keeps stdout for the bytes of a file.
pub fn take_stdout() {
    TAKEN.store(true, Ordering::Relaxed);
}

/// Why results could not be written to stdout; `None` where all of them were.
pub fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// Writes a line to stdout. What follows results that could not be written is dropped: [`lost`] says so at the end.
pub fn line(text: std::fmt::Arguments<'_>) {
    if TAKEN.load(Ordering::Relaxed) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    } else if lost().is_none() {
        write(|stdout| writeln!(stdout, "{text}"));
    }
}

/// Writes the bytes of a file to stdout.
pub fn bytes(bytes: &[u8]) {
    write(|stdout| stdout.write_all(bytes));
}

/// Ends the process when nobody reads any more, where `println!` would panic.
fn write(results: impl FnOnce(&mut io::StdoutLock<'static>) -> io::Result<()>) {
    let mut stdout = io::stdout().lock();
    let written = if closed::is_closed() {
        Err(io::Error::other("it is closed"))
    } else {
        results(&mut stdout).and_then(|()| stdout.flush())
    };
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(READER_GONE),
        Err(error) => {
            LOST.get_or_init(|| error.to_string());
        }
    }
}

/// Whether there is a stdout at all. The standard library puts /dev/null in the place of one that is closed, and does so before
/// `main`: only what runs earlier sees it.
mod closed {
    use std::sync::atomic::{AtomicBool, Ordering};

    static CLOSED: AtomicBool = AtomicBool::new(false);

    pub fn is_closed() -> bool {
        CLOSED.load(Ordering::Relaxed)
    }

    #[cfg(any(target_os = "linux", target_os = "macos"))]
    #[used]
    #[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
    #[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
    static BEFORE_MAIN: extern "C" fn() = look;

    #[cfg(any(target_os = "linux", target_os = "macos"))]
    extern "C" fn look() {
        unsafe extern "C" {
            fn fcntl(descriptor: i32, command: i32, ...) -> i32;
        }
        const STDOUT: i32 = 1;
        const F_GETFD: i32 = 1;
        // SAFETY: it asks for flags, of an open descriptor or a closed one.
        if unsafe { fcntl(STDOUT, F_GETFD) } == -1 {
            CLOSED.store(true, Ordering::Relaxed);
        }
    }
}

/// Writes a line to stderr. There is nobody to tell when that fails.
pub fn remark(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A line of results on stdout.
macro_rules! say {
    ($($arg:tt)*) => { $crate::console::line(format_args!($($arg)*)) };
}

/// A line about the program's doings on stderr.
macro_rules! tell {
    ($($arg:tt)*) => { $crate::console::remark(format_args!("wgconv: {}", format_args!($($arg)*))) };
}

pub(crate) use {say, tell};

/// Prints a JSON document on stdout.
pub fn say_json(value: &serde_json::Value) {
    // Alternate formatting of a `Value` is pretty-printed JSON and cannot fail.
    say!("{value:#}");
}

/// A bar on stderr while it is a terminal, nothing otherwise.
pub fn progress(steps: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
    if io::stderr().is_terminal() {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        // It ticks on a thread, and panics where none can be started.
        if std::thread::Builder::new().spawn(|| ()).is_ok() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
    }
    bar
}

/// Rows under a header: the first column left-aligned, the others right-aligned.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(header: &[&str]) -> Self {
        Table { rows: vec![header.iter().map(ToString::to_string).collect()] }
    }

    pub fn without_header() -> Self {
        Table { rows: Vec::new() }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub fn say(&self) {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(
                    |(column, (cell, &width))| {
                        if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                    },
                )
                .collect();
            say!("{}", cells.join("  ").trim_end());
        }
    }
}
