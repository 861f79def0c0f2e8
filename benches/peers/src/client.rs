//! A runner's process, seen from the host. Whatever it does, the host goes on.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::protocol::{Peer, Reply, Request};

/// How to start a runner.
#[derive(Debug, Clone, PartialEq)]
pub struct RunnerSpec {
    /// In the table.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// What its environment has besides this one's.
    pub env: Vec<(String, String)>,
    /// Why it is known without trying that it is not there.
    pub missing: Option<String>,
}

/// How a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The program is not there.
    NotInstalled(String),
    /// The process ended, or talked nonsense.
    Crashed(String),
    /// No answer in time.
    TimedOut(String),
    /// It said that it failed.
    Failed(String),
    /// It said that it has no such thing.
    Unsupported(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::NotInstalled(text)
            | Trouble::Crashed(text)
            | Trouble::TimedOut(text)
            | Trouble::Failed(text)
            | Trouble::Unsupported(text) => f.write_str(text),
        }
    }
}

/// A running runner.
pub struct Client {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<std::io::Result<String>>,
    log: PathBuf,
    timeout: Duration,
    /// What it said of itself.
    pub peer: Peer,
}

impl Client {
    /// Starts it and says hello. What it writes to stderr goes to `log`.
    pub fn start(spec: &RunnerSpec, threads: usize, timeout: Duration, log: &Path) -> Result<Client, Trouble> {
        if let Some(missing) = &spec.missing {
            return Err(Trouble::NotInstalled(missing.clone()));
        }
        let broken = |error: std::io::Error| Trouble::Failed(format!("{}: {error}", log.display()));
        let stderr = File::options().create(true).append(true).open(log).map_err(broken)?;
        let mut command = Command::new(&spec.program);
        command.args(&spec.args).envs(spec.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        // A Ctrl-C is meant for the one that measures; runners end when their input does.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Trouble::NotInstalled(format!("there is no {}", spec.program.display())),
            _ => Trouble::Failed(format!("{}: {error}", spec.program.display())),
        })?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Trouble::Failed("its pipes are missing".into()));
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                // Libraries print whatever they like; a reply is an object.
                let prose = line.as_ref().is_ok_and(|line| !line.starts_with('{'));
                // Nobody listens to a runner that was given up.
                if !prose && sender.send(line).is_err() {
                    break;
                }
            }
        });
        let peer = Peer {
            version: String::new(),
            device: String::new(),
            driver: String::new(),
            precision: Default::default(),
            timed: String::new(),
        };
        let mut client = Client { child, stdin, lines, log: log.into(), timeout, peer };
        match client.ask(&Request::Hello { threads })? {
            Reply::Hello(peer) => client.peer = peer,
            other => return Err(nonsense(&other)),
        }
        Ok(client)
    }

    /// Sends a request and waits for the answer; `Unsupported` and `Error` answers are trouble.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, Trouble> {
        let method = match request {
            Request::Hello { .. } => "hello",
            Request::Prepare(_) => "prepare",
            Request::Run => "run",
            Request::Time { .. } => "time",
            Request::Drop => "drop",
        };
        let line = serde_json::to_string(request).map_err(|error| Trouble::Failed(error.to_string()))?;
        if writeln!(self.stdin, "{line}").and_then(|()| self.stdin.flush()).is_err() {
            return Err(self.crashed(method));
        }
        match self.lines.recv_timeout(self.timeout) {
            Ok(Ok(line)) => match serde_json::from_str(&line) {
                Ok(Reply::Unsupported { reason }) => Err(Trouble::Unsupported(reason)),
                Ok(Reply::Error { message }) => Err(Trouble::Failed(format!("{method}: {message}"))),
                Ok(reply) => Ok(reply),
                Err(_) => {
                    let start: String = line.chars().take(80).collect();
                    Err(Trouble::Crashed(format!("{method}: not a reply: {start}")))
                }
            },
            Err(RecvTimeoutError::Timeout) => {
                self.kill();
                Err(Trouble::TimedOut(format!("{method}: no answer in {} s", self.timeout.as_secs_f64())))
            }
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(self.crashed(method)),
        }
    }

    fn kill(&mut self) {
        // Fails where it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn crashed(&mut self, method: &str) -> Trouble {
        // It closed its output; whether it also ended is about to be seen.
        std::thread::sleep(Duration::from_millis(50));
        let status = match self.child.try_wait() {
            Ok(Some(status)) => status.to_string(),
            _ => {
                self.kill();
                "its output ended".into()
            }
        };
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last = log.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let last: String = last.chars().take(160).collect();
        Trouble::Crashed(if last.is_empty() {
            format!("{method}: {status}")
        } else {
            format!("{method}: {status}: {last}")
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An answer to another question.
pub fn nonsense(reply: &Reply) -> Trouble {
    Trouble::Crashed(format!("an unexpected reply: {reply:?}").chars().take(160).collect())
}
