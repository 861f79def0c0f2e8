//! Times algorithms of one problem by turns.

use super::TuneSettings;
use super::cache::{Outcome, Timing};
use crate::algorithm::Algorithm;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::gpu::{Gpu, Outputs, Plan, Prepared};
use crate::options::Options;
use crate::sample::sample_inputs;
use crate::timing::{ClockKind, MAX_REPEATS, Stopwatch, Summary, buffer_sets, repeats};

/// Largest distance of two results over the length of one of them. Far beyond what rounding does, far below what a kernel
/// does that a driver broke.
const MOST_DIFFERENCE: f64 = 1e-2;

/// How much slower the preferred one of two algorithms may be where their spreads meet.
const TIE: f64 = 1.1;

/// Milliseconds below which one execution is judged by several.
const SHORT_MS: f64 = 1.0;

/// An algorithm that runs and agrees.
struct Entrant {
    algorithm: Algorithm,
    plan: Plan,
    once_ms: f64,
    repeats: usize,
    sets: Vec<Prepared>,
    next: usize,
    samples_ms: Vec<f64>,
}

/// The fastest of some algorithms, and what became of each, in their order: the first is preferred where two are equal.
pub(super) fn measure(
    gpu: &Gpu,
    geometry: &Geometry,
    options: &Options,
    settings: &TuneSettings,
    algorithms: &[Algorithm],
) -> Result<(Algorithm, ClockKind, Vec<Timing>)> {
    let stopwatch = Stopwatch::new(gpu, settings.clock);
    let mut troubles: Vec<(Algorithm, Error)> = Vec::new();
    let entrants = enter(gpu, geometry, options, &stopwatch, algorithms, &mut troubles);

    let best = entrants.iter().map(|entrant| entrant.once_ms).fold(f64::INFINITY, f64::min);
    let (mut entrants, dropped): (Vec<_>, Vec<_>) =
        entrants.into_iter().partition(|entrant| entrant.once_ms <= settings.drop_factor * best);
    take_turns(gpu, &stopwatch, settings, &mut entrants, &mut troubles)?;
    // The machine was faster then than it is now: what once took less than the best does now was dropped too early.
    let medians = entrants.iter().filter_map(|entrant| Some(Summary::of(&entrant.samples_ms)?.median));
    let best = medians.fold(f64::INFINITY, f64::min);
    let (mut again, slow): (Vec<_>, Vec<_>) = dropped.into_iter().partition(|entrant| entrant.once_ms <= best);
    take_turns(gpu, &stopwatch, settings, &mut again, &mut troubles)?;
    entrants.extend(again);

    let outcome = |algorithm: Algorithm| {
        let timed = || entrants.iter().find(|entrant| entrant.algorithm == algorithm);
        if let Some((_, error)) = troubles.iter().find(|(troubled, _)| *troubled == algorithm) {
            return Outcome::NotTimed { reason: error.to_string() };
        }
        if let Some(entrant) = slow.iter().find(|entrant| entrant.algorithm == algorithm) {
            return Outcome::Slow { once_ms: entrant.once_ms };
        }
        match timed().and_then(|entrant| Some((entrant.repeats, Summary::of(&entrant.samples_ms)?))) {
            Some((repeats, summary_ms)) => Outcome::Timed { repeats, summary_ms },
            None => Outcome::NotTimed { reason: "there are no samples".into() },
        }
    };
    let timings: Vec<Timing> =
        algorithms.iter().map(|&algorithm| Timing { algorithm, outcome: outcome(algorithm) }).collect();
    match fastest(&timings) {
        Some(algorithm) => Ok((algorithm, stopwatch.kind(), timings)),
        None => Err(troubles.into_iter().next().map_or_else(
            || Error::Device(format!("{}: nothing could be timed", gpu.description())),
            |(_, error)| error,
        )),
    }
}

/// Times entrants by turns, round after round.
fn take_turns(
    gpu: &Gpu,
    stopwatch: &Stopwatch<'_>,
    settings: &TuneSettings,
    entrants: &mut [Entrant],
    troubles: &mut Vec<(Algorithm, Error)>,
) -> Result<()> {
    for entrant in &mut *entrants {
        entrant.repeats = repeats(settings.sample_ms, entrant.once_ms);
    }
    share_buffers(gpu, settings, entrants)?;
    for round in 0..settings.rounds {
        // There and back again: what drifts during a round favours nobody.
        let forward = round % 2 == 0;
        for i in 0..entrants.len() {
            let i = if forward { i } else { entrants.len() - 1 - i };
            let entrant = &mut entrants[i];
            if troubles.iter().any(|(algorithm, _)| *algorithm == entrant.algorithm) {
                continue;
            }
            if let Err(error) = visit(stopwatch, settings, entrant) {
                troubles.push((entrant.algorithm, error));
            }
        }
    }
    Ok(())
}

