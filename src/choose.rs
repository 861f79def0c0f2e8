//! Geometry + capabilities -> algorithm, with the reason as a value, and its program.

use crate::algorithm::Algorithm;
use crate::capabilities::Capabilities;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::lower::{lower, reason};
use crate::options::Options;
use crate::preference::preferences;
use crate::program::Program;

/// An algorithm and whether it can compute a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// What it does here, or why it does not apply.
    pub verdict: std::result::Result<String, String>,
    /// Bytes of workspace that it needs here; zero where it does not apply.
    pub workspace_bytes: u64,
}

/// A chosen algorithm.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Why this one.
    pub reason: String,
    /// What it runs.
    pub program: Program,
}

/// Every algorithm of the operation, with what it does here or why it does not apply.
pub fn candidates(geometry: &Geometry, capabilities: &Capabilities, options: &Options) -> Vec<Candidate> {
    Algorithm::of(geometry.problem())
        .iter()
        .map(|&algorithm| match lower(geometry, algorithm, capabilities, options) {
            Ok(program) => {
                Candidate { algorithm, verdict: Ok(program.describe()), workspace_bytes: program.workspace_bytes }
            }
            Err(error) => Candidate { algorithm, verdict: Err(reason(&error)), workspace_bytes: 0 },
        })
        .collect()
}

/// Picks the algorithm for a problem, or checks the forced one. The first that applies in the order in which they are wanted is
/// lowered once.
///
/// [`Error::Algorithm`] where the forced one does not apply and others do, naming them; where none applies, the error of lowering
/// the forced one, or the one that takes any geometry: mostly [`Error::Limit`].
pub fn choose(geometry: &Geometry, capabilities: &Capabilities, options: &Options) -> Result<Choice> {
    let choice = |(algorithm, reason): (Algorithm, &str)| {
        let program = lower(geometry, algorithm, capabilities, options).ok()?;
        Some(Choice { algorithm, reason: reason.into(), program })
    };
    if let Some(algorithm) = options.algorithm {
        if let Some(choice) = choice((algorithm, "forced")) {
            return Ok(choice);
        }
        let candidates = candidates(geometry, capabilities, options);
        let applicable: Vec<&str> =
            candidates.iter().filter(|c| c.verdict.is_ok()).map(|c| c.algorithm.name()).collect();
        if applicable.is_empty() {
            return Err(refusal(geometry, algorithm, capabilities, options));
        }
        let reason = candidates
            .iter()
            .find(|c| c.algorithm == algorithm)
            .and_then(|c| c.verdict.clone().err())
            .unwrap_or_else(|| format!("{} has no such algorithm", geometry.problem().op_name()));
        return Err(Error::Algorithm { algorithm, reason, applicable: applicable.join(", ") });
    }
    // A limit of the device may refuse all that are wanted, the always-correct kernel included.
    let others = Algorithm::of(geometry.problem()).iter().filter(|algorithm| algorithm.is_deterministic());
    preferences(geometry, capabilities, options)
        .into_iter()
        .chain(others.map(|&algorithm| (algorithm, "the device's limits refuse what is usually taken")))
        .find_map(choice)
        .ok_or_else(|| refusal(geometry, Algorithm::of(geometry.problem())[0], capabilities, options))
}

/// Why not even the always-correct kernel serves.
fn refusal(geometry: &Geometry, algorithm: Algorithm, capabilities: &Capabilities, options: &Options) -> Error {
    match lower(geometry, algorithm, capabilities, options) {
        Err(error) => error,
        Ok(_) => Error::Unsupported {
            what: format!("{} by {algorithm}", geometry.problem().op_name()),
            reason: "no algorithm applies".into(),
        },
    }
}
