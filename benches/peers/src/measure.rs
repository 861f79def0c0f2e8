//! Cases on runners by turns.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use wgconv::{Geometry, Inputs, Problem, TensorName};

use crate::client::{Client, RunnerSpec, Trouble, nonsense};
use crate::data::{self, Expected};
use crate::error::Result;
use crate::protocol::{Case, Pass, Precision, Reply, Request, TensorFile};
use crate::record::{Cell, LOOSE, RELATIVE, RELATIVE_OF_11_BITS, Row, Runner, Settings, Status};

/// A layer under test.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// `SUITE/LAYER`.
    pub name: String,
    /// The operation.
    pub problem: Problem,
}

impl Layer {
    /// What rows call the operation: depthwise convolutions are a group of their own.
    pub fn operation(&self) -> String {
        let name = self.problem.op_name();
        match &self.problem {
            Problem::Conv(conv) if conv.groups > 1 && conv.groups == conv.c_in => format!("{name}_depthwise"),
            _ => name,
        }
    }
}

/// Runners, and the folder that they exchange files in.
pub struct Host<'a> {
    settings: &'a Settings,
    folder: &'a Path,
    seats: Vec<Seat>,
}

struct Seat {
    spec: RunnerSpec,
    client: Option<Client>,
    runner: Runner,
}

impl Trouble {
    fn status(&self) -> Status {
        match self {
            Trouble::NotInstalled(_) => Status::NotInstalled,
            Trouble::Crashed(_) => Status::Crashed,
            Trouble::TimedOut(_) => Status::TimedOut,
            Trouble::Failed(_) => Status::Failed,
            Trouble::Unsupported(_) => Status::Unsupported,
        }
    }
}

impl Seat {
    /// A running runner; one that crashed is started again.
    fn client(&mut self, settings: &Settings, folder: &Path) -> std::result::Result<&mut Client, Trouble> {
        if self.client.is_none() {
            let log = folder.join(format!("{}.log", self.spec.name));
            let timeout = Duration::from_secs_f64(settings.timeout_s);
            self.client = Some(Client::start(&self.spec, settings.threads, timeout, &log)?);
        }
        self.client.as_mut().ok_or_else(|| Trouble::Failed("it did not start".into()))
    }

    fn ask(&mut self, request: &Request) -> std::result::Result<Reply, Trouble> {
        let client = self.client.as_mut().ok_or_else(|| Trouble::Crashed("it is not running".into()))?;
        let answer = client.ask(request);
        if matches!(answer, Err(Trouble::Crashed(_) | Trouble::TimedOut(_))) {
            self.client = None;
        }
        answer
    }
}

impl<'a> Host<'a> {
    /// Starts every runner. Ours is the first.
    pub fn start(specs: &[RunnerSpec], settings: &'a Settings, folder: &'a Path) -> Host<'a> {
        let seat = |spec: &RunnerSpec| {
            let runner = Runner { name: spec.name.clone(), peer: None, status: Status::Right, message: None };
            let mut seat = Seat { spec: spec.clone(), client: None, runner };
            match seat.client(settings, folder) {
                Ok(client) => seat.runner.peer = Some(client.peer.clone()),
                Err(trouble) => {
                    seat.runner.status = trouble.status();
                    seat.runner.message = Some(trouble.to_string());
                }
            }
            seat
        };
        Host { settings, folder, seats: specs.iter().map(seat).collect() }
    }

    /// Who answered, and who did not.
    pub fn runners(&self) -> Vec<Runner> {
        self.seats.iter().map(|seat| seat.runner.clone()).collect()
    }

    /// Verifies and times a case on every runner that is there. `tell` hears what is going on.
    pub fn measure(&mut self, layer: &Layer, pass: Pass, tell: &mut dyn FnMut(&str)) -> Result<Row> {
        let geometry = Geometry::new(&layer.problem)?;
        let mut row = Row {
            layer: layer.name.clone(),
            operation: layer.operation(),
            pass,
            problem: layer.problem.clone(),
            macs: geometry.macs(),
            runners: BTreeMap::new(),
        };
        tell("data and reference");
        let made = data::inputs(&layer.problem, pass)?;
        let mut files = BTreeMap::new();
        for (&name, (shape, values)) in &made {
            let path = self.folder.join(format!("{}.f32", name.as_str()));
            data::write(&path, values)?;
            files.insert(name, TensorFile { path, shape: shape.clone() });
        }
        let values: Inputs = made.into_iter().map(|(name, (_, values))| (name, values)).collect();
        let expected = Expected::of(&layer.problem, pass, &values)?;
        drop(values);

        let mut cells: Vec<Cell> = Vec::new();
        for seat in &mut self.seats {
            tell(&format!("{} prepares", seat.spec.name));
            let case = case(layer, pass, &files, &expected, &self.folder.join(&seat.spec.name));
            let mut cell = match prepare(seat, self.settings, self.folder, &case) {
                Ok(how) => Cell { how, ..Cell::new(Status::Right, None) },
                Err(trouble) => Cell::new(trouble.status(), Some(trouble.to_string())),
            };
            if cell.status.counts() {
                tell(&format!("{} is verified", seat.spec.name));
                verify(seat, &case, &expected, &mut cell);
            }
            cells.push(cell);
        }
        let request = Request::Time { batches: self.settings.batches, min_ms: self.settings.min_ms };
        for round in 0..self.settings.rounds {
            for (seat, cell) in self.seats.iter_mut().zip(&mut cells) {
                if !cell.status.counts() {
                    continue;
                }
                tell(&format!("round {} of {}: {}", round + 1, self.settings.rounds, seat.spec.name));
                match seat.ask(&request) {
                    Ok(Reply::Times(times)) => cell.rounds.push(times),
                    Ok(other) => give_up(cell, &nonsense(&other)),
                    Err(trouble) => give_up(cell, &trouble),
                }
            }
        }
        for (seat, mut cell) in self.seats.iter_mut().zip(cells) {
            if cell.status.counts() {
                // What was timed is what was verified, whatever was tuned meanwhile.
                let case = case(layer, pass, &files, &expected, &self.folder.join(&seat.spec.name));
                verify(seat, &case, &expected, &mut cell);
            }
            if seat.client.is_some() {
                // One that cannot forget is started afresh.
                if seat.ask(&Request::Drop).is_err() {
                    seat.client = None;
                }
            }
            cell.finish();
            row.runners.insert(seat.spec.name.clone(), cell);
        }
        row.compare();
        Ok(row)
    }
}