/// Compiles every algorithm, runs it, and compares its result with that of the always-correct one.
fn enter(
    gpu: &Gpu,
    geometry: &Geometry,
    options: &Options,
    stopwatch: &Stopwatch<'_>,
    algorithms: &[Algorithm],
    troubles: &mut Vec<(Algorithm, Error)>,
) -> Vec<Entrant> {
    let inputs = sample_inputs(geometry);
    let mut expected: Option<(Algorithm, Outputs)> = None;
    let mut entrants: Vec<Entrant> = Vec::new();
    // The always-correct one comes first there.
    for &algorithm in Algorithm::of(geometry.problem()).iter().filter(|algorithm| algorithms.contains(algorithm)) {
        let mut attempt = || -> Result<Entrant> {
            let plan = Plan::new(gpu.context(), geometry.problem(), &options.clone().algorithm(algorithm))?;
            let prepared = pollster::block_on(gpu.prepare(&plan, &inputs))?;
            // Some drivers compile only now.
            execute(stopwatch, &prepared, 1)?;
            let outputs = pollster::block_on(gpu.outputs(&plan, &prepared))?;
            match &expected {
                Some((other, expected)) => expect_agreement(algorithm, &outputs, *other, expected)?,
                None => expected = Some((algorithm, outputs)),
            }
            let mut once_ms = execute(stopwatch, &prepared, 1)?;
            // A short one says little, and one of a GPU whose clock has sunk says too much.
            let short = once_ms < SHORT_MS;
            let count = if short { (2.0 * SHORT_MS / once_ms.max(1e-3)).ceil() as usize } else { 1 }.min(MAX_REPEATS);
            once_ms = once_ms.min(pollster::block_on(stopwatch.settle(&[&prepared], count))?);
            if short {
                once_ms = once_ms.min(execute(stopwatch, &prepared, count)?);
            }
            // One copy of the tensors serves all.
            let sets = match entrants.first() {
                Some(first) => {
                    vec![Prepared::bind(&plan, first.sets[0].buffers.clone(), prepared.workspace, prepared.packed)?]
                }
                None => vec![prepared],
            };
            Ok(Entrant { algorithm, plan, once_ms, repeats: 1, sets, next: 0, samples_ms: Vec::new() })
        };
        match attempt() {
            Ok(entrant) => entrants.push(entrant),
            Err(error) => troubles.push((algorithm, error)),
        }
    }
    entrants
}

/// Milliseconds of one of `count` executions; of more where they are too short for the clock.
fn execute(stopwatch: &Stopwatch<'_>, prepared: &Prepared, count: usize) -> Result<f64> {
    let time = |count: usize| pollster::block_on(stopwatch.rotate(&[prepared], 0, count));
    time(count).or_else(|_| time(count.saturating_mul(64).min(MAX_REPEATS)))
}

/// Refuses a result that rounding cannot explain. Where the expectation is not finite, anything goes.
fn expect_agreement(algorithm: Algorithm, got: &Outputs, other: Algorithm, want: &Outputs) -> Result<()> {
    let agrees = |got: &[f32], want: &[f32]| {
        let pairs = got.iter().zip(want).filter(|(_, want)| want.is_finite());
        let (difference, length) = pairs.fold((0.0, 0.0), |(difference, length), (&got, &want)| {
            let (got, want) = (f64::from(got), f64::from(want));
            (difference + (got - want).powi(2), length + want.powi(2))
        });
        // So that a NaN does not agree.
        got.len() == want.len() && difference.sqrt() <= MOST_DIFFERENCE * length.sqrt()
    };
    let gradients =
        want.gradients.iter().all(|(name, want)| got.gradients.get(name).is_some_and(|got| agrees(got, want)));
    if agrees(&got.output, &want.output) && got.indices == want.indices && gradients {
        return Ok(());
    }
    Err(Error::Device(format!("the result of {algorithm} is not that of {other}: a broken driver or kernel")))
}

