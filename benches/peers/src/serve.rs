//! The other end of the line: runners that are part of this program.

#[cfg(feature = "burn")]
mod burn;
mod oracle;
mod wgconv;

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::args::Ours;
use crate::data;
use crate::error::{Error, Result};
use crate::protocol::{Case, Peer, Reply, Request, Times};

/// Most executions of a batch.
const MAX_REPEATS: usize = 2000;

/// A library that computes cases.
trait Runner {
    fn hello(&self) -> Peer;
    fn prepare(&mut self, case: Case) -> Result<Prepared>;
    /// Computes the case, for its values.
    fn run(&mut self) -> Result<Vec<(::wgconv::TensorName, Vec<f32>)>>;
    /// Submits so many executions and waits for the last one: milliseconds of all.
    fn batch(&mut self, repeats: usize) -> Result<f64>;
    /// The same by the device's clock.
    fn device_batch(&mut self, _repeats: usize) -> Result<Option<f64>> {
        Ok(None)
    }
    fn forget(&mut self);
}

/// What became of a case.
enum Prepared {
    Ready(Option<String>),
    Unsupported(String),
}

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Builtin {
    /// The kernels that the others are held against.
    Wgconv,
    /// Their f64 reference, for tests of this program.
    Reference,
    /// burn on wgpu.
    #[cfg(feature = "burn")]
    Burn,
}

/// Answers requests until there are no more. `ours` is for wgconv's own runner.
pub fn serve(which: Builtin, ours: &Ours) -> Result<()> {
    let opened: std::result::Result<Box<dyn Runner>, String> = match which {
        Builtin::Wgconv => {
            wgconv::Wgconv::open(ours).map(|runner| Box::new(runner) as _).map_err(|error| error.to_string())
        }
        Builtin::Reference => Ok(Box::new(oracle::Oracle::default())),
        #[cfg(feature = "burn")]
        Builtin::Burn => burn::Burn::open().map(|runner| Box::new(runner) as _),
    };
    let mut state = match opened {
        Ok(runner) => State { runner, case: None, repeats: None },
        Err(reason) => {
            return each_request(|request| match request {
                Request::Hello { .. } => Reply::Unsupported { reason: reason.clone() },
                _ => Reply::Error { message: reason.clone() },
            });
        }
    };
    each_request(|request| {
        // A library that gives up on one case may be fine with the next.
        let answer = catch_unwind(AssertUnwindSafe(|| state.answer(request)));
        let failed = |message: String| Reply::Error { message };
        match answer {
            Ok(answer) => answer.unwrap_or_else(|error| failed(error.to_string())),
            Err(panic) => failed(format!("panicked: {}", panic_text(&*panic))),
        }
    })
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a message").to_string()
}

fn each_request(mut answer: impl FnMut(Request) -> Reply) -> Result<()> {
    let gone = |error: std::io::Error| Error::Device(format!("the host is gone: {error}"));
    for line in std::io::stdin().lock().lines() {
        let reply = match serde_json::from_str(&line.map_err(gone)?) {
            Ok(request) => answer(request),
            Err(error) => Reply::Error { message: format!("request: {error}") },
        };
        let text = serde_json::to_string(&reply).map_err(|error| Error::Device(error.to_string()))?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(gone)?;
    }
    Ok(())
}

struct State {
    runner: Box<dyn Runner>,
    case: Option<Case>,
    /// Executions of a batch, once that is known.
    repeats: Option<usize>,
}

impl State {
    fn answer(&mut self, request: Request) -> Result<Reply> {
        match request {
            Request::Hello { .. } => Ok(Reply::Hello(self.runner.hello())),
            Request::Prepare(case) => {
                (self.case, self.repeats) = (None, None);
                self.runner.forget();
                Ok(match self.runner.prepare((*case).clone())? {
                    Prepared::Ready(how) => {
                        self.case = Some(*case);
                        Reply::Ready { how }
                    }
                    Prepared::Unsupported(reason) => Reply::Unsupported { reason },
                })
            }
            Request::Run => {
                let case = self.case.as_ref().ok_or_else(no_case)?;
                for (name, values) in self.runner.run()? {
                    if let Some(file) = case.outputs.get(&name) {
                        data::write(&file.path, &values)?;
                    }
                }
                Ok(Reply::Done)
            }
            Request::Time { batches, min_ms } => {
                self.case.as_ref().ok_or_else(no_case)?;
                self.time(batches, min_ms).map(Reply::Times)
            }
            Request::Drop => {
                self.case = None;
                self.runner.forget();
                Ok(Reply::Done)
            }
        }
    }

    fn time(&mut self, batches: usize, min_ms: f64) -> Result<Times> {
        let repeats = match self.repeats {
            Some(repeats) => repeats,
            None => self.calibrate(min_ms)?,
        };
        self.repeats = Some(repeats);
        // Clocks and caches settle: others ran since.
        self.runner.batch(repeats)?;
        let mut times = Times { repeats, ..Times::default() };
        for _ in 0..batches {
            times.ms.push(self.runner.batch(repeats)? / repeats as f64);
        }
        if let Some(ms) = self.runner.device_batch(repeats)? {
            times.device_ms.push(ms / repeats as f64);
        }
        Ok(times)
    }

    /// Executions that take `min_ms`.
    fn calibrate(&mut self, min_ms: f64) -> Result<usize> {
        let mut repeats = 1;
        loop {
            // The better of two: something else may have run meanwhile.
            let ms = self.runner.batch(repeats)?.min(self.runner.batch(repeats)?);
            if ms >= min_ms || repeats >= MAX_REPEATS {
                return Ok(repeats);
            }
            // A fifth more than it seems to take; not much more than before, which was short and may mislead.
            let wanted = 1.2 * repeats as f64 * min_ms / ms.max(1e-6);
            repeats = (wanted.ceil() as usize).clamp(repeats + 1, 10 * repeats).min(MAX_REPEATS);
        }
    }
}

fn no_case() -> Error {
    Error::Device("no case is prepared".into())
}

/// Milliseconds since then.
fn ms_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