fn give_up(cell: &mut Cell, trouble: &Trouble) {
    cell.status = trouble.status();
    cell.message = Some(trouble.to_string());
}

/// Everything that a runner needs to know of a case; it writes its outputs into `folder`.
fn case(
    layer: &Layer,
    pass: Pass,
    inputs: &BTreeMap<TensorName, TensorFile>,
    expected: &Expected,
    folder: &Path,
) -> Case {
    let output = |(name, shape): (TensorName, &[usize])| {
        let path = folder.join(format!("{}.f32", name.as_str()));
        (name, TensorFile { path, shape: shape.to_vec() })
    };
    Case {
        name: layer.name.clone(),
        operation: layer.problem.op_name(),
        pass,
        problem: layer.problem.clone(),
        inputs: inputs.clone(),
        outputs: expected.shapes().map(output).collect(),
    }
}

fn prepare(
    seat: &mut Seat,
    settings: &Settings,
    folder: &Path,
    case: &Case,
) -> std::result::Result<Option<String>, Trouble> {
    if seat.runner.status != Status::Right {
        let message = seat.runner.message.clone().unwrap_or_default();
        return Err(match seat.runner.status {
            Status::NotInstalled => Trouble::NotInstalled(message),
            Status::Unsupported => Trouble::Unsupported(message),
            Status::TimedOut => Trouble::TimedOut(message),
            Status::Crashed => Trouble::Crashed(message),
            _ => Trouble::Failed(message),
        });
    }
    let own = folder.join(&seat.spec.name);
    std::fs::create_dir_all(&own).map_err(|error| Trouble::Failed(format!("{}: {error}", own.display())))?;
    seat.client(settings, folder)?;
    match seat.ask(&Request::Prepare(Box::new(case.clone())))? {
        Reply::Ready { how } => Ok(how),
        other => Err(nonsense(&other)),
    }
}

/// Lets it compute once more and judges what it wrote.
fn verify(seat: &mut Seat, case: &Case, expected: &Expected, cell: &mut Cell) {
    for file in case.outputs.values() {
        // Nobody gets credit for what an earlier case left behind.
        let _ = std::fs::remove_file(&file.path);
    }
    match seat.ask(&Request::Run) {
        Ok(Reply::Done) => {}
        Ok(other) => return give_up(cell, &nonsense(&other)),
        Err(trouble) => return give_up(cell, &trouble),
    }
    let precision = seat.client.as_ref().map(|client| client.peer.precision).unwrap_or_default();
    let errors = expected.errors(precision, |name| data::read(case.outputs.get(&name)?).ok());
    let allowed = match precision {
        Precision::F32 => RELATIVE,
        Precision::Tf32 | Precision::F16 => RELATIVE_OF_11_BITS,
    };
    let mut bad = Vec::new();
    for (&name, error) in &errors {
        keep_largest(&mut cell.errors, name, error.over_bound);
        keep_largest(&mut cell.relative_errors, name, error.relative);
        // So that a NaN is wrong.
        if error.over_bound <= LOOSE && error.relative <= allowed {
            continue;
        }
        let far = match error.relative.is_finite() {
            true => format!("{:.0e} of its size, {:.1e} x the bound", error.relative, error.over_bound),
            false => "no number".into(),
        };
        bad.push(format!("{} ({far})", name.as_str()));
    }
    if !bad.is_empty() {
        cell.status = Status::Wrong;
        cell.message = Some(format!("wrong: {}", bad.join(", ")));
    } else if errors.values().any(|error| error.over_bound > 1.0) && cell.status == Status::Right {
        cell.status = Status::Loose;
    }
}

/// The larger of both; nothing once something was no number.
fn keep_largest(errors: &mut BTreeMap<TensorName, Option<f64>>, name: TensorName, error: f64) {
    let before = errors.get(&name).copied().unwrap_or(Some(0.0));
    errors.insert(name, before.map(|before| before.max(error)).filter(|error| error.is_finite()));
}