/// Lets every entrant work on the same tensors, in as many copies as are to be rotated through, and on the same workspace.
fn share_buffers(gpu: &Gpu, settings: &TuneSettings, entrants: &mut [Entrant]) -> Result<()> {
    let executions = entrants.iter().map(|entrant| entrant.repeats).max().unwrap_or(1) * settings.samples;
    let workspaces = entrants.iter().filter_map(|entrant| entrant.sets[0].workspace.clone());
    let workspace = workspaces.max_by_key(wgpu::Buffer::size);
    let Some(first) = entrants.first() else { return Ok(()) };
    let bytes: u64 = first.sets[0].buffers.values().map(wgpu::Buffer::size).sum();
    let count = buffer_sets(settings.rotate_bytes, bytes);
    let mut all = vec![first.sets[0].buffers.clone()];
    while all.len() < count.min(executions) {
        // Fewer do where there is no memory for more.
        match pollster::block_on(gpu.prepare_like(&first.plan, &first.sets[0])) {
            Ok(another) => all.push(another.buffers),
            Err(_) => break,
        }
    }
    for entrant in entrants {
        let packed = entrant.sets[0].packed.clone();
        let bind =
            |buffers: &_| Prepared::bind(&entrant.plan, Clone::clone(buffers), workspace.clone(), packed.clone());
        entrant.sets = all.iter().map(bind).collect::<Result<_>>()?;
    }
    Ok(())
}

/// Warms up and takes the samples of a round.
fn visit(stopwatch: &Stopwatch<'_>, settings: &TuneSettings, entrant: &mut Entrant) -> Result<()> {
    let sets: Vec<&Prepared> = entrant.sets.iter().collect();
    pollster::block_on(stopwatch.settle(&sets, entrant.repeats))?;
    for _ in 0..settings.samples {
        entrant.samples_ms.push(pollster::block_on(stopwatch.rotate(&sets, entrant.next, entrant.repeats))?);
        entrant.next = (entrant.next + entrant.repeats) % sets.len();
    }
    Ok(())
}

/// The least median; where spreads meet and medians are near, the one that comes first.
fn fastest(timings: &[Timing]) -> Option<Algorithm> {
    let timed = || timings.iter().filter_map(|timing| Some((timing.algorithm, timing.summary_ms()?)));
    let (_, best) = timed().min_by(|(_, a), (_, b)| a.median.total_cmp(&b.median))?;
    let ties = |other: &Summary| other.median <= TIE * best.median && other.lower_quartile <= best.upper_quartile;
    timed().find(|(_, other)| ties(other)).map(|(algorithm, _)| algorithm)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn timed(algorithm: Algorithm, samples: &[f64]) -> Timing {
        Timing { algorithm, outcome: Outcome::Timed { repeats: 1, summary_ms: Summary::of(samples).unwrap() } }
    }

    #[test]
    fn the_least_median_wins_and_a_tie_goes_to_the_preferred_one() {
        let direct = |samples: &[f64]| timed(Algorithm::Direct, samples);
        let columns = timed(Algorithm::Im2colGemm, &[1.0, 1.1, 1.2]);
        assert_eq!(fastest(&[direct(&[0.5, 0.6, 0.7]), columns.clone()]), Some(Algorithm::Direct));
        assert_eq!(fastest(&[direct(&[2.0, 2.1, 2.2]), columns.clone()]), Some(Algorithm::Im2colGemm));
        // The spreads meet.
        assert_eq!(fastest(&[direct(&[1.1, 1.15, 1.2]), columns.clone()]), Some(Algorithm::Direct));
        // They meet by noise alone: a third slower is no tie.
        assert_eq!(fastest(&[direct(&[0.9, 1.5, 1.6]), columns.clone()]), Some(Algorithm::Im2colGemm));
        // They do not meet.
        assert_eq!(fastest(&[direct(&[1.19, 1.19, 1.19]), columns.clone()]), Some(Algorithm::Im2colGemm));
        let slow = Timing { algorithm: Algorithm::Direct, outcome: Outcome::Slow { once_ms: 0.1 } };
        assert_eq!(fastest(&[slow.clone(), columns]), Some(Algorithm::Im2colGemm));
        assert_eq!(fastest(&[slow]), None);
    }

    #[test]
    fn a_result_that_rounding_cannot_explain_is_refused() {
        let outputs = |values: &[f32]| Outputs {
            algorithm: Algorithm::Direct,
            output: values.to_vec(),
            indices: None,
            gradients: BTreeMap::new(),
        };
        let want = outputs(&[1.0, -2.0, 3.0, f32::INFINITY]);
        let judge = |values: &[f32]| expect_agreement(Algorithm::Phases, &outputs(values), Algorithm::Direct, &want);
        assert_eq!(judge(&[1.000_01, -2.0, 2.999_99, 7.0]), Ok(()));
        for wrong in [&[1.0, -2.0, 2.9, 7.0][..], &[1.0, -2.0, f32::NAN, 7.0], &[1.0, -2.0, 3.0], &[0.0; 4]] {
            let error = judge(wrong).unwrap_err().to_string();
            assert!(error.contains("phases") && error.contains("direct"), "{error}");
        }
    }
}
