//! Lines for people: results to stdout, remarks to stderr, progress on terminals only.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Status of a program whose reader went away, as shells report it: 128 + SIGPIPE.
const READER_GONE: i32 = 141;

/// Writes a line to stdout. Ends the process when nobody reads any more, where `println!` would panic.
pub fn line(text: std::fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = writeln!(stdout, "{text}").and_then(|()| stdout.flush())
        && error.kind() == ErrorKind::BrokenPipe
    {
        std::process::exit(READER_GONE);
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
        bar.enable_steady_tick(Duration::from_millis(200));
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
